import { duration, flag, size, wholeNumber } from '#src/config/format.ts';
import { group, setting } from '#src/config/setting.ts';
import { bytes } from '#src/config/size.ts';
import { days, minutes, seconds } from '#src/units.ts';

/** How the logos of clients come to the pages where people sign in and consent. */
export const clientLogos = group('Logos of clients', {
  shown: setting(
    flag,
    true,
    'Whether the logo that a client registers is shown where people sign in and consent. The server fetches it, so that no client learns who looks at it.',
  ),
  sizeMax: setting(
    size({ min: '1KiB', max: '1MiB' }),
    bytes(256 * 1024),
    'The largest logo that is fetched.',
  ),
  pixelsMax: setting(
    wholeNumber({ min: 16, max: 4096 }),
    2048,
    'How many pixels wide and high a logo may be at most.',
  ),
  keptFor: setting(
    duration({ min: '1m', max: '30d' }),
    days(1),
    'How long a logo is shown before it is fetched again.',
  ),
  retryAfter: setting(
    duration({ min: '1s', max: '1d' }),
    minutes(5),
    'How long after a logo could not be had it is tried again.',
  ),
  logosMax: setting(
    wholeNumber({ min: 1, max: 10_000 }),
    100,
    'How many logos are kept in memory; those that were shown longest ago make room.',
  ),
  waitMax: setting(
    duration({ min: '0s', max: '10s' }),
    seconds(2),
    'How long a page waits for a logo that is not there yet; then it is shown without it.',
  ),
  fetchesPerAddress: setting(
    wholeNumber({ min: 1, max: 1_000_000 }),
    300,
    'How many logos may be fetched for the requests of one address in `registrationLimits.window`.',
  ),
});
