import type { Clock } from '#src/clock.ts';
import { SetupFault, StorageFault } from '#src/fault.ts';
import type { Records } from '#src/records.ts';
import type { GeneratedKey, JwsAlgorithm, KeySource } from '#src/signing/algorithm.ts';
import {
  beginningOf,
  besides,
  eventOf,
  KEY_EVENTS,
  type KeyEvent,
  type KeyEvents,
  noteOf,
} from '#src/signing/key-event.ts';
import { activeKey, type KeyRing } from '#src/signing/key-ring.ts';
import { KeysInTheMaking } from '#src/signing/keys-in-the-making.ts';
import { checkRing } from '#src/signing/ring-check.ts';
import { type RingOfOneTurn, readableRing } from '#src/signing/ring-format.ts';
import { type Done, type DueKey, firstRing, type Held, settle, turnsSoon } from '#src/signing/ring-plan.ts';
import { checkPolicy, type RingPolicy, ringAlgorithms } from '#src/signing/ring-policy.ts';
import type { EpochSeconds, Seconds } from '#src/units.ts';

export interface RingPorts {
  readonly records: Pick<Records, 'find' | 'put' | 'readLog'>;
  readonly clock: Clock;
  /** Where new keys come from. */
  readonly source: KeySource;
  readonly policy: RingPolicy;
  /** For how long it is remembered what happened to the keys. */
  readonly historyKept: Seconds;
  /** Which of the standbys whose turn comes soon must not begin to sign by the schedule yet. */
  readonly held?: (coming: readonly DueKey[], now: EpochSeconds) => Promise<Held>;
}

/** A ring as the store has it. */
export interface StoredRing {
  readonly ring: KeyRing;
  readonly version: number;
}

/** What someone does to a settled ring, told once per attempt. */
export type Edit<R> = (
  ring: KeyRing,
  now: EpochSeconds,
) => { readonly ring: KeyRing; readonly result: R; readonly events: readonly KeyEvent[] };

export interface Changed<R> {
  readonly result: R;
  readonly done: readonly Done[];
  /** Why a key that is due could not be made, or one that is gone not be removed from where it was; `null` if all went well. */
  readonly sourceFault: unknown;
}

const RING = { kind: 'key-ring', id: 'signing' } as const;

/** Enough for every node of a fleet to change the ring in the same moment, one after the other. */
const ATTEMPTS_MAX = 64;

/**
 * The ring in the store. Every change is a compare-and-set of the whole ring: of two nodes that want the same change
 * one writes it, and the other reads the result and finds nothing left to do. What happened is written down with it.
 */
export class RingStore {
  readonly #ports: RingPorts;
  #held: StoredRing;

  private constructor(ports: RingPorts, held: StoredRing) {
    this.#ports = ports;
    this.#held = held;
  }

  /**
   * Loads the ring, or makes it if this is the first start.
   * Throws `SetupFault` for a policy that cannot be kept, `StorageFault` if the store fails.
   */
  static async open(ports: RingPorts): Promise<RingStore> {
    const problems = checkPolicy(ports.policy);
    if (problems.length > 0) {
      throw new SetupFault('The key rotation settings contradict each other.', problems.join('; '));
    }
    return new RingStore(ports, (await readRing(ports)) ?? (await createRing(ports)));
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

  /**
   * Settles the ring, changes it, settles it again and writes it if anything is different. Keys are generated between
   * attempts, so that no time in the ring is older than the write that begins it. A standby that cannot be made holds
   * nothing up: a key can be revoked while what makes keys is away. Throws `StorageFault`, and what the source of keys
   * throws if an algorithm had no key at all to sign with.
   */
  async change<R>(edit: Edit<R>): Promise<Changed<R>> {
    const making = new KeysInTheMaking(this.#ports.source);
    const { before, after, result, done } = await this.#changeWith(making, edit);
    await making.discard(before, after);
    return { result, done, sourceFault: making.fault };
  }

  async #changeWith<R>(making: KeysInTheMaking, edit: Edit<R>): Promise<Written<R>> {
    const { clock, policy } = this.#ports;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const stored = await this.#read();
      const held = await this.#heldBack(stored.ring);
      const now = clock.now();
      const { keys: generated, lacking } = making;
      const means = { policy: without(policy, lacking), generated, now, held };
      const draft = draftChange(stored.ring, means, edit);
      if (draft.outcome === 'wanting') {
        await making.make(draft.wanting);
        continue;
      }
      if (lacking.some((alg) => activeKey(draft.ring, alg, now) === null)) throw making.fault;
      const version = await this.#write(draft, stored, means);
      if (version === null) continue;
      this.#turn({ ring: draft.ring, version });
      return { before: stored.ring, after: draft.ring, result: draft.result, done: draft.done };
    }
    throw new StorageFault('The key ring changes faster than this node can follow.');
  }

