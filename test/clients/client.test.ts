import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CIBA_GRANT } from '#src/clients/backchannel-delivery.ts';
import {
  CLIENT_NAME_LENGTH_MAX,
  type Client,
  type ClientRegistration,
  DEVICE_CODE_GRANT,
  GRANT_TYPES,
  isConfidential,
  newClient,
  newClientId,
} from '#src/clients/client.ts';
import { usesSecret } from '#src/clients/client-authentication.ts';
import { JWT_BEARER_GRANT } from '#src/clients/jwt-bearer-policy.ts';
import { REDIRECT_URIS_MAX } from '#src/clients/redirect-uri.ts';
import { IMPLICIT_GRANT } from '#src/clients/response-type.ts';
import { TOKEN_EXCHANGE_GRANT } from '#src/clients/token-exchange-policy.ts';
import { Refusal } from '#src/fault.ts';
import { PLAIN_METHODS } from '#test/clients/plain-methods.ts';
import { ANSWERS } from '#test/support/authorization-answers.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { fc } from '#test/support/properties.ts';
import { algorithmsWith } from '#test/support/response-algorithms.ts';

const made = {
  clientId: 'generated',
  algorithms: algorithmsWith('ES256', 'RS256'),
  answers: ANSWERS,
  authenticationMethods: PLAIN_METHODS,
  redirectSchemes: [],
  profile: null,
  now: new MovingClock().now(),
};
/** The public key of RFC 8037 appendix A.2. */
const KEY = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
const CALLBACK = 'https://app.example.com/cb';
const web: ClientRegistration = { name: 'Web', redirectUris: [CALLBACK] };
const client = (more: object = {}) => newClient({ ...web, ...more }, made);

/** What is wrong with a registration, one text per problem. */
function problemsOf(input: unknown): readonly string[] {
  try {
    newClient(input, made);
    return [];
  } catch (problem) {
    assert.ok(problem instanceof Refusal && problem.code === 'invalid_client_metadata', String(problem));
    const problems = problem.detail.problems as readonly string[];
    for (const each of problems) assert.ok(problem.message.includes(each));
    return problems;
  }
}

const fieldsOf = (input: unknown) => problemsOf(input).map((problem) => problem.split(/[:.]/)[0]);

