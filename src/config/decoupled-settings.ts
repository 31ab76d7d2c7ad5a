import { duration, flag, wholeNumber } from '#src/config/format.ts';
import { group, setting } from '#src/config/setting.ts';
import { minutes, seconds } from '#src/units.ts';

/** For devices on which nobody can sign in. */
export const deviceAuthorizationSettings = group('Devices without a browser (RFC 8628)', {
  enabled: setting(
    flag,
    true,
    'Whether clients that are registered for it may have people enter a code instead of sending a browser.',
  ),
  userCodeLength: setting(
    wholeNumber({ min: 6, max: 16 }),
    8,
    'How many letters, out of twenty, a person has to type.',
  ),
  pollingInterval: setting(
    duration({ min: '1s', max: '1m' }),
    seconds(5),
    'How long a device waits before it asks again whether the person has answered.',
  ),
});

/** For people who are not where their client is. */
export const backchannelSettings = group('Backchannel authentication (CIBA)', {
  enabled: setting(
    flag,
    false,
    'Whether clients that are registered for it may ask a person who is elsewhere, who then answers on a page of their account.',
  ),
  pollingInterval: setting(
    duration({ min: '1s', max: '1m' }),
    seconds(5),
    'How long a client waits before it asks again whether the person has answered.',
  ),
  signInMaxAge: setting(
    duration({ min: '30s', max: '1d' }),
    minutes(15),
    'How long ago a person may have signed in to answer; after that they sign in again.',
  ),
});
