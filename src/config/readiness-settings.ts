import { choice, duration, wholeNumber } from '#src/config/format.ts';
import { group, setting, unlessSet } from '#src/config/setting.ts';
import { READINESS_POLICIES } from '#src/jwks-readers/readiness-gate.ts';
import { days, minutes, seconds } from '#src/units.ts';

/** Among the settings of signing keys: who is remembered of those that fetch the JWK Set, and waited for. */
export const readerSettings = {
  readiness: setting(
    choice(READINESS_POLICIES),
    'wait',
    'What the schedule does while a resource server has not fetched the next key, which it would then refuse: wait for it, since a rotation that nobody pressed for can be late, warn in the log and go ahead, or go ahead without looking. Those that never showed who they are hold nothing up.',
  ),
  readinessWaitMax: setting(
    duration({ min: '1m', max: '365d' }),
    days(7),
    'How long the schedule waits for them at most; then the next key signs all the same.',
  ),
  readersKept: setting(
    duration({ min: '1h', max: '3650d' }),
    days(180),
    'For how long it is remembered that someone has fetched the published keys; longer than a key signs, so that an API that never fetches them again is noticed.',
  ),
  otherReadersMax: setting(
    wholeNumber({ min: 0, max: 50 }),
    50,
    'How many of those are remembered that are no registered resource server: so many that give some other name, and so many that give none.',
  ),
  readersWriteEvery: setting(
    duration({ min: '1s', max: '1h' }),
    seconds(5),
    'How often a server writes down who has fetched the published keys.',
  ),
};

/** How a rotation is rehearsed with the resource servers that say where. */
export const rehearsalSettings = group('Rehearsals of a key rotation', {
  patience: unlessSet(
    duration({ min: '1s', max: '2d' }),
    'How long resource servers are given to take the new key; without it, as long as a key is published before it signs.',
  ),
  retryEvery: setting(
    duration({ min: '1s', max: '10m' }),
    seconds(15),
    'The longest pause before a resource server that refuses the new key is asked again.',
  ),
  tokenLifetime: setting(
    duration({ min: '10s', max: '5m' }),
    minutes(1),
    'How long the tokens live that resource servers are tried out with.',
  ),
  parallel: setting(
    wholeNumber({ min: 1, max: 100 }),
    8,
    'How many resource servers are asked at the same time.',
  ),
});