describe('a registered client (RFC 7591 section 2)', () => {
  test('is by default a confidential one of the code flow with PKCE, for who signed in', () => {
    assert.deepEqual(client(), {
      clientId: 'generated',
      name: 'Web',
      applicationType: 'web',
      authenticationMethod: 'client_secret_basic',
      redirectUris: [CALLBACK],
      postLogoutRedirectUris: [],
      grantTypes: ['authorization_code'],
      scope: ['openid', 'profile', 'email'],
      defaultScope: ['openid', 'profile', 'email'],
      requirePkce: true,
      idTokenSignedResponseAlg: 'ES256',
      clientUri: null,
      jwksUri: null,
      jwks: null,
      profile: null,
      tokenExchange: null,
      jwtBearer: null,
      metadata: {},
      secrets: [],
      registeredBy: { by: 'administrator' },
      createdAt: made.now,
      updatedAt: made.now,
    } satisfies Client);
  });

  test('carries further metadata in the names of their registry, and none that nobody knows (RFC 7591 section 4.1)', () => {
    const metadata = { require_pushed_authorization_requests: true, contacts: ['ops@example.com'] };
    assert.deepEqual(client({ metadata }).metadata, metadata);
    assert.deepEqual(fieldsOf({ ...web, metadata: { require_push: true } }), ['metadata']);
    assert.deepEqual(fieldsOf({ ...web, metadata: { logo_uri: 'javascript:1' } }), ['metadata']);
  });

  test('may by default ask for offline access if it may refresh, and for nothing if nobody can sign in to it', () => {
    assert.deepEqual(
      client({ grantTypes: ['authorization_code', 'refresh_token'] }).scope.at(-1),
      'offline_access',
    );
    assert.deepEqual(newClient({ name: 'Job', grantTypes: ['client_credentials'] }, made).scope, []);
  });

  test('asks by default for all that it may ask for, or for the part that was named (RFC 6749 section 3.3)', () => {
    assert.deepEqual(client({ scope: 'openid read' }).defaultScope, ['openid', 'read']);
    assert.deepEqual(client({ scope: 'openid read', defaultScope: 'read' }).defaultScope, ['read']);
    assert.deepEqual(client({ scope: 'openid read', defaultScope: '' }).defaultScope, []);
  });

  test('is a native application if a URI of its own scheme leads to it (RFC 8252 section 7.1)', () => {
    assert.equal(client({ redirectUris: ['com.example.app:/cb'] }).applicationType, 'native');
    assert.equal(client({ postLogoutRedirectUris: ['com.example.app:/out'] }).applicationType, 'native');
    assert.equal(client({ redirectUris: ['http://localhost/cb'] }).applicationType, 'web');
    assert.equal(client({ applicationType: 'native' }).applicationType, 'native');
  });

  test('gets ID tokens of the first algorithm of the server unless it names another one', () => {
    const signed = (signing: readonly string[], more = {}) =>
      newClient({ ...web, ...more }, { ...made, algorithms: algorithmsWith(...signing) })
        .idTokenSignedResponseAlg;
    assert.equal(signed(['EdDSA', 'RS256']), 'EdDSA');
    assert.equal(signed(['EdDSA', 'RS256'], { idTokenSignedResponseAlg: 'RS256' }), 'RS256');
  });

  test('has each of its redirect URIs once', () => {
    assert.deepEqual(client({ redirectUris: [CALLBACK, CALLBACK] }).redirectUris, [CALLBACK]);
  });

  test('is confidential unless its method is none, and has a secret where both sides need one (RFC 6749 section 2.1)', () => {
    assert.deepEqual(
      PLAIN_METHODS.filter((authenticationMethod) => !isConfidential({ authenticationMethod })),
      ['none'],
    );
    assert.deepEqual(
      PLAIN_METHODS.filter((method) => !usesSecret(method)),
      ['private_key_jwt', 'none'],
    );
  });

  test('goes without PKCE only if it is confidential (RFC 9700 section 2.1.1)', () => {
    assert.equal(client({ requirePkce: false }).requirePkce, false);
    assert.deepEqual(fieldsOf({ ...web, authenticationMethod: 'none', requirePkce: false }), ['requirePkce']);
  });
});

