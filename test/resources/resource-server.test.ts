import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SCOPE_LENGTH_MAX, SCOPES_MAX } from '#src/clients/scope.ts';
import { Refusal } from '#src/fault.ts';
import {
  IDENTIFIER_LENGTH_MAX,
  newResourceServer,
  type ResourceServer,
  withEmptyPath,
} from '#src/resources/resource-server.ts';
import { minutes } from '#src/units.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { fc } from '#test/support/properties.ts';
import { algorithmsWith } from '#test/support/response-algorithms.ts';

const ISSUER = 'https://login.example.com';
const made = {
  clientId: 'generated',
  issuer: ISSUER,
  algorithms: algorithmsWith('ES256', 'RS256'),
  accessTokenLifetimeMax: minutes(60),
  now: new MovingClock().now(),
};
const API = 'https://api.example.com';
const resourceServer = (more: object = {}) => newResourceServer({ identifier: API, ...more }, made);

/** The fields that a registration is refused for, one per problem. */
function fieldsOf(input: unknown): readonly (string | undefined)[] {
  try {
    newResourceServer(input, made);
    return [];
  } catch (problem) {
    assert.ok(problem instanceof Refusal && problem.code === 'invalid_resource_server', String(problem));
    return (problem.detail.problems as readonly string[]).map((each) => each.split(/[:.]/)[0]);
  }
}

describe('a registered resource server', () => {
  test('takes by default JWTs that name it by its identifier (RFC 8707 section 2, RFC 9068 section 3)', () => {
    assert.deepEqual(resourceServer(), {
      identifier: API,
      name: API,
      audience: API,
      scope: [],
      scopeMeanings: {},
      tokenFormat: 'jwt',
      signingAlgorithm: 'ES256',
      accessTokenLifetime: null,
      claims: [],
      statusList: false,
      canaryUrl: null,
      introspection: { introspection_signed_response_alg: 'ES256' },
      jwks: null,
      jwksUri: null,
      openToRegistration: false,
      clientId: 'rs_generated',
      secrets: [],
      createdAt: made.now,
      updatedAt: made.now,
    } satisfies ResourceServer);
  });

  test('may have an audience, a format, an algorithm and a lifetime of its own', () => {
    const described = { audience: 'api', tokenFormat: 'opaque', signingAlgorithm: 'RS256' };
    const { accessTokenLifetime, ...own } = resourceServer({ ...described, accessTokenLifetimeSeconds: 60 });
    assert.deepEqual({ ...own, ...described }, own);
    assert.equal(accessTokenLifetime, 60);
  });

  test('gets tokens of the first algorithm of the server unless it names another one', () => {
    const { signingAlgorithm } = newResourceServer(
      { identifier: API },
      { ...made, algorithms: algorithmsWith('EdDSA') },
    );
    assert.equal(signingAlgorithm, 'EdDSA');
  });

  test('has each of its scopes once', () => {
    assert.deepEqual(resourceServer({ scope: ['read', 'write', 'read'] }).scope, ['read', 'write']);
  });

  for (const identifier of [
    'https://api.example.com/v1?x=1',
    'http://api.internal:8080',
    'urn:example:api',
    'api:orders',
  ]) {
    test(`may be identified by ${identifier} (RFC 8707 section 2)`, () => {
      assert.equal(resourceServer({ identifier }).audience, identifier);
    });
  }
});

