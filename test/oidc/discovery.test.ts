import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { discoveryDocument } from '#src/oidc/discovery.ts';
import { ROUTES } from '#src/oidc/endpoints.ts';
import { ISSUER, type OpenProvider, openProvider } from '#test/oidc/open-provider.ts';

describe('the metadata of the server (RFC 8414 section 2, OpenID Connect Discovery section 3)', () => {
  let open: OpenProvider;
  let document: Record<string, unknown>;
  /** The document as it goes out. */
  const ask = async () =>
    JSON.parse(
      JSON.stringify(
        await discoveryDocument(open.provider, {
          languages: ['en', 'de'],
          mtlsOrigin: null,
          registrationEndpoint: null,
          metadataDocuments: false,
        }),
      ),
    );
  before(async () => {
    open = await openProvider();
    document = await ask();
  });
  after(() => open[Symbol.asyncDispose]());

  test('names the issuer, byte for byte, and every endpoint under it', () => {
    assert.equal(document.issuer, ISSUER);
    const endpoints = Object.fromEntries(
      Object.entries(document).filter(([name]) => /(_endpoint|jwks_uri)$/.test(name)),
    );
    assert.deepEqual(endpoints, {
      authorization_endpoint: ISSUER + ROUTES.authorization,
      backchannel_authentication_endpoint: ISSUER + ROUTES.backchannel_authentication,
      device_authorization_endpoint: ISSUER + ROUTES.device_authorization,
      end_session_endpoint: ISSUER + ROUTES.end_session,
      introspection_endpoint: ISSUER + ROUTES.introspection,
      jwks_uri: ISSUER + ROUTES.jwks,
      pushed_authorization_request_endpoint: ISSUER + ROUTES.pushed_authorization_request,
      revocation_endpoint: ISSUER + ROUTES.revocation,
      token_endpoint: ISSUER + ROUTES.token,
      userinfo_endpoint: ISSUER + ROUTES.userinfo,
    });
  });

  test('offers what OAuth 2.1 leaves of the flows, and grants that no client has without being registered for them', () => {
    assert.deepEqual(document.response_types_supported, ['code']);
    assert.deepEqual(document.code_challenge_methods_supported, ['S256']);
    const grants = document.grant_types_supported as string[];
    assert.deepEqual(grants.toSorted(), [
      'authorization_code',
      'client_credentials',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:device_code',
      'urn:ietf:params:oauth:grant-type:jwt-bearer',
      'urn:ietf:params:oauth:grant-type:token-exchange',
      'urn:openid:params:grant-type:ciba',
    ]);
    assert.equal(document.authorization_response_iss_parameter_supported, true, 'RFC 9207 section 3');
  });

  test('says how clients authenticate, and that nobody introspects without (RFC 7662 section 2.1)', () => {
    const methods = [
      'client_secret_basic',
      'client_secret_jwt',
      'client_secret_post',
      'none',
      'private_key_jwt',
    ];
    const listed = (name: string) =>
      (document[`${name}_endpoint_auth_methods_supported`] as string[]).toSorted();
    assert.deepEqual(listed('token'), methods);
    assert.deepEqual(listed('revocation'), methods);
    assert.deepEqual(
      listed('introspection'),
      methods.filter((method) => method !== 'none'),
    );
  });

  test('says with what assertions are signed, wherever a method signs them (RFC 8414 section 2)', () => {
    for (const endpoint of ['token', 'introspection', 'revocation']) {
      const algorithms = document[`${endpoint}_endpoint_auth_signing_alg_values_supported`] as string[];
      assert.ok(algorithms.includes('ES256'), endpoint);
      assert.ok(!algorithms.includes('none'), endpoint);
    }
  });

  test('names the algorithms that the ring has, and never none', () => {
    assert.deepEqual(document.id_token_signing_alg_values_supported, ['ES256', 'EdDSA']);
    for (const [name, value] of Object.entries(document)) {
      if (name.endsWith('_alg_values_supported')) assert.ok(!(value as string[]).includes('none'), name);
    }
  });

  test('names the scopes, the claims behind them, and the languages of the pages', () => {
    assert.deepEqual(document.scopes_supported, [
      'openid',
      'profile',
      'email',
      'groups',
      'roles',
      'offline_access',
    ]);
    for (const claim of ['sub', 'preferred_username', 'email', 'email_verified']) {
      assert.ok((document.claims_supported as string[]).includes(claim));
    }
    assert.deepEqual(document.ui_locales_supported, ['en', 'de']);
  });

  test('is the same whenever it is asked for', async () => {
    assert.deepEqual(await ask(), document);
  });
});
