import { duration, wholeNumber } from '#src/config/format.ts';
import { setting } from '#src/config/setting.ts';
import { days, seconds } from '#src/units.ts';

/** Among the settings of signing keys: who is remembered of those that fetch the JWK Set. */
export const readerSettings = {
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
