import assert from 'node:assert/strict';
import type { GeneratedKey, JwsAlgorithm } from '#src/signing/algorithm.ts';
import {
  activeKey,
  endsAt,
  type KeyRing,
  publishedKeys,
  signsFrom,
  standbyKey,
  stateOf,
  stillVerifies,
} from '#src/signing/key-ring.ts';
import { endAlgorithm, importKey, rehearse, revoke, rotateNow } from '#src/signing/ring-change.ts';
import { checkRing } from '#src/signing/ring-check.ts';
import { firstRing, settle } from '#src/signing/ring-plan.ts';
import { type RingPolicy, ringAlgorithms } from '#src/signing/ring-policy.ts';
import { undo } from '#src/signing/ring-undo.ts';
import { after, type EpochSeconds, epochSeconds, seconds } from '#src/units.ts';

export const DEEDS = [
  'tick',
  'rotate',
  'break-glass',
  'undo',
  'import',
  'rehearse',
  'hold',
  'revoke',
  'end',
  'restart',
] as const;

/** One thing that some node does, `wait` seconds after the one before, by a clock that is `ahead` of the slowest. */
export interface Deed {
  readonly deed: (typeof DEEDS)[number];
  readonly wait: number;
  readonly ahead: number;
  /** Chooses the algorithm, the key or the policy. */
  readonly choice: number;
}

interface Version {
  readonly at: number;
  readonly ring: KeyRing;
}

interface Token {
  readonly kid: string;
  readonly alg: JwsAlgorithm;
  readonly iat: EpochSeconds;
  readonly exp: number;
}

/**
 * A fleet, its resource servers and their caches, in true time. Every clock is true time plus something between
 * nothing and the largest skew; every node has the newest ring, or one that was replaced less than a poll ago;
 * every resource server has some JWK Set that some node served within the last max-age. Whatever any of them might
 * do is checked at every second at which something can change.
 */
export class RingHistory {
  readonly #policies: readonly RingPolicy[];
  readonly #skews: readonly number[];
  readonly #versions: Version[];
  readonly #tokens = new Map<string, Token>();
  /** Keys that had to sign before everyone could have them: their predecessor was revoked, or there was none. */
  readonly #hurried = new Set<string>();
  /** Standbys that the schedule must leave alone. */
  readonly #held = new Set<string>();
  /** Keys that are only tried out. */
  readonly #tried = new Set<string>();
  #policy: RingPolicy;
  #time: number;
  #generated = 0;

  constructor(policies: readonly [RingPolicy, ...RingPolicy[]], start: EpochSeconds) {
    this.#policies = policies;
    this.#policy = policies[0];
    this.#skews = [0, this.#policy.clockSkewMax];
    this.#time = start;
    const generated = ringAlgorithms(this.#policy).flatMap((alg) => [
      this.#generate(alg),
      this.#generate(alg),
    ]);
    const at = epochSeconds(start + this.#policy.clockSkewMax);
    this.#versions = [{ at: start, ring: firstRing(this.#policy, generated, at) }];
    this.#observe();
  }

