import type { Clock } from '#src/clock.ts';
import type { Fleet } from '#src/fleet/fleet.ts';
import { type ClockFinding, clockDistance, type ServerNode, STORE_CLOCK } from '#src/fleet/server-node.ts';
import { type StoreClock, storeClockDistance } from '#src/fleet/store-clock.ts';
import { between, type EpochSeconds, type Seconds, seconds } from '#src/units.ts';

export interface HeartbeatParts {
  readonly fleet: Fleet;
  readonly clock: Clock;
  readonly storeClock: StoreClock;
  readonly self: Pick<ServerNode, 'id' | 'name' | 'version'>;
  /** What this server has at the moment of a beat. */
  readonly keks: () => readonly string[];
  readonly ring: () => number;
  /** Comes before each beat, so that the beat tells of what it has found. If it fails, the server lives all the same. */
  readonly before: () => Promise<void>;
  /** Comes after each beat. */
  readonly after: () => Promise<void>;
  /** Told once when a clock is found to be too far from ours, and once when it is not any more. */
  readonly onClock: (finding: ClockFinding, state: 'apart' | 'together') => void;
  readonly onFault: (error: unknown) => void;
}

/** Tells the other servers again and again that this one lives, and looks at what they tell. */
export class Heartbeat implements AsyncDisposable {
  readonly #parts: HeartbeatParts;
  readonly #startedAt: EpochSeconds;
  #seen: ReadonlyMap<string, Seen> = new Map();
  #apart: readonly ClockFinding[] = [];
  #beats = 0;
  #lookedAt: EpochSeconds | null = null;
  #timer: NodeJS.Timeout | null = null;
  #beating: Promise<void> = Promise.resolve();
  #stopped = false;
  #hurried = false;

  constructor(parts: HeartbeatParts) {
    this.#parts = parts;
    this.#startedAt = parts.clock.now();
  }

  /** Beats for the first time, and from then on by itself until disposed. Throws `StorageFault` if the first beat fails. */
  async start(): Promise<void> {
    await this.beat();
    this.#plan();
  }

  async beat(): Promise<void> {
    const { fleet, before, after, onFault } = this.#parts;
    await before().catch(onFault);
    const self = this.#self();
    // Whoever is there before: a clock that is ahead can be seen from here, though not the other way round.
    const latest = (await fleet.living()).map(({ clock }) => clock).reduce(laterOf, self.clock);
    await fleet.tell(self, latest);
    await this.#lookAtClocks(await fleet.living());
    await after().catch(onFault);
  }

  /** Beats as soon as it can and not only in a while: there is something that others wait for. */
  hurry(): void {
    // The beat that is under way may have told what was before.
    if (this.#timer === null) this.#hurried = true;
    else {
      clearTimeout(this.#timer);
      this.#plan(0);
    }
  }

  /** Ends the beating, waits for a beat that is under way, and takes leave of the others. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { fleet, self, onFault } = this.#parts;
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#beating;
    await fleet.leave(self.id).catch(onFault);
  }

  #plan(delayMs = this.#parts.fleet.every * 1000): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#hurried = false;
      this.#beating = this.beat()
        .catch(this.#parts.onFault)
        .then(() => this.#plan(this.#hurried ? 0 : undefined));
    }, delayMs).unref();
  }

  #self(): ServerNode {
    const { self, clock, keks, ring } = this.#parts;
    this.#beats += 1;
    return {
      ...self,
      startedAt: this.#startedAt,
      clock: clock.now(),
      beat: this.#beats,
      keks: keks(),
      ring: ring(),
      apart: this.#apart,
    };
  }

  async #lookAtClocks(nodes: readonly ServerNode[]): Promise<void> {
    const { fleet, clock, storeClock, self } = this.#parts;
    const ours = clock.now();
    const seen = new Map(
      nodes.filter(({ id }) => id !== self.id).map((node) => [node.id, this.#seenAt(node, ours)]),
    );
    const storeBy = await storeClockDistance(storeClock, clock);
    seen.set(STORE_CLOCK, { name: 'the store', beat: 0, by: storeBy });
    this.#lookedAt = ours;
    this.#seen = seen;
    const findings = [...seen].map(([of, { name, by }]) => ({ of, name, by }));
    this.#tellOf(findings.filter(({ by }) => Math.abs(by) > fleet.skewMax));
  }

  /** A clock that is behind looks like one that was read long ago, unless it is known when it was: since our last look. */
  #seenAt({ id, name, beat, clock: theirs }: ServerNode, ours: EpochSeconds): Seen {
    const last = this.#seen.get(id);
    if (last?.beat === beat) return last;
    const sinceLook = this.#lookedAt === null ? 0 : Math.max(0, between(this.#lookedAt, ours));
    // Both clocks tell whole seconds. Of a server that is seen for the first time nobody knows when it wrote.
    const age = seconds(last === undefined ? Number.POSITIVE_INFINITY : sinceLook + 1);
    return { name, beat, by: clockDistance({ theirs, ours, age }) };
  }

  #tellOf(apart: readonly ClockFinding[]): void {
    const { onClock } = this.#parts;
    const isNew = ({ of }: ClockFinding) => !this.#apart.some((before) => before.of === of);
    const isOver = ({ of }: ClockFinding) => this.#seen.has(of) && !apart.some((now) => now.of === of);
    for (const finding of apart.filter(isNew)) onClock(finding, 'apart');
    for (const finding of this.#apart.filter(isOver)) onClock(finding, 'together');
    this.#apart = apart;
  }
}

const laterOf = (a: EpochSeconds, b: EpochSeconds): EpochSeconds => (a > b ? a : b);

/** A clock as it was last looked at. */
interface Seen {
  readonly name: string;
  readonly beat: number;
  readonly by: Seconds;
}
