import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { GRANT_TYPES } from '#src/clients/client.ts';
import { JWT_BEARER_GRANT } from '#src/clients/jwt-bearer-policy.ts';
import {
  CONTENT_ENCRYPTION_ALGORITHMS,
  KEY_MANAGEMENT_ALGORITHMS,
} from '#src/clients/response-protection.ts';
import { IMPLICIT_GRANT } from '#src/clients/response-type.ts';
import { TOKEN_EXCHANGE_GRANT } from '#src/clients/token-exchange-policy.ts';
import { PLAIN_METHODS } from '#test/clients/plain-methods.ts';
import { type OpenProvider, openProvider } from '#test/oidc/open-provider.ts';
import { refusal } from '#test/support/refusal.ts';

fc.configureGlobal({ seed: 20_260_714 });

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

  test('is one that the library takes as well, whatever was accepted', async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(registration, async (input) => {
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
  });
});
