import type { Clock } from '#src/clock.ts';
import { TokenTally } from '#src/key-usage/token-tally.ts';
import type { AlgorithmUse, KeyCount, Role } from '#src/key-usage/usage.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { JwtContent } from '#src/signing/jws.ts';
import type { SigningKeyName } from '#src/signing/key-view.ts';
import { ACCESS_TOKEN_TYPE } from '#src/tokens/access-token.ts';
import type { EpochSeconds, Seconds } from '#src/units.ts';

/** Per algorithm and role. Whoever comes when so many are remembered is not, until others are forgotten. */
const USES_MAX = 10_000;

/**
 * Counts, in the memory of one server, what the keys of the JWK Set sign: how many tokens of each key expire when, and
 * who was last given something by which algorithm. To note a token is a few steps in maps that are there.
 */
export class UsageCounter {
  readonly #clock: Clock;
  readonly #issuer: string;
  readonly #keys = new Map<string, CountedKey>();
  readonly #uses = new Map<SigningAlgorithm, Readonly<Record<Role, Map<string, Use>>>>();

  constructor({ clock, issuer }: { clock: Clock; issuer: string }) {
    this.#clock = clock;
    this.#issuer = issuer;
  }

  /** Notes a JWT that is about to be signed. */
  note(key: SigningKeyName, { typ, claims }: JwtContent): void {
    const now = this.#clock.now();
    const uses = this.#usesOf(key.alg);
    if (typ === ACCESS_TOKEN_TYPE) {
      this.#keyOf(key).add('access', claims.exp as EpochSeconds, now);
      noteUse(uses.holder, claims.client_id, now);
      for (const audience of [claims.aud].flat())
        if (audience !== this.#issuer) noteUse(uses['resource-server'], audience, now);
      return;
    }
    // Of what has no type, an ID token alone names the authorization that it was issued under.
    if (typ === undefined && claims.grant_id !== undefined)
      this.#keyOf(key).add('id', claims.exp as EpochSeconds, now);
    for (const audience of [claims.aud].flat()) noteUse(uses.client, audience, now);
  }

  /** The keys whose count has changed since it was written down. Those are forgotten of which nothing lives any more. */
  unwrittenKeys(): readonly Unwritten<KeyCount>[] {
    const countedAt = this.#clock.now();
    const unwritten: Unwritten<KeyCount>[] = [];
    for (const [kid, key] of this.#keys) {
      const count = key.count(countedAt);
      const { changes } = key;
      const written = () => {
        key.writtenChanges = changes;
      };
      if (changes !== key.writtenChanges) unwritten.push({ value: count, written });
      else if (Object.values(count.tokens).every(({ expiring }) => expiring.length === 0))
        this.#keys.delete(kid);
    }
    return unwritten;
  }

  /** Uses that are newer by `step` at least than what was written down of them. Those are forgotten that are older than that. */
  unwrittenUses(step: Seconds): readonly Unwritten<AlgorithmUse>[] {
    const now = this.#clock.now();
    const unwritten: Unwritten<AlgorithmUse>[] = [];
    for (const [alg, roles] of this.#uses) {
      for (const [role, uses] of Object.entries(roles) as [Role, Map<string, Use>][]) {
        for (const [name, use] of uses) {
          const { lastAt } = use;
          const isWritten = lastAt <= use.writtenAt;
          if (isWritten && now - lastAt > step) uses.delete(name);
          if (isWritten || now - use.writtenAt < step) continue;
          const written = () => {
            use.writtenAt = lastAt;
          };
          unwritten.push({ value: { alg, role, name, lastAt }, written });
        }
      }
    }
    return unwritten;
  }

  #keyOf(name: SigningKeyName): CountedKey {
    const known = this.#keys.get(name.kid);
    if (known !== undefined) return known;
    const key = new CountedKey(name);
    this.#keys.set(name.kid, key);
    return key;
  }

  #usesOf(alg: SigningAlgorithm): Readonly<Record<Role, Map<string, Use>>> {
    const known = this.#uses.get(alg);
    if (known !== undefined) return known;
    const uses = { client: new Map(), holder: new Map(), 'resource-server': new Map() };
    this.#uses.set(alg, uses);
    return uses;
  }
}

/** Something to be written down. */
export interface Unwritten<T> {
  readonly value: T;
  /** To be called once it is. */
  written(): void;
}

interface Use {
  lastAt: EpochSeconds;
  writtenAt: EpochSeconds;
}

function noteUse(uses: Map<string, Use>, name: unknown, now: EpochSeconds): void {
  if (typeof name !== 'string') return;
  const use = uses.get(name);
  if (use !== undefined) use.lastAt = now;
  else if (uses.size < USES_MAX) uses.set(name, { lastAt: now, writtenAt: 0 as EpochSeconds });
}

class CountedKey {
  changes = 0;
  writtenChanges = 0;
  readonly #name: SigningKeyName;
  readonly #tokens = { access: new TokenTally(), id: new TokenTally() };

  constructor(name: SigningKeyName) {
    this.#name = name;
  }

  add(kind: keyof KeyCount['tokens'], expiresAt: EpochSeconds, now: EpochSeconds): void {
    this.changes += 1;
    this.#tokens[kind].add(expiresAt, now);
  }

  count(now: EpochSeconds): KeyCount {
    const { access, id } = this.#tokens;
    return { ...this.#name, countedAt: now, tokens: { access: access.alive(now), id: id.alive(now) } };
  }
}