  play({ deed, wait, ahead, choice }: Deed): void {
    this.#wait(wait);
    // Nodes that start read the ring; until all have, they keep the old lifetimes.
    if (deed === 'restart') this.#wait(this.#policy.ringPoll);
    const now = epochSeconds(this.#time + Math.min(ahead, this.#policy.clockSkewMax));
    if (deed === 'restart') this.#policy = pick(this.#policies, choice);
    let ring = this.#settle(this.#newest(), now);
    ring = this.#settle(this.#do(deed, ring, choice, now), now);
    assert.deepEqual(checkRing(ring, this.#policy, now), []);
    if (ring !== this.#newest()) this.#versions.push({ at: this.#time, ring });
    this.#observe();
  }

  #do(deed: Deed['deed'], ring: KeyRing, choice: number, now: EpochSeconds): KeyRing {
    const alg = pick(ringAlgorithms(this.#policy), choice);
    if (deed === 'rotate') return rotateNow(ring, this.#policy, alg, now).ring;
    if (deed === 'break-glass') {
      const rotated = rotateNow(ring, this.#policy, alg, now, 'in a hurry');
      this.#hurried.add(rotated.kid);
      return rotated.ring;
    }
    if (deed === 'undo') return undo(ring, this.#policy, alg, now)?.ring ?? ring;
    if (deed === 'import') return importKey(ring, this.#policy, this.#generate(alg), now).ring;
    if (deed === 'rehearse') {
      const tried = { ...this.#generate('ES256'), alg: 'ES256' } as const;
      this.#tried.add(tried.kid);
      return rehearse(ring, this.#policy, tried, { now, until: after(now, seconds(100 * choice)) });
    }
    if (deed === 'hold') {
      const kid = standbyKey(ring, alg, now)?.kid ?? '';
      if (!this.#held.delete(kid)) this.#held.add(kid);
    }
    if (deed === 'end' && !this.#policy.algorithms.includes('EdDSA')) return endAlgorithm(ring, 'EdDSA', now);
    return deed === 'revoke' ? this.#revoke(ring, choice, now) : ring;
  }

  /** Lets time pass, and looks at every second at which a node may turn. */
  #wait(length: number): void {
    const { clockSkewMax: skew, ringPoll } = this.#policy;
    const ring = this.#newest();
    const until = this.#time + length;
    const turns = [...ring.turns.map(({ from }) => from), ...ring.keys.map((key) => endsAt(ring, key) ?? 0)];
    const edges = [this.#time + ringPoll, ...turns.flatMap((turn) => [turn - skew, turn])];
    const looks = edges
      .flatMap((edge) => [edge - 1, edge, edge + 1])
      .filter((at) => at > this.#time && at < until);
    for (const at of [...new Set(looks)].sort((a, b) => a - b)) {
      this.#time = at;
      this.#observe();
    }
    this.#time = until;
    this.#observe();
  }

  #settle(ring: KeyRing, now: EpochSeconds): KeyRing {
    const generated = ringAlgorithms(this.#policy).flatMap((alg) => [
      this.#generate(alg),
      this.#generate(alg),
    ]);
    const settled = settle(ring, this.#policy, generated, now, this.#held);
    assert.equal(settled.outcome, 'settled');
    const { ring: made } = settled as Extract<typeof settled, { outcome: 'settled' }>;
    for (const key of made.keys) {
      const isNew = !ring.keys.some(({ kid }) => kid === key.kid);
      if (isNew && key.rehearsalUntil === null && (signsFrom(made, key) ?? 0) <= now)
        this.#hurried.add(key.kid);
    }
    return made;
  }

  #revoke(ring: KeyRing, choice: number, now: EpochSeconds): KeyRing {
    const { kid } = pick(ring.keys, choice);
    const revoked = revoke(ring, this.#policy, { kid, reason: 'leaked' }, now);
    if (revoked.outcome !== 'revoked') return ring;
    assert.ok(!publishedKeys(revoked.ring, now).some((key) => key.kid === kid));
    if (revoked.successor !== null) this.#hurried.add(revoked.successor.kid);
    return revoked.ring;
  }

  #generate(alg: JwsAlgorithm): GeneratedKey {
    const kid = `${alg}-${++this.#generated}`;
    const jwk =
      alg === 'HS256' ? { kty: 'oct', k: 'k' } : { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', d: 'd' };
    return { kid, alg, jwk, outside: null };
  }

  #newest(): KeyRing {
    return (this.#versions.at(-1) as Version).ring;
  }

  /** The rings that some node may have worked with at some time since `from`. */
  #inForce(from: number): readonly KeyRing[] {
    const { ringPoll } = this.#policy;
    return this.#versions
      .filter((_, index) => (this.#versions[index + 1]?.at ?? Number.POSITIVE_INFINITY) + ringPoll > from)
      .map(({ ring }) => ring);
  }

  #observe(): void {
    this.#oneActiveEach();
    this.#signOnEveryNode();
    this.#verifyOnEveryNode();
  }

  #oneActiveEach(): void {
    for (const now of this.#clocks()) {
      for (const alg of ringAlgorithms(this.#policy)) {
        const ring = this.#newest();
        const active = ring.keys.filter((key) => key.alg === alg && stateOf(ring, key, now) === 'active');
        assert.equal(active.length, 1, `${alg} has ${active.length} active keys`);
      }
    }
  }

  #signOnEveryNode(): void {
    const { longestToken, longestRefreshToken, jwksMaxAge } = this.#policy;
    const cached = this.#inForce(this.#time - jwksMaxAge);
    for (const ring of this.#inForce(this.#time)) {
      for (const now of this.#clocks()) {
        for (const alg of ringAlgorithms(this.#policy)) {
          const key = activeKey(ring, alg, now);
          // An algorithm that has just been added is unknown to a node that has not restarted yet.
          if (key === null) continue;
          assert.ok(!this.#tried.has(key.kid), 'a key that is only tried out signs');
          const longest = alg === 'HS256' ? longestRefreshToken : longestToken;
          this.#keep({ kid: key.kid, alg, iat: now, exp: now + longest });
          if (this.#hurried.has(key.kid)) continue;
          // Refresh keys need not be in any cache, but they must be on every node.
          for (const known of alg === 'HS256' ? this.#inForce(this.#time) : cached) {
            const found = known.keys.find(({ kid }) => kid === key.kid);
            assert.ok(found, `at ${this.#time} ${key.kid} signs and someone has not got it`);
          }
        }
      }
    }
  }

  #keep(token: Token): void {
    const kept = this.#tokens.get(token.kid);
    if (kept === undefined || kept.exp < token.exp) this.#tokens.set(token.kid, token);
  }

  #verifyOnEveryNode(): void {
    const newest = this.#newest();
    for (const { kid, alg, iat, exp } of this.#tokens.values()) {
      // The slowest clock takes it for valid the longest.
      const revoked = newest.keys.some((key) => key.kid === kid && key.revoked !== null);
      if (this.#time >= exp || revoked) {
        this.#tokens.delete(kid);
        continue;
      }
      for (const now of this.#clocks()) this.#mustVerify(newest, kid, now);
      // Any node can make it again, byte for byte.
      if (alg === 'HS256') assert.equal(activeKey(newest, alg, iat)?.kid, kid);
    }
  }

  #mustVerify(ring: KeyRing, kid: string, now: EpochSeconds): void {
    const key = ring.keys.find((candidate) => candidate.kid === kid);
    assert.ok(key && stillVerifies(ring, key, now), `at ${this.#time} a living token of ${kid} is orphaned`);
  }

  #clocks(): readonly EpochSeconds[] {
    return this.#skews.map((skew) => epochSeconds(this.#time + skew));
  }
}

function pick<T>(items: readonly T[], choice: number): T {
  return items[choice % items.length] as T;
}
