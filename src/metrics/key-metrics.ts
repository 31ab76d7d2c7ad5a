import { Gauge, type Registry } from 'prom-client';
import type { Clock } from '#src/clock.ts';
import { type KeyListing, nextRotation } from '#src/signing/key-listing.ts';
import { between } from '#src/units.ts';

export interface KeyMetricsPorts {
  readonly registry: Registry;
  readonly clock: Clock;
  /** The keys as this server holds them. */
  readonly keys: () => readonly KeyListing[];
}

/**
 * How old each key is, and when the next one of its algorithm takes over. As many series as there are keys, which is a
 * few for each algorithm.
 */
export function measureKeys({ registry, clock, keys }: KeyMetricsPorts): void {
  new Gauge({
    name: 'keyturn_key_age_seconds',
    help: 'How long ago a key was published, by its algorithm, its state and its kid.',
    labelNames: ['alg', 'state', 'kid'],
    registers: [registry],
    collect() {
      this.reset();
      const now = clock.now();
      for (const { alg, state, kid, publishedAt } of keys())
        this.set({ alg, state, kid }, between(publishedAt, now));
    },
  });
  new Gauge({
    name: 'keyturn_key_next_rotation_timestamp_seconds',
    help: 'When the next key of an algorithm begins to sign, as it is planned now; absent while none is there to.',
    labelNames: ['alg'],
    registers: [registry],
    collect() {
      this.reset();
      const all = keys();
      for (const alg of new Set(all.map((key) => key.alg))) {
        const next = nextRotation(all, alg);
        if (next !== null) this.set({ alg }, next);
      }
    },
  });
}
