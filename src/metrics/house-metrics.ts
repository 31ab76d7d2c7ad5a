import { setTimeout as pause } from 'node:timers/promises';
import { Counter, Gauge, type Registry } from 'prom-client';
import type { ServerNode } from '#src/fleet/server-node.ts';
import type { Attempt, Dispatcher } from '#src/outbox/dispatcher.ts';
import { RECORD_KINDS } from '#src/records.ts';

/** How much lies in the store, by kinds of records and by what lies there beside them. */
export interface Census {
  readonly records: ReadonlyMap<string, number>;
  readonly entries: Readonly<Record<string, number>>;
}

export interface HousePorts {
  readonly dispatcher: Pick<Dispatcher, 'waiting' | 'underWay'>;
  /** The servers on the store. */
  readonly nodes: () => Promise<readonly ServerNode[]>;
  /** How much lies in the store; `null` where another process tells. */
  readonly census: (() => Promise<Census | null>) | null;
  /** By the name of a set, how many it holds. */
  readonly sets: Readonly<Record<string, () => number>>;
}

/** A scrape waits no longer for the store, in milliseconds. */
const STORE_WITHIN_MS = 500;

const OUTCOMES: readonly Attempt['outcome'][] = ['delivered', 'unwanted', 'failed', 'given-up'];

/** What goes on that no request waits for. */
export interface HouseCounts {
  delivery(attempt: Pick<Attempt, 'topic' | 'outcome'>): void;
  /** What may be told from now on: of a series that begins with its first event nobody sees that it has risen. */
  delivers(topics: readonly string[]): void;
  backgroundFault(): void;
}

export function countHouse(registry: Registry): HouseCounts {
  const registers = [registry];
  const deliveries = new Counter({
    name: 'keyturn_deliveries_total',
    help: 'Attempts to tell other servers something, by what it was and what came of it.',
    labelNames: ['topic', 'outcome'],
    registers,
  });
  const faults = new Counter({
    name: 'keyturn_background_faults_total',
    help: 'Work that no request waits for and that failed; it is tried again.',
    registers,
  });
  return {
    delivery: ({ topic, outcome }) => deliveries.inc({ topic, outcome }),
    delivers: (topics) => {
      for (const topic of topics) for (const outcome of OUTCOMES) deliveries.inc({ topic, outcome }, 0);
    },
    backgroundFault: () => faults.inc(),
  };
}

/** Measures what the server holds, and who else is on the store. */
export function measureHouse(registry: Registry, { dispatcher, nodes, census, sets }: HousePorts): void {
  if (census !== null) measureStoreSize(registry, census);
  const registers = [registry];
  new Gauge({
    name: 'keyturn_deliveries_waiting',
    help: 'Deliveries that are due and wait for a place, as far as this process has them in mind.',
    registers,
    collect() {
      this.set(dispatcher.waiting);
    },
  });
  new Gauge({
    name: 'keyturn_deliveries_in_flight',
    help: 'Deliveries that are being made.',
    registers,
    collect() {
      this.set(dispatcher.underWay);
    },
  });
  new Gauge({
    name: 'keyturn_set_size',
    help: 'How many entries the process holds in a set that is bounded.',
    labelNames: ['set'],
    registers,
    collect() {
      for (const [set, size] of Object.entries(sets)) this.set({ set }, size());
    },
  });
  new Gauge({
    name: 'keyturn_node_heard_timestamp_seconds',
    help: 'When each server on the store was heard of last, by its own clock.',
    labelNames: ['node', 'version'],
    registers,
    async collect() {
      // What was heard before stays true while the store is away, which is when somebody will look at the metrics.
      const living = await inTime(nodes());
      if (living === null) return;
      this.reset();
      for (const { name, version, clock } of living) this.set({ node: name, version }, clock);
    },
  });
}

function measureStoreSize(registry: Registry, census: () => Promise<Census | null>): void {
  // All that is measured is read at once: both wait for the same answer.
  let asked: Promise<Census | null> | null = null;
  const counted = async () => {
    asked ??= inTime(census()).finally(() => {
      asked = null;
    });
    return asked;
  };
  new Gauge({
    name: 'keyturn_store_records',
    help: 'How many records lie in the store, by kind, with those that have expired and are not cleared out yet.',
    labelNames: ['kind'],
    registers: [registry],
    async collect() {
      const now = await counted();
      if (now === null) return;
      for (const kind of RECORD_KINDS) this.set({ kind }, now.records.get(kind) ?? 0);
    },
  });
  new Gauge({
    name: 'keyturn_store_entries',
    help: 'How much lies in the store beside records, with what has expired and is not cleared out yet.',
    labelNames: ['set'],
    registers: [registry],
    async collect() {
      const now = await counted();
      for (const [set, count] of Object.entries(now?.entries ?? {})) this.set({ set }, count);
    },
  });
}

/** What was asked of the store; `null` if it fails, or takes too long. */
async function inTime<T>(asked: Promise<T>): Promise<T | null> {
  const enough = new AbortController();
  const overdue = pause(STORE_WITHIN_MS, null, { ref: false, signal: enough.signal });
  try {
    return await Promise.race([asked, overdue]);
  } catch {
    return null;
  } finally {
    overdue.catch(() => {});
    enough.abort();
  }
}
