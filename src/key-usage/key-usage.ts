import { type CountedSignIns, countSignIns } from '#src/key-usage/sign-ins.ts';
import { type AlgorithmUse, type KeyCount, TOKEN_KINDS, type TokenKind } from '#src/key-usage/usage.ts';
import { everyValue } from '#src/record-loops.ts';
import type { Records } from '#src/records.ts';
import type { KeyRing } from '#src/signing/key-ring.ts';
import type { RefreshLifetimes } from '#src/tokens/refresh-token.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/**
 * The tokens of a key of the JWK Set that have not expired, of all servers together, as they were written down last: there
 * are as many at least.
 */
export interface LivingTokens extends Readonly<Record<TokenKind, number>> {
  /** When the last of them expires; `null` if there is none. */
  readonly lastExpiresAt: EpochSeconds | null;
}

export interface CountedTokens {
  readonly byKid: ReadonlyMap<string, LivingTokens>;
  /** When a server last wrote down a count; `null` if none has. */
  readonly countedAt: EpochSeconds | null;
}

/** What the keys have signed, as the servers have written it down. */
export class KeyUsage {
  readonly #records: Pick<Records, 'list'>;
  readonly #refreshLifetimes: RefreshLifetimes;

  constructor(options: { records: Pick<Records, 'list'>; refreshLifetimes: RefreshLifetimes }) {
    this.#records = options.records;
    this.#refreshLifetimes = options.refreshLifetimes;
  }

  /** @throws StorageFault */
  async tokens(now: EpochSeconds): Promise<CountedTokens> {
    const byKid = new Map<string, LivingTokens>();
    let countedAt: EpochSeconds | null = null;
    for await (const count of everyValue<KeyCount>(this.#records, 'key-usage')) {
      byKid.set(count.kid, added(byKid.get(count.kid), count, now));
      countedAt = epochSeconds(Math.max(countedAt ?? 0, count.countedAt));
    }
    return { byKid, countedAt };
  }

  /** Who was last given something by which algorithm. @throws StorageFault */
  uses(): AsyncGenerator<AlgorithmUse> {
    return everyValue<AlgorithmUse>(this.#records, 'algorithm-use');
  }

  /** The sign-ins that can be refreshed, by the key that signed their refresh token. @throws StorageFault */
  signIns(ring: KeyRing, options: { now: EpochSeconds; max: number }): Promise<CountedSignIns> {
    return countSignIns(this.#records, ring, { ...options, lifetimes: this.#refreshLifetimes });
  }
}

function added(sum: LivingTokens | undefined, { tokens }: KeyCount, now: EpochSeconds): LivingTokens {
  const living = (kind: TokenKind) =>
    tokens[kind].expiring.reduce((total, [until, count]) => (until > now ? total + count : total), 0);
  const ends = TOKEN_KINDS.map((kind) => tokens[kind].lastExpiresAt);
  const last = epochSeconds(Math.max(sum?.lastExpiresAt ?? 0, ...ends));
  return {
    access: (sum?.access ?? 0) + living('access'),
    id: (sum?.id ?? 0) + living('id'),
    lastExpiresAt: last > now ? last : null,
  };
}
