import type { Clock } from '#src/clock.ts';
import { Refusal, SetupFault, StorageFault } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import { keyRevoked } from '#src/revocations/note.ts';
import { type GeneratedKey, generateKey, type JwsAlgorithm } from '#src/signing/algorithm.ts';
import {
  activeKey,
  endsAt,
  firstRing,
  type KeyRing,
  type KeyState,
  type SigningKeyRecord,
  stateOf,
  supersededAt,
} from '#src/signing/key-ring.ts';
import { checkRing } from '#src/signing/ring-check.ts';
import {
  type Revoked,
  revoke,
  rotateNow,
  type Step,
  type Successor,
  settle,
} from '#src/signing/ring-plan.ts';
import {
  checkPolicy,
  type KeyPurpose,
  type RingPolicy,
  retention,
  ringAlgorithms,
} from '#src/signing/ring-policy.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

export interface RotationPorts {
  readonly records: Pick<Records, 'find' | 'put' | 'revoke'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly policy: RingPolicy;
}

/** A ring as the store has it. */
export interface StoredRing {
  readonly ring: KeyRing;
  readonly version: number;
}

/** A key as the administrator may see it: never its private part. Times to come are those planned now. */
export interface KeyListing {
  readonly kid: string;
  readonly alg: JwsAlgorithm;
  readonly purpose: KeyPurpose;
  readonly state: KeyState;
  readonly publishedAt: EpochSeconds;
  readonly signsFrom: EpochSeconds;
  readonly retiredAt: EpochSeconds | null;
  readonly removedAt: EpochSeconds | null;
  readonly revokedAt: EpochSeconds | null;
  readonly reason: string | null;
}

/**
 * `signs-now`: the key is active. `scheduled`: it is too young, and signs from the given second.
 * `already-rotated`: someone else rotated at the same moment, and this is the key that signs since.
 */
export interface RotationOutcome {
  readonly outcome: 'signs-now' | 'scheduled' | 'already-rotated';
  readonly alg: JwsAlgorithm;
  readonly kid: string;
  readonly signsFrom: EpochSeconds;
}

export type RevocationOutcome =
  | { readonly outcome: 'no-such-key' | 'already-revoked' }
  | { readonly outcome: 'revoked'; readonly successor: Successor | null };

/** The entry of the revocation set that ends every token signed by a key. */
export const keyRevocationEntry = (kid: string): string => `key:${kid}`;

const RING = { kind: 'key-ring', id: 'signing' } as const;

/** Enough for every node of a fleet to change the ring in the same moment, one after the other. */
const ATTEMPTS_MAX = 64;

const REASON_CHARS_MAX = 200;

/**
 * Keeps the ring in the store. Every change is a compare-and-set of the whole ring: of two nodes that want the same
 * change one writes it, and the other reads the result and finds nothing left to do.
 */
export class KeyRotation {
  readonly policy: RingPolicy;
  readonly #records: RotationPorts['records'];
  readonly #clock: Clock;
  readonly #random: Random;
  #held: StoredRing;

  private constructor(ports: RotationPorts, held: StoredRing) {
    this.policy = ports.policy;
    this.#records = ports.records;
    this.#clock = ports.clock;
    this.#random = ports.random;
    this.#held = held;
  }

  /**
   * Loads the ring, makes it if this is the first start, and carries out what is due.
   * Throws `SetupFault` for a policy that cannot be kept, `StorageFault` if the store fails.
   */
  static async open(ports: RotationPorts): Promise<KeyRotation> {
    const problems = checkPolicy(ports.policy);
    if (problems.length > 0) {
      throw new SetupFault('The key rotation settings contradict each other.', problems.join('; '));
    }
    const rotation = new KeyRotation(ports, (await readRing(ports)) ?? (await createRing(ports)));
    await rotation.maintain();
    return rotation;
  }

  /** The newest ring that this node has seen. It holds private keys. */
  get held(): StoredRing {
    return this.#held;
  }

  /** Reads the ring and turns to it if it is newer than the one held. Throws `StorageFault`. */
  async refresh(): Promise<StoredRing> {
    this.#turn(await this.#read());
    return this.#held;
  }