  /** What happened to the keys, oldest first. Throws `StorageFault`. */
  async readHistory(page: { readonly after: number; readonly limit: number }): Promise<HistoryPage> {
    const { entries, next, atEnd } = await this.#ports.records.readLog<KeyEvents>(KEY_EVENTS, page);
    return { events: entries.flatMap(({ entry }) => entry ?? []), next, atEnd };
  }

  async #heldBack(ring: KeyRing): Promise<Held | undefined> {
    const { clock, policy, held } = this.#ports;
    const now = clock.now();
    if (held === undefined) return undefined;
    const coming = turnsSoon(ring, policy, now);
    return coming.length > 0 ? held(coming, now) : undefined;
  }

  async #read(): Promise<StoredRing> {
    const stored = await readRing(this.#ports);
    if (stored === null) throw new StorageFault('The key ring is no longer in the store.');
    return stored;
  }

  /** The new version, or `null` if another node was faster. */
  async #write(
    { ring, events }: Pick<Drafted<unknown>, 'ring' | 'events'>,
    stored: StoredRing,
    { policy, now }: Means,
  ): Promise<number | null> {
    if (ring === stored.ring) return stored.version;
    const { records, historyKept } = this.#ports;
    const problems = checkRing(ring, policy, now);
    if (problems.length > 0) {
      throw new Error(`A key ring that breaks its rules is never written: ${problems.join('; ')}`);
    }
    const write = { ...RING, value: ring, expiresAt: null, onlyIf: { version: stored.version } };
    const put = await records.put<KeyRing>({ ...write, note: noteOf(events, now, historyKept) });
    return put.outcome === 'stored' ? put.version : null;
  }

  /** Answers of the store may overtake one another; the ring never goes back. */
  #turn(stored: StoredRing): void {
    if (stored.version > this.#held.version) this.#held = stored;
  }
}

export interface HistoryPage {
  readonly events: readonly KeyEvent[];
  /** Pass as `after` to read on. */
  readonly next: number;
  /** True when nothing further had happened. */
  readonly atEnd: boolean;
}

interface Written<R> extends Omit<Changed<R>, 'sourceFault'> {
  readonly before: KeyRing;
  readonly after: KeyRing;
}

interface Drafted<R> extends Omit<Changed<R>, 'sourceFault'> {
  readonly outcome: 'drafted';
  readonly ring: KeyRing;
  readonly events: readonly KeyEvent[];
}

type Draft<R> = Drafted<R> | { readonly outcome: 'wanting'; readonly wanting: readonly JwsAlgorithm[] };

interface Means {
  readonly policy: RingPolicy;
  readonly generated: readonly GeneratedKey[];
  readonly now: EpochSeconds;
  readonly held: Held | undefined;
}

/** The policy as if it did not ask for some algorithms: what they have goes on, and nothing new is due. */
const without = (policy: RingPolicy, lacking: readonly JwsAlgorithm[]): RingPolicy =>
  lacking.length === 0
    ? policy
    : { ...policy, algorithms: policy.algorithms.filter((alg) => !lacking.includes(alg)) };

function draftChange<R>(ring: KeyRing, { policy, generated, now, held }: Means, edit: Edit<R>): Draft<R> {
  const before = settle(ring, policy, generated, now, held);
  if (before.outcome === 'wanting') return before;
  const edited = edit(before.ring, now);
  const settled = settle(edited.ring, policy, before.unused, now, held);
  if (settled.outcome === 'wanting') return settled;
  const events = [
    ...before.done.map((step) => eventOf(step, now)),
    ...edited.events,
    ...besides(edited.events, before.ring, edited.ring, now),
    ...settled.done.map((step) => eventOf(step, now)),
  ];
  const done = [...before.done, ...settled.done];
  return { outcome: 'drafted', ring: settled.ring, result: edited.result, done, events };
}

async function readRing({ records }: Pick<RingPorts, 'records'>): Promise<StoredRing | null> {
  const stored = await records.find<KeyRing | RingOfOneTurn>(RING.kind, RING.id);
  return stored && { ring: readableRing(stored.value), version: stored.version };
}

/** Makes the first ring. Of nodes that start at the same moment one stores its ring, and all use that one. */
async function createRing(ports: RingPorts): Promise<StoredRing> {
  const { records, clock, source, policy, historyKept } = ports;
  const twoOfEach = ringAlgorithms(policy).flatMap((alg) => [alg, alg]);
  const generated = await Promise.all(twoOfEach.map((alg) => source.generate(alg)));
  const now = clock.now();
  const value = firstRing(policy, generated, now);
  const note = noteOf(beginningOf(value), now, historyKept);
  const put = await records.put<KeyRing>({ ...RING, value, expiresAt: null, onlyIf: 'absent', note });
  if (put.outcome === 'stored') return { ring: value, version: put.version };
  // Where they cannot be given back they stay, and nothing uses them.
  await Promise.allSettled(generated.map((key) => source.discard?.(key)));
  const winner = await readRing(ports);
  if (winner === null) throw new StorageFault('The key ring could neither be created nor read.');
  return winner;
}