describe('a registration is refused', () => {
  const malformed: readonly (readonly [why: string, field: string, more: Record<string, unknown>])[] = [
    ['without a name', 'name', { name: undefined }],
    ['with a name of white space', 'name', { name: ' \t' }],
    ['with a name that hides something', 'name', { name: 'Pay\u202epal' }],
    ['with a name on two lines', 'name', { name: 'Web\nGranted' }],
    ['with a name that is too long', 'name', { name: 'a'.repeat(CLIENT_NAME_LENGTH_MAX + 1) }],
    ['with a name that is no text', 'name', { name: 7 }],
    ['with an identifier that is no name', 'clientId', { clientId: 'a b' }],
    ['with an empty identifier', 'clientId', { clientId: '' }],
    ['with an identifier of a resource server', 'clientId', { clientId: 'rs_api' }],
    [
      'with an authentication method that the server does not offer',
      'authenticationMethod',
      { authenticationMethod: 'self_signed_tls_client_auth', jwksUri: 'https://app.example.com/jwks' },
    ],
    ['with an unknown authentication method', 'authenticationMethod', { authenticationMethod: 'password' }],
    ['with an unknown grant type', 'grantTypes', { grantTypes: ['password'] }],
    ['with the implicit grant (OAuth 2.1 section 10.1)', 'grantTypes', { grantTypes: ['implicit'] }],
    ['with no grant type', 'grantTypes', { grantTypes: [] }],
    ['with a redirect URI that is none', 'redirectUris', { redirectUris: ['javascript:alert(1)'] }],
    ['with too many redirect URIs', 'redirectUris', { redirectUris: manyUris(REDIRECT_URIS_MAX + 1) }],
    ['with a post-logout URI that is none', 'postLogoutRedirectUris', { postLogoutRedirectUris: ['/out'] }],
    ['with a scope that is none', 'scope', { scope: 'say"' }],
    ['with a home page that is a script', 'clientUri', { clientUri: 'javascript:alert(1)' }],
    ['with keys at a relative address', 'jwksUri', { jwksUri: '/jwks' }],
    ['with no key', 'jwks', { jwks: { keys: [] } }],
    ['with a key that is none', 'jwks', { jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', x: 'short' }] } }],
    ['with a private key', 'jwks', { jwks: { keys: [{ ...KEY, d: KEY.x }] } }],
    ['with a symmetric key', 'jwks', { jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] } }],
    ['with a setting that does not exist', 'client', { redirectUri: CALLBACK }],
  ];
  for (const [why, field, more] of malformed) {
    test(why, () => {
      assert.deepEqual(fieldsOf({ ...web, ...more }), [field]);
    });
  }

  for (const input of [null, undefined, 'client', [], 7]) {
    test(`when it is ${JSON.stringify(input)}`, () => {
      assert.deepEqual(fieldsOf(input), ['client']);
    });
  }

  test('with every malformed field named at once', () => {
    const input = { name: '', redirectUris: [CALLBACK, '/cb'], scope: 'é', requirePkce: 'no' };
    assert.deepEqual(fieldsOf(input).toSorted(), ['name', 'redirectUris', 'requirePkce', 'scope']);
  });
});

const jwks = { keys: [KEY] };

