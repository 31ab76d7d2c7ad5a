import type { TokenLocation } from '#src/pkcs11/messages.ts';
import { TokenProblem } from '#src/pkcs11/token-problem.ts';
import { TokenProcess } from '#src/pkcs11/token-process.ts';
import type { Secret } from '#src/secret.ts';

/** Opens the token, each time with the PIN as it is by then. */
export class TokenAccess {
  readonly location: TokenLocation;
  readonly #pin: () => Promise<Secret>;
  #refused: Secret | null = null;

  /** `pin` may throw `SetupFault`. */
  constructor(location: TokenLocation, pin: () => Promise<Secret>) {
    this.location = location;
    this.#pin = pin;
  }

  /**
   * A process with the token open. A PIN that was refused is not tried again by this server until it is another one:
   * tokens lock after a few wrong ones. Throws `TokenProblem`, `SetupFault`.
   */
  async open(): Promise<TokenProcess> {
    const pin = await this.#pin();
    if (this.#refused?.reveal() === pin.reveal())
      throw new TokenProblem(
        'pin',
        'the token has refused the PIN, which is not tried again until it changes',
      );
    try {
      return await TokenProcess.start(this.location, pin);
    } catch (error) {
      if (error instanceof TokenProblem && error.kind === 'pin') this.#refused = pin;
      throw error;
    }
  }
}
