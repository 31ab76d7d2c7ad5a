import { OTHER_RESPONSE_TYPES } from '#src/clients/response-type.ts';
import { acrValue, choices, duration, file, flag, size } from '#src/config/format.ts';
import { group, setting, unlessSet } from '#src/config/setting.ts';
import { bytes } from '#src/config/size.ts';
import { seconds } from '#src/units.ts';

/** What is taken of authorization requests, and how they are answered. */
export const requestSettings = group('Authorization requests', {
  pushedRequired: setting(
    flag,
    false,
    'Whether every client has to push its authorization requests (RFC 9126).',
  ),
  pushedLifetime: setting(
    duration({ min: '5s', max: '10m', because: 'RFC 9126 section 2.2' }),
    seconds(60),
    'How long a client has to use a request that it has pushed.',
  ),
  pushedMax: setting(
    size({ min: '4KiB', max: '56KiB' }),
    bytes(32 * 1024),
    'The largest request that may be pushed.',
  ),
  signedRequired: setting(
    flag,
    false,
    'Whether every client has to send its authorization requests in a signed request object (RFC 9101).',
  ),
  webMessage: setting(
    flag,
    false,
    'Whether an answer may be handed to the window that asked, by the response mode `web_message` of an expired draft.',
  ),
  otherResponseTypes: setting(
    choices(OTHER_RESPONSE_TYPES, { orNone: true }),
    [],
    'The response types beside `code`, for legacy clients and for certification; what they put into the address of the browser can leak.',
  ),
  authorizationDetailsFile: unlessSet(
    file,
    'A YAML or JSON file with the types of authorization details that clients may ask for (RFC 9396); without it there are none.',
  ),
  authorizationDetailsMax: setting(
    size({ min: '1KiB', max: '8KiB' }),
    bytes(4 * 1024),
    'The largest authorization details of one request; they travel in every access token.',
  ),
  passwordAcr: setting(
    acrValue,
    'urn:keyturn:acr:password',
    'What `acr` says of a sign-in by password, and what a client asks for in `acr_values` to get one.',
  ),
});
