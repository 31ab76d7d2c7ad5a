import type { RingPolicy } from '#src/signing/ring-policy.ts';
import { days, hours, minutes, seconds } from '#src/units.ts';

/** Keys without jitter, so that every time can be told in advance. */
export const POLICY: RingPolicy = {
  algorithms: ['ES256', 'RS256'],
  rotateEvery: days(90),
  jitter: seconds(0),
  jwksMaxAge: minutes(10),
  longestToken: hours(1),
  longestRefreshToken: days(90),
  ringPoll: seconds(5),
  clockSkewMax: seconds(30),
};
