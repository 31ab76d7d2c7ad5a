import type { Clock } from '#src/clock.ts';
import { Refusal, SetupFault } from '#src/fault.ts';
import { isMadeHere, labelOf, madeHere } from '#src/pkcs11/key-handle.ts';
import type { TokenKeys } from '#src/pkcs11/token-keys.ts';
import { newIdentifier, type Random } from '#src/random.ts';
import {
  type DiscardedKey,
  type GeneratedKey,
  type JwsAlgorithm,
  type KeySource,
  REFRESH_ALGORITHM,
} from '#src/signing/algorithm.ts';
import { after, type EpochSeconds, type Seconds, seconds } from '#src/units.ts';

/** How long after it could make no key the token is left alone: whoever wants one asks every second. */
const RETRY_AFTER: Seconds = seconds(30);

export interface TokenKeySourcePorts {
  readonly keys: TokenKeys;
  /** Where keys come from that are not to be in the token. */
  readonly own: KeySource;
  /** True if new key pairs are to be made in the token. */
  readonly inToken: boolean;
  readonly random: Random;
  readonly clock: Clock;
}

/**
 * Makes keys in a token, by the label that is their kid. What signs refresh tokens is no key pair, and stays in the
 * store. Throws `SetupFault` if the token cannot be had, or makes no such keys.
 */
export class TokenKeySource implements KeySource {
  readonly #ports: TokenKeySourcePorts;
  #failed: { readonly error: unknown; readonly until: EpochSeconds } | null = null;

  constructor(ports: TokenKeySourcePorts) {
    this.#ports = ports;
  }

  async generate(alg: JwsAlgorithm): Promise<GeneratedKey> {
    const { keys, own, inToken, random, clock } = this.#ports;
    if (alg === REFRESH_ALGORITHM || !inToken) return own.generate(alg);
    if (this.#failed !== null && this.#failed.until > clock.now()) throw this.#failed.error;
    const kid = newIdentifier(random);
    try {
      return { kid, alg, jwk: await keys.generate(kid, alg), outside: madeHere(kid) };
    } catch (problem) {
      const error = problem instanceof Refusal ? unable(problem) : problem;
      this.#failed = { error, until: after(clock.now(), RETRY_AFTER) };
      throw error;
    }
  }

  /** Removes a key that was made here; one that was brought is somebody else's to remove. */
  async discard({ outside }: DiscardedKey): Promise<void> {
    if (outside !== null && isMadeHere(outside)) await this.#ports.keys.destroy(labelOf(outside));
  }
}

const unable = ({ message }: Refusal) =>
  new SetupFault(message, 'take the algorithm out of keys.algorithms, or set keys.source to store');