  /** Reads the ring, carries out what is due, and says what that was. Throws `StorageFault`. */
  async maintain(): Promise<readonly Step[]> {
    return (await this.#change((ring) => ({ ring, result: null }))).done;
  }

  /** Lets the standby of one algorithm, or of each, sign as soon as everyone has it. Throws `Refusal`, `StorageFault`. */
  async rotate(alg?: JwsAlgorithm): Promise<readonly RotationOutcome[]> {
    const known = ringAlgorithms(this.policy);
    if (alg !== undefined && !known.includes(alg)) {
      throw new Refusal(
        'unknown_algorithm',
        `No key of this server signs with ${alg}, only with ${known.join(', ')}.`,
        { alg, known },
      );
    }
    const algorithms = alg === undefined ? known : [alg];
    const activeAtFirst = new Map<JwsAlgorithm, string>();
    const { result } = await this.#change((ring, now) => {
      const outcomes: RotationOutcome[] = [];
      let rotated = ring;
      for (const each of algorithms) {
        const { kid, signsFrom } = mustBeActive(ring, each, now);
        const before = activeAtFirst.get(each) ?? kid;
        activeAtFirst.set(each, before);
        if (kid !== before) {
          outcomes.push({ outcome: 'already-rotated', alg: each, kid, signsFrom });
        } else {
          const turn = rotateNow(rotated, this.policy, each, now);
          const outcome = turn.signsFrom <= now ? 'signs-now' : 'scheduled';
          outcomes.push({ outcome, alg: each, kid: turn.kid, signsFrom: turn.signsFrom });
          rotated = turn.ring;
        }
      }
      return { ring: rotated, result: outcomes };
    });
    return result;
  }

  /**
   * Ends a key and every token that it signed. The tokens are in the revocation set, and so refused at introspection
   * on every node, before the ring changes. Throws `Refusal` for a reason that is too long, `StorageFault`.
   */
  async revoke(kid: string, reason: string): Promise<RevocationOutcome> {
    if (reason.length > REASON_CHARS_MAX) {
      throw new Refusal('reason_too_long', `A reason has at most ${REASON_CHARS_MAX} characters.`);
    }
    const { ring } = await this.refresh();
    const now = this.#clock.now();
    const key = ring.keys.find((candidate) => candidate.kid === kid);
    if (key === undefined || stateOf(ring, key, now) === 'removed') return { outcome: 'no-such-key' };
    const until = epochSeconds(now + Math.max(key.keptFor, retention(this.policy, key.purpose)));
    // Nobody but this server sees what the other keys sign.
    const note = key.purpose === 'jwks' ? keyRevoked(kid, until) : undefined;
    await this.#records.revoke([keyRevocationEntry(kid)], until, note);
    const { result } = await this.#change<Revoked>((settled, at) => {
      const revoked = revoke(settled, this.policy, { kid, reason }, at);
      return { ring: revoked.outcome === 'revoked' ? revoked.ring : settled, result: revoked };
    });
    return result.outcome === 'revoked' ? { outcome: 'revoked', successor: result.successor } : result;
  }

  /** Every key of the ring as it stands now, in the order of publication. Throws `StorageFault`. */
  async list(): Promise<readonly KeyListing[]> {
    const { ring } = await this.refresh();
    const now = this.#clock.now();
    return ring.keys.map((key) => listing(ring, key, now));
  }

  /**
   * Settles the ring, changes it, settles it again and writes it if anything is different. `edit` runs once per
   * attempt. Keys are generated between attempts, so that no time in the ring is older than the write that begins it.
   */
  async #change<R>(
    edit: (ring: KeyRing, now: EpochSeconds) => { ring: KeyRing; result: R },
  ): Promise<Changed<R>> {
    const generated: GeneratedKey[] = [];
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const stored = await this.#read();
      const now = this.#clock.now();
      const draft = draftChange(stored.ring, this.policy, generated, now, edit);
      if (draft.outcome === 'wanting') {
        generated.push(...(await Promise.all(draft.wanting.map((alg) => generateKey(alg, this.#random)))));
        continue;
      }
      const { ring, result, done } = draft;
      const version = ring === stored.ring ? stored.version : await this.#write(ring, stored.version, now);
      if (version === null) continue;
      this.#turn({ ring, version });
      return { result, done };
    }
    throw new StorageFault('The key ring changes faster than this node can follow.');
  }

  async #read(): Promise<StoredRing> {
    const stored = await readRing({ records: this.#records });
    if (stored === null) throw new StorageFault('The key ring is no longer in the store.');
    return stored;
  }

  /** The new version, or `null` if another node was faster. */
  async #write(ring: KeyRing, onlyVersion: number, now: EpochSeconds): Promise<number | null> {
    const problems = checkRing(ring, this.policy, now);
    if (problems.length > 0) {
      throw new Error(`A key ring that breaks its rules is never written: ${problems.join('; ')}`);
    }
    const onlyIf = { version: onlyVersion };
    const put = await this.#records.put<KeyRing>({ ...RING, value: ring, expiresAt: null, onlyIf });
    return put.outcome === 'stored' ? put.version : null;
  }

  /** Answers of the store may overtake one another; the ring never goes back. */
  #turn(stored: StoredRing): void {
    if (stored.version > this.#held.version) this.#held = stored;
  }
}

interface Changed<R> {
  readonly result: R;
  readonly done: readonly Step[];
}

type Draft<R> =
  | (Changed<R> & { readonly outcome: 'drafted'; readonly ring: KeyRing })
  | { readonly outcome: 'wanting'; readonly wanting: readonly JwsAlgorithm[] };

function draftChange<R>(
  ring: KeyRing,
  policy: RingPolicy,
  generated: readonly GeneratedKey[],
  now: EpochSeconds,
  edit: (ring: KeyRing, now: EpochSeconds) => { ring: KeyRing; result: R },
): Draft<R> {
  const before = settle(ring, policy, generated, now);
  if (before.outcome === 'wanting') return before;
  const edited = edit(before.ring, now);
  const settled = settle(edited.ring, policy, before.unused, now);
  if (settled.outcome === 'wanting') return settled;
  return {
    outcome: 'drafted',
    ring: settled.ring,
    result: edited.result,
    done: [...before.done, ...settled.done],
  };
}

async function readRing({ records }: Pick<RotationPorts, 'records'>): Promise<StoredRing | null> {
  const stored = await records.find<KeyRing>(RING.kind, RING.id);
  return stored && { ring: stored.value, version: stored.version };
}

/** Makes the first ring. Of nodes that start at the same moment one stores its ring, and all use that one. */
async function createRing(ports: RotationPorts): Promise<StoredRing> {
  const { records, clock, random, policy } = ports;
  const twoOfEach = ringAlgorithms(policy).flatMap((alg) => [alg, alg]);
  const generated = await Promise.all(twoOfEach.map((alg) => generateKey(alg, random)));
  const value = firstRing(policy, generated, clock.now());
  const put = await records.put<KeyRing>({ ...RING, value, expiresAt: null, onlyIf: 'absent' });
  if (put.outcome === 'stored') return { ring: value, version: put.version };
  const winner = await readRing(ports);
  if (winner === null) throw new StorageFault('The key ring could neither be created nor read.');
  return winner;
}

function mustBeActive(ring: KeyRing, alg: JwsAlgorithm, now: EpochSeconds): SigningKeyRecord {
  const active = activeKey(ring, alg, now);
  if (active === null) throw new Error(`A settled ring has an active ${alg} key.`);
  return active;
}

function listing(ring: KeyRing, key: SigningKeyRecord, now: EpochSeconds): KeyListing {
  const { kid, alg, purpose, publishedAt, signsFrom, revoked } = key;
  return {
    kid,
    alg,
    purpose,
    state: stateOf(ring, key, now),
    publishedAt,
    signsFrom,
    retiredAt: revoked === null ? supersededAt(ring, key) : null,
    removedAt: endsAt(ring, key),
    revokedAt: revoked?.at ?? null,
    reason: revoked?.reason ?? null,
  };
}
