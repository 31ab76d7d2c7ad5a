import { GRANT_TYPES } from '#src/clients/client.ts';
import { CLIENT_AUTHENTICATION_METHODS } from '#src/clients/client-authentication.ts';
import { choice, choices, duration, flag, size, wholeNumber } from '#src/config/format.ts';
import { hostPatterns } from '#src/config/network-format.ts';
import { derived, group, setting } from '#src/config/setting.ts';
import { bytes } from '#src/config/size.ts';
import { METADATA_DOCUMENT_POLICIES } from '#src/registration/client-id-url.ts';
import { days, hours, minutes } from '#src/units.ts';

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

/** Clients whose identifier is the URL of a document about them: OAuth Client ID Metadata Document. */
export const metadataDocuments = group('Clients with a metadata document', {
  policy: derived(
    choice(METADATA_DOCUMENT_POLICIES),
    '`any` where the profile of the server is `mcp`, otherwise `off`',
    'Which clients may come with the URL of a metadata document as their `client_id`: none, those of `hosts`, or any. What they may have is bounded by `registrationLimits`.',
  ),
  hosts: setting(hostPatterns, [], 'Whose documents are read where the policy is `listed`.'),
  refusedHosts: setting(
    hostPatterns,
    [],
    'Whose clients are not served, whatever the policy; tokens that they have stop standing.',
  ),
  sameOrigin: setting(
    flag,
    true,
    'Whether a redirect URI of https must have the origin of the document, so that people are sent where they were told.',
  ),
  sizeMax: setting(
    size({ min: '1KiB', max: '64KiB' }),
    bytes(5 * 1024),
    'The largest document that is read.',
  ),
  keptMin: setting(
    duration({ min: '1s', max: '1d' }),
    minutes(5),
    'How long a document is used before it is fetched again, even where its server would have it kept for less.',
  ),
  keptMax: setting(
    duration({ min: '1s', max: '30d' }),
    days(1),
    'How long a document is used at most, even where its server would have it kept for longer.',
  ),
  documentsMax: setting(
    wholeNumber({ min: 1, max: 100_000 }),
    1000,
    'How many documents are kept; those that were used longest ago make room.',
  ),
  fetchesPerAddress: setting(
    wholeNumber({ min: 1, max: 1_000_000 }),
    300,
    'How many documents may be fetched for the requests of one address in `registrationLimits.window`.',
  ),
});
