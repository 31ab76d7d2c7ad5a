import type { TokenCount } from '#src/key-usage/usage.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/**
 * How many tokens expire when. They are counted together by stretches of time, the shorter the sooner they expire, so that
 * there are some three hundred numbers at most; and by the beginning of a stretch, so that no dead token is ever counted.
 */
export class TokenTally {
  readonly #counts = new Map<EpochSeconds, number>();
  #lastExpiresAt = epochSeconds(0);

  add(expiresAt: EpochSeconds, now: EpochSeconds): void {
    const stretch = stretchOf(expiresAt, now);
    this.#counts.set(stretch, (this.#counts.get(stretch) ?? 0) + 1);
    if (expiresAt > this.#lastExpiresAt) this.#lastExpiresAt = expiresAt;
  }

  /** What has not expired; the rest is forgotten. */
  alive(now: EpochSeconds): TokenCount {
    for (const stretch of this.#counts.keys()) if (stretch <= now) this.#counts.delete(stretch);
    return { expiring: [...this.#counts], lastExpiresAt: this.#lastExpiresAt };
  }
}

/** Up to which length of time tokens are counted by stretches of which, in seconds. Nothing that is signed lives for longer than a day. */
const STRETCHES = [
  { upTo: 900, length: 10 },
  { upTo: 7200, length: 60 },
] as const;

const LONGEST_STRETCH = 900;

function stretchOf(expiresAt: EpochSeconds, now: EpochSeconds): EpochSeconds {
  const length = STRETCHES.find(({ upTo }) => expiresAt - now <= upTo)?.length ?? LONGEST_STRETCH;
  return epochSeconds(Math.floor(expiresAt / length) * length);
}
