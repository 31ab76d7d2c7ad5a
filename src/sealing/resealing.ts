import type { Clock } from '#src/clock.ts';
import type { StorageFault } from '#src/fault.ts';
import type { Records } from '#src/records.ts';
import type { KekRegister } from '#src/sealing/kek-register.ts';
import { after, type EpochSeconds, type Seconds, seconds } from '#src/units.ts';

/** Everything sealed that a store holds, gone through in bounded steps. All may throw `StorageFault`. */
export interface SealedStore {
  /** Counts a stretch by key and kind. */
  count(page: WalkPage): Promise<CountStep>;

  /** Seals anew, under the current key, what stands in a stretch under another. Loses against every other write. */
  reseal(page: WalkPage): Promise<ResealStep>;
}

export interface WalkPage {
  /** `next` of the stretch before; `null` begins. */
  readonly after: string | null;
  readonly limit: number;
}

export interface CountStep {
  readonly counts: readonly BodyCount[];
  readonly next: string | null;
}

export interface BodyCount {
  /** `null` for what no key of ours has sealed. */
  readonly kekId: string | null;
  /** Of the record, or `log`. */
  readonly kind: string;
  readonly count: number;
}

export interface ResealStep {
  readonly looked: number;
  readonly resealed: number;
  /** One for each body that could not be opened, and stays as it is. */
  readonly faults: readonly StorageFault[];
  readonly next: string | null;
}

/** How far the store has been gone through, so that whoever goes on knows where. */
export interface ResealProgress {
  /** The key that everything is sealed under anew. */
  readonly kekId: string;
  readonly startedAt: EpochSeconds;
  readonly finishedAt: EpochSeconds | null;
  readonly looked: number;
  readonly resealed: number;
  readonly unreadable: number;
  /** Where the next stretch begins. */
  readonly after: string | null;
  /** Whose turn it is, until when. After that anybody goes on. */
  readonly by: string;
  readonly byUntil: EpochSeconds;
}

export interface ResealerParts {
  readonly records: Pick<Records, 'find' | 'put'>;
  readonly store: SealedStore;
  readonly register: () => Promise<KekRegister>;
  readonly clock: Clock;
  /** Tells this process from others. */
  readonly name: string;
  /** How many bodies a step looks at. */
  readonly batch: number;
  /** How long the pause after a step is. */
  readonly pauseMs: number;
}

/**
 * `not-needed`: nothing is sealed under another key than the current one, as far as the register knows. `elsewhere`:
 * another process is at it. `finished`: everything had been gone through before. `stepped`: this process has done a step.
 */
export type ResealOutcome =
  | { readonly outcome: 'not-needed' }
  | { readonly outcome: 'elsewhere' | 'finished'; readonly progress: ResealProgress }
  | ResealStepDone;

export interface ResealStepDone {
  readonly outcome: 'stepped';
  readonly progress: ResealProgress;
  /** One for each body that could not be opened in this step. */
  readonly faults: readonly StorageFault[];
}

const PROGRESS = { kind: 'resealing', id: 'resealing' } as const;

/** How long a process that does not go on keeps others from it, beside two of its pauses; a step takes milliseconds. */
const TURN_SECONDS = 3;

/**
 * Seals a store anew under its current key-encryption key, in steps. The work of a step is done before it is written
 * down, so that a crash repeats a step and leaves none out. One process has its turn at a time; should two of them
 * work at once after all, both do the same, and one of them writes it down.
 */
export class Resealer {
  readonly #parts: ResealerParts;
  readonly #turn: Seconds;

  constructor(parts: ResealerParts) {
    this.#parts = parts;
    this.#turn = seconds(TURN_SECONDS + Math.ceil((2 * parts.pauseMs) / 1000));
  }

  /** How far the current or last going-through is; `null` if there was none. Throws `StorageFault`. */
  async progress(): Promise<ResealProgress | null> {
    return (await this.#find())?.value ?? null;
  }

  /** Does what is to be done next, if it is this process's turn. Throws `StorageFault`. */
  async step(): Promise<ResealOutcome> {
    const { clock, name, register: readRegister } = this.#parts;
    const register = await readRegister();
    if (register.former.length === 0) return { outcome: 'not-needed' };
    const stored = await this.#find();
    const now = clock.now();
    const progress =
      stored?.value.kekId === register.current.id ? stored.value : this.#begun(register.current.id, now);
    if (progress.finishedAt !== null) return { outcome: 'finished', progress };
    if (progress.by !== name && now < progress.byUntil) return { outcome: 'elsewhere', progress };
    const { progress: advanced, faults } = await this.#advance(progress);
    if (!(await this.#write(advanced, stored?.version ?? null))) return { outcome: 'elsewhere', progress };
    return { outcome: 'stepped', progress: advanced, faults };
  }

  /** Goes through the store once more where the last time has left out what could not be opened. */
  async retryUnreadable(): Promise<void> {
    const stored = await this.#find();
    if (stored === null || stored.value.finishedAt === null || stored.value.unreadable === 0) return;
    await this.#write(this.#begun(stored.value.kekId, this.#parts.clock.now()), stored.version);
  }

  async #advance(
    progress: ResealProgress,
  ): Promise<{ progress: ResealProgress; faults: readonly StorageFault[] }> {
    const { store, batch, clock, name } = this.#parts;
    const { looked, resealed, faults, next } = await store.reseal({ after: progress.after, limit: batch });
    const now = clock.now();
    const advanced = {
      ...progress,
      looked: progress.looked + looked,
      resealed: progress.resealed + resealed,
      unreadable: progress.unreadable + faults.length,
      after: next,
      finishedAt: next === null ? now : null,
      by: name,
      byUntil: after(now, this.#turn),
    };
    return { progress: advanced, faults };
  }

  #begun(kekId: string, now: EpochSeconds): ResealProgress {
    const nothing = { looked: 0, resealed: 0, unreadable: 0, after: null, finishedAt: null };
    return { kekId, startedAt: now, ...nothing, by: this.#parts.name, byUntil: after(now, this.#turn) };
  }

  #find() {
    return this.#parts.records.find<ResealProgress>(PROGRESS.kind, PROGRESS.id);
  }

  /** False if another process was faster. */
  async #write(value: ResealProgress, version: number | null): Promise<boolean> {
    const onlyIf = version === null ? 'absent' : { version };
    const put = await this.#parts.records.put({ ...PROGRESS, value, expiresAt: null, onlyIf });
    return put.outcome === 'stored';
  }
}

/** How many bodies one step of a count looks at. Nothing of them is read but what they begin with. */
const COUNTED_PER_STEP = 2000;

/** Counts everything that is sealed in a store, by key and kind. Throws `StorageFault`. */
export async function countSealed(store: Pick<SealedStore, 'count'>): Promise<readonly BodyCount[]> {
  const sums = new Map<string, BodyCount>();
  let next: string | null = null;
  do {
    const step: CountStep = await store.count({ after: next, limit: COUNTED_PER_STEP });
    for (const each of step.counts) {
      const name = `${each.kekId} ${each.kind}`;
      sums.set(name, { ...each, count: each.count + (sums.get(name)?.count ?? 0) });
    }
    next = step.next;
  } while (next !== null);
  return [...sums.values()];
}
