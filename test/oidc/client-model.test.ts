import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CIBA_GRANT } from '#src/clients/backchannel-delivery.ts';
import { GRANT_TYPES } from '#src/clients/client.ts';
import { CLIENT_METADATA_NAMES } from '#src/clients/client-metadata.ts';
import { JWT_BEARER_GRANT } from '#src/clients/jwt-bearer-policy.ts';
import {
  CONTENT_ENCRYPTION_ALGORITHMS,
  KEY_MANAGEMENT_ALGORITHMS,
} from '#src/clients/response-protection.ts';
import { IMPLICIT_GRANT } from '#src/clients/response-type.ts';
import { TOKEN_EXCHANGE_GRANT } from '#src/clients/token-exchange-policy.ts';
import { PLAIN_METHODS } from '#test/clients/plain-methods.ts';
import { type OpenProvider, openProvider } from '#test/oidc/open-provider.ts';
import { fc } from '#test/support/properties.ts';
import { refusal } from '#test/support/refusal.ts';

const ENCRYPTED = ['id_token', 'userinfo', 'introspection'].map((name) => `${name}_encrypted_response_alg`);
const ENCRYPTING = [...KEY_MANAGEMENT_ALGORITHMS, 'RSA1_5'];

describe('a client of the registry', () => {
  let open: OpenProvider;
  before(async () => {
    open = await openProvider();
  });
  after(() => open[Symbol.asyncDispose]());

  const jwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
  /** More good ones than bad ones, so that there is something to find. */
  const keys = [
    jwk,
    jwk,
    { ...jwk, kid: '1' },
    {},
    { ...jwk, x: 7 },
    { ...jwk, d: jwk.x },
    { kty: 'oct', k: 'c2VjcmV0' },
  ];
  const uris = fc.uniqueArray(
    fc.constantFrom(
      'https://app.example.com/cb',
      'https://localhost/cb',
      'http://localhost:4000/cb',
      'http://127.0.0.1/cb',
      'http://[::1]/cb',
      'com.example.app:/cb',
      'com.example.app://cb/?x=%20',
    ),
    { maxLength: 3 },
  );
  const registration = fc
    .record(
      {
        name: fc.constantFrom('Web', 'Wäb & <b>', '李'),
        applicationType: fc.constantFrom('web', 'native'),
        authenticationMethod: fc.constantFrom(...PLAIN_METHODS),
        grantTypes: fc.uniqueArray(
          fc.constantFrom(...GRANT_TYPES.filter((grant) => grant !== IMPLICIT_GRANT)),
          { minLength: 1 },
        ),
        redirectUris: uris,
        postLogoutRedirectUris: uris,
        scope: fc.constantFrom('', 'openid', 'read', 'openid profile email offline_access read'),
        requirePkce: fc.boolean(),
        idTokenSignedResponseAlg: fc.constantFrom('ES256', 'EdDSA'),
        clientUri: fc.constantFrom('https://app.example.com', 'http://app.example.com/?a=b'),
        jwksUri: fc.constantFrom('https://app.example.com/jwks', 'http://127.0.0.1/jwks'),
        jwks: fc.array(fc.constantFrom(...keys), { maxLength: 2 }).map((keys) => ({ keys })),
        metadata: fc.record(
          {
            userinfo_signed_response_alg: fc.constantFrom('ES256', 'EdDSA', 'RS256'),
            introspection_signed_response_alg: fc.constantFrom('ES256', 'EdDSA'),
            ...Object.fromEntries(ENCRYPTED.map((name) => [name, fc.constantFrom(...ENCRYPTING)])),
            id_token_encrypted_response_enc: fc.constantFrom(...CONTENT_ENCRYPTION_ALGORITHMS),
          },
          { requiredKeys: [] },
        ),
      },
      { requiredKeys: ['name', 'redirectUris'] },
    )
    // What goes together with one grant alone would else be refused nearly always.
    .map((input) => ({
      ...input,
      ...(input.grantTypes?.includes(JWT_BEARER_GRANT) && {
        jwtBearer: { issuer: 'https://ci.example.com' },
      }),
      ...(input.grantTypes?.includes(TOKEN_EXCHANGE_GRANT) && {
        tokenExchange: { to: ['https://api.example.com'] },
      }),
    }));

  const uri = fc.constantFrom('https://app.example.com/x', 'http://app.example.com/x');
  const algorithm = fc.constantFrom(...['ES256', 'EdDSA', 'PS512', 'HS256', 'none'], ...['dir', 'xyz']);
  /** Each name of the metadata with values of its kind, whether or not this server has them. */
  const furtherMetadata = Object.fromEntries(
    Object.entries({
      contacts: fc.constantFrom([], ['ops@example.com'], ["o'brien+x@example.co.uk"], ['nobody']),
      ...Object.fromEntries(
        [...['logo_uri', 'policy_uri', 'tos_uri', 'initiate_login_uri'], 'backchannel_logout_uri'].map(
          (name) => [name, uri],
        ),
      ),
      backchannel_client_notification_endpoint: uri,
      default_acr_values: fc.constantFrom([], ['urn:keyturn:acr:password'], ['unknown']),
      default_max_age: fc.constantFrom(0, 3600, -1),
      response_types: fc.constantFrom([], ['code'], ['code', 'id_token'], ['token'], ['none']),
      response_modes: fc.constantFrom([], ['query'], ['form_post', 'jwt'], ['web_message'], ['unknown']),
      subject_type: fc.constantFrom('public', 'pairwise'),
      authorization_details_types: fc.constantFrom([], ['unknown']),
      tls_client_auth_subject_dn: fc.constantFrom('CN=x', 'nonsense'),
      tls_client_auth_san_dns: fc.constant('x.example.com'),
      backchannel_token_delivery_mode: fc.constantFrom('poll', 'ping'),
      ...Object.fromEntries(
        CLIENT_METADATA_NAMES.filter((name) => /_alg$|_enc$/.test(name)).map((name) => [name, algorithm]),
      ),
      ...Object.fromEntries(
        CLIENT_METADATA_NAMES.filter((name) => /^require_|_bound_|_required$|_parameter$/.test(name)).map(
          (name) => [name, fc.boolean()],
        ),
      ),
    }).map(([name, values]) => [name, values as fc.Arbitrary<unknown>]),
  );
  const web = { name: 'Web', redirectUris: ['https://app.example.com/cb'] };
  const jwksUri = 'https://app.example.com/jwks';
  const described = fc
    .tuple(
      fc.constantFrom<object>(
        ...[web, { ...web, jwksUri }, { ...web, authenticationMethod: 'none' }],
        ...['client_secret_jwt', 'private_key_jwt', 'tls_client_auth'].map((authenticationMethod) => ({
          ...web,
          authenticationMethod,
          jwksUri,
        })),
        { name: 'Job', grantTypes: ['client_credentials'] },
        { name: 'Till', grantTypes: [CIBA_GRANT], jwksUri },
      ),
      // A few names at a time, or hardly anything would be accepted.
      fc.uniqueArray(fc.constantFrom(...Object.keys(furtherMetadata)), { minLength: 1, maxLength: 3 }),
      fc.record(furtherMetadata),
    )
    .map(([client, names, metadata]) => ({
      ...client,
      metadata: Object.fromEntries(names.map((name) => [name, metadata[name]])),
    }));

  async function assertTaken(inputs: fc.Arbitrary<object>): Promise<void> {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(inputs, async (input) => {
        const added = await open.clients.add(input).catch((problem) => {
          assert.ok(refusal('invalid_client_metadata')(problem), String(problem));
          return null;
        });
        if (added === null) return;
        accepted += 1;
        const found = await open.provider.Client.find(added.client.clientId);
        assert.equal(found?.clientId, added.client.clientId);
        assert.deepEqual(found.redirectUris, added.client.redirectUris);
        assert.deepEqual(found.grantTypes, added.client.grantTypes);
      }),
      { numRuns: 6_000 },
    );
    assert.ok(accepted > 100, `only ${accepted} were accepted`);
  }

  test('is one that the library takes as well, whatever was accepted', () => assertTaken(registration));

  test('is so with whatever else it has registered', () => assertTaken(described));
});
