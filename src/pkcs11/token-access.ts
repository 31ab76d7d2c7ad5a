import type { TokenLocation } from '#src/pkcs11/messages.ts';
import type { WrittenPin } from '#src/pkcs11/pin-file.ts';
import type { PinTrials } from '#src/pkcs11/pin-trials.ts';
import { REFUSED_BEFORE, TokenProblem } from '#src/pkcs11/token-problem.ts';
import { TokenProcess } from '#src/pkcs11/token-process.ts';
import type { Secret } from '#src/secret.ts';

/** Opens the token, each time with the PIN as it is by then. */
export class TokenAccess {
  readonly location: TokenLocation;
  readonly #pin: () => Promise<WrittenPin>;
  readonly #trials: PinTrials | null;
  #refused: Secret | null = null;

  /** `pin` may throw `SetupFault`. Without `trials` nobody else knows of a PIN that is refused. */
  constructor(location: TokenLocation, pin: () => Promise<WrittenPin>, trials: PinTrials | null = null) {
    this.location = location;
    this.#pin = pin;
    this.#trials = trials;
  }

  /**
   * A process with the token open. A PIN that was refused is not tried again by this server until it is another one, and
   * by nobody who shares its trials: tokens lock after a few wrong ones. Throws `TokenProblem`, `SetupFault`.
   */
  async open(): Promise<TokenProcess> {
    const { pin, writing } = await this.#pin();
    if (this.#refused?.reveal() === pin.reveal()) throw new TokenProblem('pin', REFUSED_BEFORE);
    const start = () => TokenProcess.start(this.location, pin);
    try {
      if (this.#trials === null) return await start();
      const { module, token } = this.location;
      return await this.#trials.inTurn([module, token, pin.reveal(), writing], start);
    } catch (error) {
      if (error instanceof TokenProblem && error.kind === 'pin') this.#refused = pin;
      throw error;
    }
  }
}
