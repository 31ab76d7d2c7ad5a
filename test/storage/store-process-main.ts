import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#src/clock.ts';
import { systemRandom } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import { openStore } from '#src/storage/open-store.ts';
import { after, days, hours, seconds } from '#src/units.ts';

const WRITERS = 16;

/**
 * `derive`: opens the store, says in one line of JSON whether it was made by that and what one derived key is, and
 * closes it. `write`: writes without end, by many writers at once, and says each operation once it is acknowledged.
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

/** Written at once, so that what was acknowledged is said even if the process is killed the next moment. */
function say(what: object): void {
  writeSync(1, `${JSON.stringify(what)}\n`);
}
