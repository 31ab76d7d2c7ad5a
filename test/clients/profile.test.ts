import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import type { ClientMetadata } from '#src/clients/client-metadata.ts';
import {
  brokenProfileRules,
  impliedMetadata,
  PROFILE_NAMES,
  type ProfiledClient,
  profilesOf,
} from '#src/clients/profile.ts';

const jwkOf = (modulusLength: number) => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength });
  return publicKey.export({ format: 'jwk' }) as Record<string, unknown>;
};

/** Keeps every rule of every profile. */
const STRICT: ProfiledClient = {
  authenticationMethod: 'private_key_jwt',
  applicationType: 'web',
  redirectUris: ['https://app.example.com/cb'],
  grantTypes: ['authorization_code', 'refresh_token'],
  requirePkce: true,
  idTokenSignedResponseAlg: 'PS256',
  jwks: { keys: [jwkOf(2048)] },
  metadata: {},
};

const clausesBroken = (client: Partial<ProfiledClient>, profile: (typeof PROFILE_NAMES)[number]) =>
  brokenProfileRules({ ...STRICT, ...client }, profilesOf(profile)).map(({ clause }) => clause);

const breaks = (client: Partial<ProfiledClient>, profile: (typeof PROFILE_NAMES)[number]) =>
  clausesBroken(client, profile).length > 0;

const metadata = (said: ClientMetadata) => ({ metadata: said });

describe('a profile is a set of rules with the clauses that they come from', () => {
  for (const profile of PROFILE_NAMES) {
    test(`${profile} is kept by a client that keeps the strictest one`, () => {
      assert.deepEqual(clausesBroken({}, profile), []);
    });
  }

  test('profiles include one another, and a client of two is held to both', () => {
    assert.deepEqual(
      [...profilesOf('fapi-2.0-message-signing')],
      ['oauth-2.1', 'fapi-2.0-security', 'fapi-2.0-message-signing'],
    );
    assert.deepEqual([...profilesOf('mcp', 'fapi-2.0-security')], ['oauth-2.1', 'mcp', 'fapi-2.0-security']);
    assert.deepEqual([...profilesOf(null, null)], []);
  });

  test('a client that is held to none breaks none', () => {
    assert.deepEqual(brokenProfileRules({ ...STRICT, authenticationMethod: 'none' }, profilesOf(null)), []);
  });
});

describe('a profile that a client is not held to', () => {
  test('is kept only by what the client does without it', () => {
    const heldToNone = brokenProfileRules(STRICT, profilesOf(null), profilesOf('fapi-2.0-security'));
    assert.deepEqual(
      heldToNone.map(({ rule }) => rule),
      [
        'pushes its authorization requests',
        'has its access tokens bound to a key, by DPoP or by its certificate',
      ],
    );
  });
});

describe('OAuth 2.1', () => {
  test('allows no access token out of the authorization endpoint (OAuth 2.1 section 10.1)', () => {
    assert.ok(breaks(metadata({ response_types: ['code', 'id_token token'] }), 'oauth-2.1'));
    assert.ok(!breaks(metadata({ response_types: ['code', 'code id_token'] }), 'oauth-2.1'));
  });

  test('allows only a confidential client to go without PKCE (OAuth 2.1 section 7.5.1)', () => {
    assert.ok(breaks({ requirePkce: false, authenticationMethod: 'none' }, 'oauth-2.1'));
    assert.ok(!breaks({ requirePkce: false }, 'oauth-2.1'));
  });
});

describe('the Model Context Protocol', () => {
  test('wants PKCE of every client of the code flow', () => {
    assert.ok(breaks({ requirePkce: false }, 'mcp'));
    assert.ok(!breaks({ requirePkce: false, grantTypes: ['client_credentials'], redirectUris: [] }, 'mcp'));
  });

  test('allows redirect URIs of https and of the loopback interface alone', () => {
    assert.ok(
      !breaks({ redirectUris: ['http://127.0.0.1/cb', 'http://localhost:1/cb', 'http://[::1]/cb'] }, 'mcp'),
    );
    assert.ok(breaks({ redirectUris: ['com.example.app:/cb'] }, 'mcp'));
    assert.ok(breaks({ redirectUris: ['http://localhost.example.com/cb'] }, 'mcp'));
  });
});

