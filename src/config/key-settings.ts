import { choice, choices, duration, wholeNumber } from '#src/config/format.ts';
import { readerSettings } from '#src/config/readiness-settings.ts';
import { group, setting } from '#src/config/setting.ts';
import { SIGNING_ALGORITHMS } from '#src/signing/algorithm.ts';
import { days, minutes, seconds } from '#src/units.ts';

const atMost = (max: string) => duration({ min: '1s', max });

/** What signs, for how long, and how it is rotated. */
export const keySettings = group('Signing keys', {
  algorithms: setting(
    choices(SIGNING_ALGORITHMS),
    ['ES256', 'RS256'],
    'The signature algorithms for which a signing key is kept.',
  ),
  source: setting(
    choice(['store', 'pkcs11']),
    'store',
    'Where new signing keys are made: in the store, sealed, or in the token of the settings `pkcs11`, which they never leave. Those that there are stay where they are.',
  ),
  rotateEvery: setting(
    atMost('3650d'),
    days(90),
    'How long a key signs before the next one takes its place.',
  ),
  jitterPercent: setting(
    wholeNumber({ min: 0, max: 50 }),
    5,
    'By how many percent of `keys.rotateEvery` a key may sign less, so that not all algorithms rotate at once.',
  ),
  jwksMaxAge: setting(
    atMost('1d'),
    minutes(10),
    'How long others may cache the published keys; a key is published for at least that long before it signs.',
  ),
  clockSkewMax: setting(
    duration({ min: '0s', max: '5m' }),
    seconds(30),
    'How far the clocks of servers and clients may be apart.',
  ),
  ringPoll: setting(
    duration({ min: '1s', max: '1m' }),
    seconds(1),
    'By when every server follows a change of the keys that another process has made; each looks twice in that time.',
  ),
  historyKept: setting(
    atMost('3650d'),
    days(400),
    'How long it is remembered what happened to the keys, for `keyturn keys history`, and who was last given something by which algorithm.',
  ),
  usageWriteEvery: setting(
    duration({ min: '1s', max: '5m' }),
    seconds(10),
    'How often a server writes down how many tokens each key has signed; after a crash that much is missing from the count.',
  ),
  ...readerSettings,
});
