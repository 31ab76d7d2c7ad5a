import { duration, wholeNumber } from '#src/config/format.ts';
import { derived, group, setting } from '#src/config/setting.ts';
import { seconds } from '#src/units.ts';

const atMost = (max: string) => duration({ min: '1s', max });

/** What passwords must be like, and what hashing one may cost. */
export const passwords = group('Passwords', {
  minLength: setting(
    wholeNumber({ min: 8, max: 128 }),
    8,
    'The fewest characters of a new password; NIST SP 800-63B asks for at least 8.',
  ),
  maxLength: setting(
    wholeNumber({ min: 64, max: 4096 }),
    256,
    'The most characters of a password; NIST SP 800-63B asks to take at least 64.',
  ),
  argon2MemoryKiB: setting(
    wholeNumber({ min: 7168, max: 1_048_576 }),
    19_456,
    'The memory that hashing one password takes, in KiB; existing hashes are renewed at the next sign-in.',
  ),
  argon2Iterations: setting(
    wholeNumber({ min: 1, max: 100 }),
    2,
    'How often hashing a password goes over that memory.',
  ),
  argon2Parallelism: setting(wholeNumber({ min: 1, max: 64 }), 1, 'How many threads hash one password.'),
  hashConcurrency: derived(
    wholeNumber({ min: 1, max: 1024 }),
    'one less than the cores, at least 1',
    'How many passwords are hashed at the same time, by all workers of a machine together; each has at least one.',
  ),
  hashQueueMax: setting(
    wholeNumber({ min: 0, max: 100_000 }),
    64,
    'How many sign-ins may wait for their turn to be hashed, at all workers together; more are turned away.',
  ),
  hashWaitMax: setting(atMost('1m'), seconds(5), 'How long a sign-in may wait for its turn to be hashed.'),
});