describe('the registration of a resource server is refused', () => {
  const refused: readonly (readonly [why: string, field: string, more: Record<string, unknown>])[] = [
    ['without an identifier', 'identifier', { identifier: undefined }],
    ['with a relative identifier (RFC 8707 section 2)', 'identifier', { identifier: '/api' }],
    ['with a bare host', 'identifier', { identifier: 'api.example.com' }],
    ['with a fragment (RFC 8707 section 2)', 'identifier', { identifier: `${API}#v1` }],
    ['with an empty fragment', 'identifier', { identifier: `${API}#` }],
    ['with a space in its identifier', 'identifier', { identifier: `${API}/a b` }],
    ['with letters beyond ASCII in its identifier', 'identifier', { identifier: `${API}/é` }],
    [
      'with too long an identifier',
      'identifier',
      { identifier: `${API}/${'a'.repeat(IDENTIFIER_LENGTH_MAX)}` },
    ],
    ['in the name of the issuer', 'identifier', { identifier: ISSUER }],
    ['in the name of the issuer with an empty path', 'identifier', { identifier: `${ISSUER}/` }],
    ['with the issuer for an audience, since userinfo takes such tokens', 'audience', { audience: ISSUER }],
    ['with an empty audience', 'audience', { audience: '' }],
    ['with a space in its audience', 'audience', { audience: 'a b' }],
    ['with an empty name', 'name', { name: ' ' }],
    ['with a name that hides something', 'name', { name: 'A\u200bPI' }],
    ['with a scope that is none (RFC 6749 section 3.3)', 'scope', { scope: ['say"'] }],
    ['with two scopes in one', 'scope', { scope: ['read write'] }],
    ['with an empty scope', 'scope', { scope: [''] }],
    ['with too long a scope', 'scope', { scope: ['a'.repeat(SCOPE_LENGTH_MAX + 1)] }],
    [
      'with too many scopes',
      'scope',
      { scope: Array.from({ length: SCOPES_MAX + 1 }, (_, index) => `s${index}`) },
    ],
    ['with a scope of OpenID Connect', 'scope', { scope: ['read', 'openid'] }],
    ['with an unknown format', 'tokenFormat', { tokenFormat: 'paseto' }],
    ['with an algorithm that the server has no key for', 'signingAlgorithm', { signingAlgorithm: 'PS256' }],
    ['without an algorithm (RFC 9068 section 4)', 'signingAlgorithm', { signingAlgorithm: 'none' }],
    [
      'with a longer lifetime than the settings allow',
      'accessTokenLifetimeSeconds',
      { accessTokenLifetimeSeconds: 3601 },
    ],
    ['with tokens that expire on their way', 'accessTokenLifetimeSeconds', { accessTokenLifetimeSeconds: 9 }],
    ['with half a second', 'accessTokenLifetimeSeconds', { accessTokenLifetimeSeconds: 60.5 }],
    ['with a setting that does not exist', 'resource server', { scopes: ['read'] }],
  ];
  for (const [why, field, more] of refused) {
    test(why, () => {
      assert.deepEqual(fieldsOf({ identifier: API, ...more }), [field]);
    });
  }

  for (const input of [null, undefined, API, []]) {
    test(`when it is ${JSON.stringify(input)}`, () => {
      assert.deepEqual(fieldsOf(input), ['resource server']);
    });
  }

  test('with every problem named at once', () => {
    assert.deepEqual(
      fieldsOf({ identifier: 'api', name: '', scope: ['"'], accessTokenLifetimeSeconds: 1 }).toSorted(),
      ['accessTokenLifetimeSeconds', 'identifier', 'name', 'scope'],
    );
    const contradicting = {
      identifier: ISSUER,
      audience: `${ISSUER}/`,
      scope: ['email'],
      signingAlgorithm: 'HS256',
      accessTokenLifetimeSeconds: 7200,
    };
    assert.deepEqual(fieldsOf(contradicting).toSorted(), Object.keys(contradicting).toSorted());
  });
});

describe('a URI with an empty path (RFC 3986 section 6.2.3)', () => {
  test('is the same as without one', () => {
    for (const uri of [API, 'http://localhost:3000', 'HTTPS://API.example.com']) {
      assert.equal(withEmptyPath(uri), `${uri}/`);
      assert.equal(withEmptyPath(`${uri}/`), `${uri}/`);
    }
  });

  test('is what a URL library makes of it, and no other URI is touched', () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true, withFragments: true }), (uri) => {
        const one = withEmptyPath(uri);
        assert.equal(withEmptyPath(one), one);
        if (one !== uri) assert.equal(new URL(uri).href, new URL(one).href);
      }),
    );
    for (const uri of ['urn:example:api', `${API}/v1`, `${API}?x`, 'api:orders'])
      assert.equal(withEmptyPath(uri), uri);
  });
});
