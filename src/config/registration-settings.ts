import { GRANT_TYPES } from '#src/clients/client.ts';
import { CLIENT_AUTHENTICATION_METHODS } from '#src/clients/client-authentication.ts';
import { choices, duration, flag, wholeNumber } from '#src/config/format.ts';
import { group, setting } from '#src/config/setting.ts';
import { days, hours } from '#src/units.ts';

/** What clients that register themselves may have, and how many of them there may be. */
export const registrationLimits = group('Clients that register themselves', {
  grantTypes: setting(
    choices(GRANT_TYPES),
    ['authorization_code', 'refresh_token'],
    'The grants that such a client may have; an initial access token can allow more.',
  ),
  authenticationMethods: setting(
    choices(CLIENT_AUTHENTICATION_METHODS),
    [...CLIENT_AUTHENTICATION_METHODS],
    'How such a client may prove who it is.',
  ),
  requirePkce: setting(
    flag,
    false,
    'Whether a confidential client that signs people in needs PKCE, of which OpenID Connect knows nothing; all others always do.',
  ),
  perAddress: setting(
    wholeNumber({ min: 1, max: 1_000_000 }),
    60,
    'How many clients one address may try to register in `window` without an initial access token.',
  ),
  window: setting(
    duration({ min: '1s', max: '1d' }),
    hours(1),
    'For how long such tries are counted together.',
  ),
  clientsMax: setting(
    wholeNumber({ min: 1, max: 1_000_000 }),
    1000,
    'How many clients there may be that came without an initial access token.',
  ),
  unusedFor: setting(
    duration({ min: '1m', max: '3650d' }),
    days(90),
    'How long a client that came without an initial access token is kept without getting a token; then it is removed.',
  ),
});
