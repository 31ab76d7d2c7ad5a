import { duration, wholeNumber } from '#src/config/format.ts';
import { group, setting } from '#src/config/setting.ts';
import { days, hours, seconds } from '#src/units.ts';

const upTo = (max: string) => duration({ min: '1s', max });

/** How long and how often other servers are told what they are to be told. */
export const outboxSettings = group('Telling other servers', {
  attemptsMax: setting(
    wholeNumber({ min: 1, max: 100 }),
    12,
    'How often the server tries to tell another one something, such as a client that its user has signed out.',
  ),
  retryAfter: setting(
    upTo('1h'),
    seconds(10),
    'How long it waits after the first attempt; each further wait is twice as long.',
  ),
  retryAfterMax: setting(upTo('1d'), hours(1), 'The longest such wait.'),
  ageMax: setting(
    upTo('30d'),
    days(1),
    'After how long it is not tried any more, however few attempts there were.',
  ),
  parallel: setting(
    wholeNumber({ min: 4, max: 1000 }),
    8,
    'How many servers are told something at the same time; each client one thing after the other.',
  ),
  parallelPerOrigin: setting(
    wholeNumber({ min: 1, max: 1000 }),
    2,
    'How many of them may be at one origin, whoever is told something there.',
  ),
  retriesPercent: setting(
    wholeNumber({ min: 1, max: 75 }),
    50,
    'How much of `parallel`, in percent, what has failed before may take at most, and whatever else goes to an origin that did not answer last time. What is tried for the first time goes first.',
  ),
  uninvitedPercent: setting(
    wholeNumber({ min: 1, max: 75 }),
    25,
    'How much of `parallel`, in percent, clients may take at most that came uninvited: that registered themselves without an initial access token, or have a metadata document.',
  ),
  pollEvery: setting(
    duration({ min: '1s', max: '1h' }),
    seconds(1),
    'How often is looked for what another process, such as a command, wants to have told.',
  ),
});
