import { duration, wholeNumber } from '#src/config/format.ts';
import { group, setting } from '#src/config/setting.ts';
import { minutes } from '#src/units.ts';

const atMost = (max: string) => duration({ min: '1s', max });

/** How often something may be tried. */
export const throttleSettings = group('Throttling', {
  signInFailuresPerAccount: setting(
    wholeNumber({ min: 1, max: 100_000 }),
    10,
    'How many failed sign-ins one address may have at one account in `signInWindow` before more are refused; all addresses together may have ten times as many.',
  ),
  signInFailuresPerAddress: setting(
    wholeNumber({ min: 1, max: 1_000_000 }),
    100,
    'How many failed sign-ins one address may have in `signInWindow`, at whichever accounts, before more are refused.',
  ),
  signInWindow: setting(atMost('1d'), minutes(15), 'For how long failed sign-ins are counted together.'),
  backchannelWaiting: setting(
    wholeNumber({ min: 1, max: 100 }),
    3,
    'How many backchannel authentication requests of one client may wait for one person, and how many, of all clients, a person is shown at a time.',
  ),
  backchannelAsked: setting(
    wholeNumber({ min: 1, max: 10_000 }),
    10,
    'How many backchannel authentication requests one client may make for one person in `backchannelWindow`; more are refused or, if it names the person in several ways, never shown.',
  ),
  backchannelWindow: setting(
    atMost('1d'),
    minutes(15),
    'For how long backchannel authentication requests are counted together.',
  ),
  userCodesWrongPerAddress: setting(
    wholeNumber({ min: 1, max: 100_000 }),
    10,
    'How many wrong device codes one address may enter in `userCodeWindow` before more are refused.',
  ),
  userCodesWrong: setting(
    wholeNumber({ min: 1, max: 1_000_000 }),
    1000,
    'How many wrong device codes all addresses together may enter in `userCodeWindow` before more are refused.',
  ),
  userCodeWindow: setting(atMost('1d'), minutes(15), 'For how long wrong device codes are counted together.'),
});
