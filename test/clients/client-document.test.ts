import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GRANT_TYPES, newClient } from '#src/clients/client.ts';
import { clientDocument, describedIn, inDocumentWords } from '#src/clients/client-document.ts';
import { JWT_BEARER_GRANT } from '#src/clients/jwt-bearer-policy.ts';
import { TOKEN_EXCHANGE_GRANT } from '#src/clients/token-exchange-policy.ts';
import { Refusal } from '#src/fault.ts';
import { epochSeconds } from '#src/units.ts';
import { PLAIN_METHODS } from '#test/clients/plain-methods.ts';
import { ANSWERS } from '#test/support/authorization-answers.ts';
import { fc } from '#test/support/properties.ts';
import { algorithmsWith } from '#test/support/response-algorithms.ts';

const made = {
  clientId: 'made',
  algorithms: algorithmsWith('ES256', 'RS256'),
  answers: ANSWERS,
  authenticationMethods: PLAIN_METHODS,
  redirectSchemes: [],
  profile: null,
  now: epochSeconds(1_784_024_130),
};
const key = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo', kid: '1' };
const uri = fc.constantFrom('https://app.example.com/', 'http://app.example.com/?a=b%20c');
const uris = fc.uniqueArray(fc.constantFrom('https://app.example.com/cb', 'http://localhost:4000/cb'), {
  maxLength: 2,
});
/** Without those whose policy an administrator alone decides, and no document tells. */
const SELF_DESCRIBED_GRANTS = GRANT_TYPES.filter(
  (type) => type !== TOKEN_EXCHANGE_GRANT && type !== JWT_BEARER_GRANT,
);

const registration = fc.record(
  {
    name: fc.constantFrom('Web', 'Wäb & <b>', '李'),
    applicationType: fc.constantFrom('web', 'native'),
    authenticationMethod: fc.constantFrom(...PLAIN_METHODS),
    grantTypes: fc.uniqueArray(fc.constantFrom(...SELF_DESCRIBED_GRANTS), { minLength: 1 }),
    redirectUris: uris,
    postLogoutRedirectUris: uris,
    scope: fc.constantFrom('', 'openid', 'read', 'openid profile read'),
    idTokenSignedResponseAlg: fc.constantFrom('ES256', 'RS256'),
    clientUri: uri,
    jwksUri: fc.constant('https://app.example.com/jwks'),
    jwks: fc.constant({ keys: [key] }),
    metadata: fc.record(
      {
        contacts: fc.constantFrom([], ['ops@example.com']),
        logo_uri: uri,
        default_max_age: fc.constantFrom(0, 3600),
        require_auth_time: fc.boolean(),
        require_pushed_authorization_requests: fc.boolean(),
        software_id: fc.constantFrom('a', '4NRB1-0XZABZI9E6-5SM3R'),
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: ['name'] },
);

const accepted = (input: unknown) => {
  try {
    return newClient(input, made);
  } catch (problem) {
    assert.ok(problem instanceof Refusal, String(problem));
    return null;
  }
};

describe('a client as RFC 7591 writes it', () => {
  test('describes the same client again, whatever was accepted', () => {
    let clients = 0;
    fc.assert(
      fc.property(registration, (input) => {
        const client = accepted(input);
        if (client === null) return;
        clients += 1;
        const wire = JSON.parse(JSON.stringify(clientDocument(client))) as Record<string, unknown>;
        const { response_types, ...again } = clientDocument(newClient(describedIn(wire), made));
        assert.deepEqual({ response_types, ...again }, wire);
      }),
      { numRuns: 3_000 },
    );
    assert.ok(clients > 100, `only ${clients} were accepted`);
  });

  test('holds no secret, and no field by a name of ours', () => {
    const client = accepted({
      name: 'Web',
      redirectUris: ['https://app.example.com/cb'],
      clientUri: 'https://app.example.com/',
    });
    assert.ok(client);
    assert.deepEqual(
      clientDocument({ ...client, secrets: [{ id: 'x', digest: 'y', createdAt: made.now }] }),
      {
        client_id: 'made',
        client_id_issued_at: made.now,
        client_name: 'Web',
        application_type: 'web',
        token_endpoint_auth_method: 'client_secret_basic',
        grant_types: ['authorization_code'],
        response_types: ['code'],
        redirect_uris: ['https://app.example.com/cb'],
        post_logout_redirect_uris: [],
        scope: 'openid profile email',
        id_token_signed_response_alg: 'ES256',
        client_uri: 'https://app.example.com/',
      },
    );
  });

  test('is read without the members that nobody knows, or that have no value (RFC 7591 section 2)', () => {
    const document = {
      client_name: 'Web',
      'client_name#ja': '名前',
      logo_uri: null,
      client_uri: '',
      contacts: ['ops@example.com'],
      client_secret: 'mine',
      registeredBy: { by: 'administrator' },
      __proto__: { scope: 'admin' },
    };
    assert.deepEqual(describedIn(document), { name: 'Web', metadata: { contacts: ['ops@example.com'] } });
  });

  test('says what is wrong in its own words', () => {
    assert.equal(
      inDocumentWords('redirectUris.0: not an absolute URI'),
      'redirect_uris.0: not an absolute URI',
    );
    assert.equal(inDocumentWords('metadata.contacts.1: Invalid'), 'contacts.1: Invalid');
    assert.equal(inDocumentWords('metadata: x says nothing of y'), 'x says nothing of y');
    assert.equal(inDocumentWords('profile: a client of mcp'), 'profile: a client of mcp');
    assert.equal(inDocumentWords('out of the blue'), 'out of the blue');
  });
});
