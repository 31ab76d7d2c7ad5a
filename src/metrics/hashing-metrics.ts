import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { LineObserver, WaitingLine } from '#src/accounts/waiting-line.ts';

/** Hashing takes some ten milliseconds, waiting for it up to some seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Each is told from the start: of a series that begins with its first event nobody sees that it has risen. */
const REASONS: readonly Parameters<LineObserver['turnedAway']>[0][] = ['full', 'waited-too-long'];

/** Measures the line in which passwords wait to be hashed. */
export function measureHashing(
  registry: Registry,
  line: Pick<WaitingLine, 'waiting' | 'running' | 'observe'>,
): void {
  const registers = [registry];
  gauge(
    registry,
    'keyturn_password_hash_queue_length',
    'Passwords that wait to be hashed.',
    () => line.waiting,
  );
  gauge(registry, 'keyturn_password_hashes_running', 'Passwords that are being hashed.', () => line.running);
  const waits = new Histogram({
    name: 'keyturn_password_hash_wait_seconds',
    help: 'How long passwords waited for their turn to be hashed.',
    buckets: BUCKETS,
    registers,
  });
  const durations = new Histogram({
    name: 'keyturn_password_hash_duration_seconds',
    help: 'How long hashing a password took, without the wait.',
    buckets: BUCKETS,
    registers,
  });
  const rejected = new Counter({
    name: 'keyturn_password_hashes_rejected_total',
    help: 'Passwords that were not hashed: the line was full, or they had waited too long.',
    labelNames: ['reason'],
    registers,
  });
  for (const reason of REASONS) rejected.inc({ reason }, 0);
  const observer: LineObserver = {
    served: (waitedMs, tookMs) => {
      waits.observe(waitedMs / 1000);
      durations.observe(tookMs / 1000);
    },
    turnedAway: (reason) => rejected.inc({ reason }),
  };
  line.observe(observer);
}

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}
