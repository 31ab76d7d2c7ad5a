import { duration, wholeNumber } from '#src/config/format.ts';
import { group, setting } from '#src/config/setting.ts';
import { minutes, seconds } from '#src/units.ts';

/** What the servers on one store know of one another. */
export const nodeSettings = group('Several servers on one store', {
  heartbeat: setting(
    duration({ min: '1s', max: '1m' }),
    seconds(5),
    'How often a server tells the others that it lives and which key-encryption keys it has, and looks for new ones; the same on all servers.',
  ),
});

/** How the key-encryption key of a store is replaced. */
export const keyEncryptionSettings = group('Replacing the key-encryption key', {
  rotateWait: setting(
    duration({ min: '1s', max: '1d' }),
    minutes(2),
    'How long `keyturn kek rotate` waits for the servers to have the new key.',
  ),
  resealBatch: setting(
    wholeNumber({ min: 1, max: 10_000 }),
    100,
    'How many records one step of sealing anew looks at, so that it never holds up requests.',
  ),
  resealPauseMs: setting(
    wholeNumber({ min: 0, max: 60_000 }),
    50,
    'How long the pause between two such steps is, in milliseconds.',
  ),
});
