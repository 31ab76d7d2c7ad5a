import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { audiencesOf, readAccessTokenClaims } from '#src/tokens/access-token.ts';
import { fc } from '#test/support/properties.ts';

const ISSUER = 'https://login.example.com';
const HEADER = { typ: 'at+jwt', alg: 'ES256' };
const CLAIMS = {
  iss: ISSUER,
  sub: 'ada',
  aud: 'https://api.example.com',
  client_id: 'web',
  iat: 1_784_024_130,
  exp: 1_784_024_430,
  jti: 'token',
};

describe('the claims of an access token (RFC 9068 section 4)', () => {
  test('are read as they are, with or without what is optional', () => {
    const full = {
      ...CLAIMS,
      aud: ['https://api.example.com', ISSUER],
      scope: 'openid read',
      grant_id: 'authorization',
    };
    assert.deepEqual(readAccessTokenClaims(HEADER, CLAIMS, ISSUER), CLAIMS);
    assert.deepEqual(readAccessTokenClaims(HEADER, full, ISSUER), full);
  });

  const wrong: readonly (readonly [why: string, header: object, claims: object])[] = [
    ['an ID token', { typ: 'JWT' }, CLAIMS],
    ['a token without type', {}, CLAIMS],
    ['a refresh token', { typ: 'rt+jwt' }, CLAIMS],
    ['another issuer', HEADER, { ...CLAIMS, iss: 'https://evil.example' }],
    ['the issuer with a slash', HEADER, { ...CLAIMS, iss: `${ISSUER}/` }],
    ['no issuer', HEADER, { ...CLAIMS, iss: undefined }],
    ...['sub', 'client_id', 'jti'].flatMap((name) =>
      [undefined, '', 7, ['ada']].map(
        (value) => [`${JSON.stringify(value)} for ${name}`, HEADER, { ...CLAIMS, [name]: value }] as const,
      ),
    ),
    ...[undefined, 7, [7], ['a', null], {}].map(
      (aud) => [`${JSON.stringify(aud)} for an audience`, HEADER, { ...CLAIMS, aud }] as const,
    ),
    ...['iat', 'exp'].flatMap((name) =>
      [undefined, '1784024430', 1.5, null].map(
        (value) => [`${JSON.stringify(value)} for ${name}`, HEADER, { ...CLAIMS, [name]: value }] as const,
      ),
    ),
  ];
  for (const [what, header, claims] of wrong) {
    test(`are not those of ${what}`, () => {
      assert.equal(readAccessTokenClaims({ ...header }, { ...claims }, ISSUER), null);
    });
  }

  test('never throw, whatever has been signed', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.dictionary(fc.string(), fc.jsonValue()),
        (header, claims) => {
          assert.equal(
            readAccessTokenClaims({ ...HEADER, ...header }, { iss: ISSUER, ...claims }, ISSUER),
            null,
          );
        },
      ),
    );
  });

  test('name one audience or several (RFC 7519 section 4.1.3)', () => {
    assert.deepEqual(audiencesOf({ aud: 'one' }), ['one']);
    assert.deepEqual(audiencesOf({ aud: ['one', 'other'] }), ['one', 'other']);
  });
});