describe('a registration that contradicts itself is refused, every contradiction named:', () => {
  /** Each contradiction, told apart by words of its message, and when it is one. */
  const contradictions: readonly (readonly [words: RegExp, isOne: (input: Wellformed) => boolean])[] = [
    [/^redirectUris: the code flow needs/, (c) => redirected(c) && c.redirectUris.length === 0],
    [/^redirectUris: only the authorization_code/, (c) => !redirected(c) && c.redirectUris.length > 0],
    [
      /^grantTypes: backchannel authentication/,
      (c) => c.authenticationMethod === 'none' && c.grantTypes.includes(CIBA_GRANT),
    ],
    [/^grantTypes: implicit goes together/, (c) => c.grantTypes.includes(IMPLICIT_GRANT)],
    [/^grantTypes: refresh_token needs/, (c) => !forPeople(c) && c.grantTypes.includes('refresh_token')],
    [
      /^grantTypes: client_credentials is for/,
      (c) => c.authenticationMethod === 'none' && c.grantTypes.includes('client_credentials'),
    ],
    [
      /^grantTypes: token exchange is for/,
      (c) => c.authenticationMethod === 'none' && c.grantTypes.includes(TOKEN_EXCHANGE_GRANT),
    ],
    [/^tokenExchange:/, (c) => c.grantTypes.includes(TOKEN_EXCHANGE_GRANT) !== (c.tokenExchange !== null)],
    [/^jwtBearer:/, (c) => c.grantTypes.includes(JWT_BEARER_GRANT) !== (c.jwtBearer !== null)],
    [/^requirePkce:/, (c) => c.authenticationMethod === 'none' && !c.requirePkce],
    [
      /^metadata.backchannel_logout_uri:/,
      (c) =>
        c.authenticationMethod === 'none' &&
        c.metadata.backchannel_logout_uri === 'http://app.example.com/out',
    ],
    [/^jwks: give jwks or jwksUri/, (c) => c.jwks !== null && c.jwksUri !== null],
    [
      /^jwks: private_key_jwt needs/,
      (c) => c.authenticationMethod === 'private_key_jwt' && c.jwks === null && c.jwksUri === null,
    ],
    [/^defaultScope:/, (c) => c.defaultScope !== undefined && !scopeOf(c).includes(c.defaultScope)],
    [/^idTokenSignedResponseAlg:/, (c) => c.idTokenSignedResponseAlg === 'PS256'],
    [
      /^redirectUris: a private-use scheme/,
      (c) => c.applicationType === 'web' && c.redirectUris.includes('com.example.app:/cb'),
    ],
    [
      /^redirectUris: a native application/,
      (c) =>
        (c.applicationType === 'native' || c.redirectUris.includes('com.example.app:/cb')) &&
        c.applicationType !== 'web' &&
        c.redirectUris.includes('https://localhost/cb'),
    ],
  ];
  const wellformed = fc.record({
    name: fc.constant('Client'),
    applicationType: fc.constantFrom(undefined, 'web' as const, 'native' as const),
    authenticationMethod: fc.constantFrom(...PLAIN_METHODS),
    grantTypes: fc.uniqueArray(fc.constantFrom(...GRANT_TYPES), { minLength: 1 }),
    redirectUris: fc.uniqueArray(fc.constantFrom(CALLBACK, 'com.example.app:/cb', 'https://localhost/cb')),
    scope: fc.constantFrom(undefined, 'openid', 'openid read'),
    defaultScope: fc.constantFrom(undefined, 'openid', 'read'),
    requirePkce: fc.boolean(),
    idTokenSignedResponseAlg: fc.constantFrom(undefined, 'RS256', 'PS256'),
    jwks: fc.constantFrom(null, jwks),
    jwksUri: fc.constantFrom(null, 'https://app.example.com/jwks'),
    metadata: fc
      .constantFrom('http://app.example.com/out', 'https://app.example.com/out')
      .map((backchannel_logout_uri) => ({ backchannel_logout_uri })),
    jwtBearer: fc.constantFrom(null, { issuer: 'https://ci.example.com' }),
    tokenExchange: fc.constantFrom(null, { to: ['https://api.example.com'] }),
  });
  type Wellformed = typeof wellformed extends fc.Arbitrary<infer T> ? T : never;
  const codeFlow = ({ grantTypes }: Wellformed) => grantTypes.includes('authorization_code');
  const redirected = (c: Wellformed) => codeFlow(c) || c.grantTypes.includes(IMPLICIT_GRANT);
  const forPeople = (c: Wellformed) =>
    codeFlow(c) || c.grantTypes.includes(DEVICE_CODE_GRANT) || c.grantTypes.includes(CIBA_GRANT);
  const scopeOf = (c: Wellformed) => (c.scope ?? (forPeople(c) || redirected(c) ? 'openid' : '')).split(' ');

  test('exactly those that there are, in whatever company', () => {
    const met = new Set<string>();
    fc.assert(
      fc.property(wellformed, (input) => {
        const expected = contradictions.filter(([, isOne]) => isOne(input)).map(([words]) => String(words));
        const found = problemsOf(input).map(
          (problem) => contradictions.find(([words]) => words.test(problem))?.[0],
        );
        assert.deepEqual(found.map(String).toSorted(), expected.toSorted());
        for (const each of expected) met.add(each);
      }),
      { numRuns: 2_000 },
    );
    assert.equal(met.size, contradictions.length, 'each of them has come up');
  });
});

describe('the identifier of a client', () => {
  test('never looks like that of a resource server', () => {
    const chances = [Buffer.from('rs_aaaaaaaaaaaaaaaaaaa', 'base64url'), Buffer.alloc(16, 7)];
    const id = newClientId({ bytes: () => chances.shift() ?? assert.fail() });
    assert.equal(id, Buffer.alloc(16, 7).toString('base64url'));
  });
});

function manyUris(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `https://app.example.com/${index}`);
}
