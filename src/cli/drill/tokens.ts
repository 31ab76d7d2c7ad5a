import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { Chance } from '#src/cli/drill/chance.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/** An access token as whoever holds it can read it. */
export interface HeldToken {
  readonly text: string;
  readonly kid: string;
  readonly issuedAt: EpochSeconds;
  readonly expiresAt: EpochSeconds;
}

/** The access tokens that clients hold, the oldest first. */
export class HeldTokens {
  #tokens: readonly HeldToken[] = [];

  add(text: string): void {
    const { kid = '' } = decodeProtectedHeader(text);
    const { iat = 0, exp = 0 } = decodeJwt(text);
    this.#tokens = [
      ...this.#tokens,
      { text, kid, issuedAt: epochSeconds(iat), expiresAt: epochSeconds(exp) },
    ];
  }

  /** Those that are good by a clock that shows `now`. */
  unexpired(now: EpochSeconds): readonly HeldToken[] {
    return this.#tokens.filter(({ expiresAt }) => expiresAt > now);
  }

  /**
   * What a resource server is shown at a time: the token that was signed last, the one with the least time left, any
   * one, and now and then one whose time is over. Whether it is does not depend on which clock is asked, from
   * `slowest` to `fastest`.
   */
  sample(
    { slowest, fastest }: { readonly slowest: EpochSeconds; readonly fastest: EpochSeconds },
    chance: Chance,
  ): HeldToken[] {
    const good = this.unexpired(fastest);
    const showsExpired = chance.between(1, EXPIRED_ONE_IN) === 1;
    const expired = showsExpired ? this.#tokens.filter(({ expiresAt }) => expiresAt <= slowest) : [];
    const oldest = good.toSorted((one, other) => one.expiresAt - other.expiresAt)[0];
    const shown = [good.at(-1), oldest, chance.of(good), expired.at(-1)];
    return [...new Set(shown)].filter((token) => token !== undefined);
  }

  /** The token with the most time left of those that a key has signed; `null` if it has signed none. */
  lastOf(kid: string | null): HeldToken | null {
    const own = this.#tokens.filter((token) => token.kid === kid);
    return own.toSorted((one, other) => one.expiresAt - other.expiresAt).at(-1) ?? null;
  }

  /** Lets go of what has been over for long by any clock. */
  forget(before: EpochSeconds): void {
    this.#tokens = this.#tokens.filter(({ expiresAt }) => expiresAt > before);
  }
}

const EXPIRED_ONE_IN = 20;