describe('the FAPI 2.0 Security Profile', () => {
  const fapi = 'fapi-2.0-security';

  test('allows clients that prove themselves by a key, and no others (section 5.3.2.1)', () => {
    for (const authenticationMethod of [
      'none',
      'client_secret_basic',
      'client_secret_post',
      'client_secret_jwt',
    ])
      assert.ok(breaks({ authenticationMethod }, fapi), authenticationMethod);
    for (const authenticationMethod of ['tls_client_auth', 'self_signed_tls_client_auth'])
      assert.ok(!breaks({ authenticationMethod }, fapi), authenticationMethod);
  });

  test('implies pushed requests and tokens bound by DPoP, unless a certificate binds them (section 5.3.2)', () => {
    assert.deepEqual(impliedMetadata(STRICT, profilesOf(fapi)), {
      require_pushed_authorization_requests: true,
      dpop_bound_access_tokens: true,
    });
    const certificate = metadata({ tls_client_certificate_bound_access_tokens: true });
    assert.deepEqual(impliedMetadata({ ...STRICT, ...certificate }, profilesOf(fapi)), {
      require_pushed_authorization_requests: true,
      tls_client_certificate_bound_access_tokens: true,
    });
    assert.ok(!breaks(certificate, fapi));
  });

  test('does not let a client say that it needs neither (section 5.3.2)', () => {
    assert.ok(breaks(metadata({ require_pushed_authorization_requests: false }), fapi));
    assert.ok(breaks(metadata({ dpop_bound_access_tokens: false }), fapi));
    assert.ok(breaks({ requirePkce: false }, fapi));
    assert.ok(breaks(metadata({ response_types: ['code', 'code id_token'] }), fapi));
  });

  test('allows http for the loopback interface of native applications alone (section 5.3.2.2)', () => {
    const redirectUris = ['http://127.0.0.1/cb'];
    assert.ok(breaks({ redirectUris }, fapi));
    assert.ok(!breaks({ redirectUris, applicationType: 'native' }, fapi));
    assert.ok(breaks({ redirectUris: ['com.example.app:/cb'], applicationType: 'native' }, fapi));
  });

  test('allows PS256, ES256 and Ed25519 wherever something is signed (section 5.4.1)', () => {
    assert.ok(breaks({ idTokenSignedResponseAlg: 'RS256' }, fapi));
    for (const name of [
      'token_endpoint_auth_signing_alg',
      'userinfo_signed_response_alg',
      'request_object_signing_alg',
      'authorization_signed_response_alg',
      'introspection_signed_response_alg',
    ] as const) {
      assert.ok(breaks(metadata({ [name]: 'RS256' }), fapi), name);
      assert.ok(!breaks(metadata({ [name]: 'ES256' }), fapi), name);
      assert.ok(!breaks(metadata({ [name]: 'Ed25519' }), fapi), name);
    }
  });

  test('allows no RSA key of fewer than 2048 bits (section 5.4.1)', () => {
    assert.ok(breaks({ jwks: { keys: [jwkOf(2048), jwkOf(2040)] } }, fapi));
    assert.ok(breaks({ jwks: { keys: [{ kty: 'RSA' }] } }, fapi));
    assert.ok(!breaks({ jwks: { keys: [jwkOf(3072)] } }, fapi));
  });

  test('knows no device grant and no token exchange', () => {
    assert.ok(breaks({ grantTypes: ['urn:ietf:params:oauth:grant-type:device_code'] }, fapi));
    assert.ok(!breaks({ grantTypes: ['client_credentials'], redirectUris: [] }, fapi));
  });
});

describe('FAPI 2.0 Message Signing', () => {
  const signing = 'fapi-2.0-message-signing';

  test('implies signed requests, and signed answers unless other modes are registered too (sections 5.3.1, 5.4.1)', () => {
    const implied = impliedMetadata(STRICT, profilesOf(signing));
    assert.equal(implied.require_signed_request_object, true);
    assert.deepEqual(implied.response_modes, ['jwt', 'query.jwt', 'fragment.jwt', 'form_post.jwt']);
    assert.ok(!breaks(metadata({ response_modes: ['query', 'jwt'] }), signing));
    assert.ok(breaks(metadata({ response_modes: ['query'] }), signing));
    assert.ok(breaks(metadata({ require_signed_request_object: false }), signing));
  });
});
