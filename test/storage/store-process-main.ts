import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { systemClock } from '#src/clock.ts';
import { systemRandom } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import { KekRotation } from '#src/sealing/kek-rotation.ts';
import { Resealer } from '#src/sealing/resealing.ts';
import { openStore, type Store } from '#src/storage/open-store.ts';
import { after, days, hours, seconds } from '#src/units.ts';

const WRITERS = 16;

/**
 * `derive`: opens the store, says in one line of JSON whether it was made by that and what one derived key is, and
 * closes it. `write`: writes without end, by many writers at once, and says each operation once it is acknowledged.
 * `reseal`: replaces the key-encryption key without end, seals the store anew each time, and says each step.
 */
const [, , task, directory = ''] = process.argv;

await using store = await openStore({
  location: `sqlite:${join(directory, 'data', 'keyturn.db')}`,
  keysDirectory: join(directory, 'keys'),
  clock: systemClock,
  random: systemRandom,
});

if (task === 'derive') {
  say({ created: store.created, derived: store.derive('test').toString('hex') });
} else if (task === 'reseal') {
  for (;;) await rotateAndReseal(store);
} else {
  const run = systemRandom.bytes(6).toString('hex');
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(store.records, `${run}-${writer}`)));
}

/** Each name is used once, and its record goes one of four ways. */
async function write(records: Records, writer: string): Promise<never> {
  for (let i = 0; ; i += 1) {
    const id = `${writer}-${i}`;
    const expiresAt = after(systemClock.now(), days(1));
    await records.put({
      kind: 'session',
      id,
      value: { id },
      expiresAt,
      aliases: [`alias ${id}`],
      group: `group ${id}`,
    });
    say({ did: 'put', id });
    if (i % 4 === 0) {
      await records.consume('session', id);
      say({ did: 'consume', id });
    } else if (i % 4 === 1) {
      await records.remove('session', id);
      say({ did: 'remove', id });
    } else if (i % 4 === 2) {
      await records.endGroup(`group ${id}`, expiresAt, {
        log: `log ${id}`,
        until: expiresAt,
        kind: 'session',
      });
      say({ did: 'endGroup', id });
    } else {
      await records.revoke([`jti ${id}`], after(systemClock.now(), hours(1)));
      say({ did: 'revoke', id });
      await records.hit(`counter ${id}`, seconds(3600));
      say({ did: 'hit', id });
    }
  }
}

async function rotateAndReseal({ records, keys, bodies }: Store): Promise<void> {
  const clock = systemClock;
  const rotation = new KekRotation({ keys, store: bodies, users: async () => [], clock });
  const register = async () => (await keys.refresh()).register;
  // Always of the same name, so that the next process need not wait for the turn of the one that was killed.
  const own = { name: 'the process that seals anew', batch: 20, pauseMs: 0 };
  const resealer = new Resealer({ records, store: bodies, register, clock, ...own });
  const begun = await resealer.progress();
  if (begun === null || begun.finishedAt !== null) {
    await rotation.make();
    await rotation.advance();
  }
  for (;;) {
    const step = await resealer.step();
    if (step.outcome !== 'stepped') return;
    say({ looked: step.progress.looked, faults: step.faults.length });
    await setImmediate();
  }
}

/** Written at once, so that what was acknowledged is said even if the process is killed the next moment. */
function say(what: object): void {
  writeSync(1, `${JSON.stringify(what)}\n`);
}
