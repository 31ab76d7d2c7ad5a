import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { parseDisplayName } from '#src/accounts/display-name.ts';
import { parseEmailAddress } from '#src/accounts/email-address.ts';
import { parseUsername } from '#src/accounts/username.ts';
import { GRANT_TYPES } from '#src/clients/client.ts';
import { Secret } from '#src/secret.ts';
import { MetadataProofs, type ProtectedResponse } from '#test/flows/metadata-proofs.ts';
import { answerTo } from '#test/support/answer.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';

type Document = Record<string, unknown>;

const ada = { login: 'ada', password: 'the quick brown fox of tests' };
let keyturn: Keyturn;
let document: Document;
let proofs: MetadataProofs;

const read = async ({ issuer }: Pick<Keyturn, 'issuer'>, name = 'openid-configuration') =>
  (await (await fetch(`${issuer}/.well-known/${name}`)).json()) as Document;
const listed = (name: string) => document[name] as string[];

before(async () => {
  keyturn = await startKeyturnHere();
  proofs = new MetadataProofs(keyturn, ada);
  document = await read(keyturn);
  await keyturn.services.accounts.add({
    username: parseUsername(ada.login),
    email: parseEmailAddress('ada@example.com'),
    displayName: parseDisplayName('Ada Lovelace'),
    password: new Secret(ada.password),
  });
});
after(() => stopFaultless(keyturn));

/** What an authorization request comes to with one parameter changed: an error, or `null` if the person is asked to sign in. */
async function asked(changes: Record<string, string>, added = proofs.add({})): Promise<string | null> {
  const { url } = await proofs.request(await added, changes);
  const { leftTo } = await new Person().visit(url);
  if (leftTo === null) return null;
  return new URLSearchParams(leftTo.search || leftTo.hash.slice(1)).get('error');
}

const signs = (response: ProtectedResponse) => async (alg: string) => proofs.assertSigns(response, alg);
const encryptsBy = (response: ProtectedResponse) => async (alg: string) =>
  proofs.assertEncrypts(response, alg, 'A256GCM');
const encryptsWith = (response: ProtectedResponse) => async (enc: string) => {
  await proofs.assertEncrypts(response, 'ECDH-ES', enc);
  await proofs.assertEncrypts(response, 'dir', enc);
};
const authenticatesBy = (endpoint: string) => async (method: string) => {
  if (method === 'private_key_jwt') return proofs.assertAuthenticates(endpoint, 'ES256');
  if (method === 'client_secret_jwt') return proofs.assertAuthenticates(endpoint, 'HS256');
  return proofs.assertAuthenticatesBy(endpoint, method as 'none');
};
const authenticatesWith = (endpoint: string) => async (alg: string) =>
  proofs.assertAuthenticates(endpoint, alg);
const refusesRegistration = (metadata: (value: string) => Record<string, string>) => async (value: string) =>
  assert.rejects(proofs.add(metadata(value)), { code: 'invalid_client_metadata' });
const refusesSigning = (response: ProtectedResponse) =>
  refusesRegistration((alg) => ({ [`${response}_signed_response_alg`]: alg }));
const refusesKeys = (response: ProtectedResponse) =>
  refusesRegistration((alg) => ({
    userinfo_signed_response_alg: 'ES256',
    [`${response}_encrypted_response_alg`]: alg,
  }));
const refusesContent = (response: ProtectedResponse) =>
  refusesRegistration((enc) => ({
    userinfo_signed_response_alg: 'ES256',
    [`${response}_encrypted_response_alg`]: 'dir',
    [`${response}_encrypted_response_enc`]: enc,
  }));

/** For every list: what proves that a value that stands in it is served, and some that do not stand there and are refused. */
interface Proof {
  readonly works: (value: string) => Promise<unknown>;
  readonly others: readonly string[];
  readonly refuses: (value: string) => Promise<unknown>;
}

const UNSIGNED = ['none', 'HS256', 'PS512', 'ML-DSA-44', 'ES256K'];
const UNENCRYPTED = ['RSA1_5', 'RSA-OAEP', 'ECDH-ES+A192KW', 'A128GCMKW', 'PBES2-HS256+A128KW'];
const UNREADABLE = ['A192GCM', 'A192CBC-HS384', 'none'];

const responseProofs = (response: ProtectedResponse): Record<string, Proof> => ({
  [`${response}_signing_alg_values_supported`]: {
    works: signs(response),
    others: UNSIGNED,
    refuses:
      response === 'id_token'
        ? async (alg) =>
            assert.rejects(proofs.add({}, { idTokenSignedResponseAlg: alg }), {
              code: 'invalid_client_metadata',
            })
        : refusesSigning(response),
  },
  [`${response}_encryption_alg_values_supported`]: {
    works: encryptsBy(response),
    others: UNENCRYPTED,
    refuses: refusesKeys(response),
  },
  [`${response}_encryption_enc_values_supported`]: {
    works: encryptsWith(response),
    others: UNREADABLE,
    refuses: refusesContent(response),
  },
});

const endpointProofs = (name: string, endpoint: string): Record<string, Proof> => ({
  [`${name}_endpoint_auth_methods_supported`]: {
    works: authenticatesBy(endpoint),
    others: ['tls_client_auth', 'self_signed_tls_client_auth', 'attest_jwt_client_auth'],
    refuses: async (method) =>
      assert.rejects(proofs.add({}, { authenticationMethod: method as 'none' }), {
        code: 'invalid_client_metadata',
      }),
  },
  [`${name}_endpoint_auth_signing_alg_values_supported`]: {
    works: authenticatesWith(endpoint),
    others: ['RS384', 'RS512'],
    refuses: async (alg) => assert.rejects(proofs.assertAuthenticates(endpoint, alg), /invalid_client/),
  },
});

const LISTS: Record<string, Proof> = {
  ...responseProofs('id_token'),
  ...responseProofs('userinfo'),
  ...responseProofs('introspection'),
  ...responseProofs('authorization'),
  ...endpointProofs('token', '/token'),
  ...endpointProofs('introspection', '/introspect'),
  ...endpointProofs('revocation', '/revoke'),
  acr_values_supported: {
    works: async (acr) => {
      const { id_token = '' } = await proofs.signIn(await proofs.add({}), { acr_values: acr });
      assert.equal(decodeJwt(id_token).acr, acr);
    },
    others: ['urn:example:acr:phishing-resistant'],
    refuses: async (acr) => {
      const { id_token = '' } = await proofs.signIn(await proofs.add({}), { acr_values: acr });
      assert.notEqual(decodeJwt(id_token).acr, acr);
    },
  },
  claims_supported: {
    works: async (claim) => {
      const claims = JSON.stringify({ id_token: { [claim]: null } });
      const scope = 'openid profile email groups roles';
      const { id_token = '' } = await proofs.signIn(await proofs.add({}, { scope }), { claims });
      assert.ok(decodeJwt(id_token)[claim] !== undefined, `no ${claim}`);
    },
    others: ['phone_number', 'address', 'birthdate'],
    refuses: async (claim) => {
      const claims = JSON.stringify({ id_token: { [claim]: null } });
      const { id_token = '' } = await proofs.signIn(await proofs.add({}), { claims });
      assert.equal(decodeJwt(id_token)[claim], undefined);
    },
  },
  claim_types_supported: {
    works: async (type) => assert.equal(type, 'normal'),
    others: [],
    refuses: async () => {},
  },
  code_challenge_methods_supported: {
    works: async (method) => assert.equal(await asked({ code_challenge_method: method }), null),
    others: ['plain'],
    refuses: async (method) =>
      assert.equal(await asked({ code_challenge_method: method }), 'invalid_request'),
  },
  dpop_signing_alg_values_supported: {
    works: async (alg) => proofs.assertBindsByProof(alg),
    others: ['RS384'],
    refuses: async (alg) => assert.rejects(proofs.assertBindsByProof(alg), /invalid_dpop_proof/),
  },
  grant_types_supported: {
    works: async (grant) => {
      assert.ok((GRANT_TYPES as readonly string[]).includes(grant), 'clients can be registered for it');
      assert.notEqual(await grantRefusal(grant), 'unsupported_grant_type');
    },
    others: [
      'password',
      'implicit',
      'urn:openid:params:grant-type:ciba',
      'urn:ietf:params:oauth:grant-type:saml2-bearer',
    ],
    refuses: async (grant) => assert.equal(await grantRefusal(grant), 'unsupported_grant_type'),
  },
  request_object_encryption_alg_values_supported: {
    works: async (alg) => proofs.assertTakesRequestObject('HS256', { alg, enc: 'A128GCM' }),
    others: ['RSA1_5', 'A192KW'],
    refuses: refusesRegistration((alg) => ({ request_object_encryption_alg: alg })),
  },
  request_object_encryption_enc_values_supported: {
    works: async (enc) => proofs.assertTakesRequestObject('HS256', { alg: 'dir', enc }),
    others: UNREADABLE,
    refuses: refusesRegistration((enc) => ({
      request_object_encryption_alg: 'dir',
      request_object_encryption_enc: enc,
    })),
  },
  request_object_signing_alg_values_supported: {
    works: async (alg) => proofs.assertTakesRequestObject(alg),
    others: ['none', 'RS384', 'HS512'],
    refuses: refusesRegistration((alg) => ({ request_object_signing_alg: alg })),
  },
  response_modes_supported: {
    works: async (mode) => {
      const { url } = await proofs.request(await proofs.add({}), { response_mode: mode });
      const { fields } = await answerTo(new Person(), url, ada);
      assert.ok(fields.code ?? fields.response, JSON.stringify(fields));
    },
    others: ['web_message', 'web_message.jwt', 'okta_post_message'],
    refuses: async (mode) => assert.ok(await asked({ response_mode: mode })),
  },
  response_types_supported: {
    works: async (type) => assert.equal(await asked({ response_type: type }), null),
    others: ['token', 'id_token', 'code id_token', 'none'],
    refuses: async (type) =>
      assert.match((await asked({ response_type: type })) ?? '', /^un(supported|auth)/),
  },
  scopes_supported: {
    works: async (scope) => {
      const added = proofs.add({}, { scope: [...new Set(['openid', scope])].join(' ') });
      assert.equal(await asked({ scope: `openid ${scope}`, prompt: 'consent' }, added), null);
    },
    others: ['address', 'phone'],
    refuses: async (scope) => assert.equal(await asked({ scope: `openid ${scope}` }), 'invalid_scope'),
  },
  subject_types_supported: {
    works: async (type) => proofs.signIn(await proofs.add({ subject_type: type as 'public' })),
    others: ['ephemeral'],
    refuses: refusesRegistration((type) => ({ subject_type: type })),
  },
  prompt_values_supported: {
    works: async (prompt) => {
      const { url } = await proofs.request(await proofs.add({}), { prompt });
      const { leftTo, html } = await new Person().visit(url);
      if (prompt === 'none') assert.equal(leftTo?.searchParams.get('error'), 'login_required');
      else assert.match(html, /\/sign-in"/);
    },
    others: ['create'],
    refuses: async (prompt) => {
      const { url } = await proofs.request(await proofs.add({}), { prompt });
      const { leftTo } = await new Person().visit(url);
      assert.equal(leftTo?.searchParams.get('error'), 'invalid_request');
    },
  },
  ui_locales_supported: {
    works: async (locale) => {
      const { url } = await proofs.request(await proofs.add({}), { ui_locales: locale });
      assert.match((await new Person().visit(url)).html, new RegExp(`<html[^>]* lang="${locale}"`));
    },
    others: ['fr'],
    refuses: async (locale) => {
      const { url } = await proofs.request(await proofs.add({}), { ui_locales: locale });
      assert.match((await new Person().visit(url)).html, /<html[^>]* lang="en"/);
    },
  },
};

async function grantRefusal(grant_type: string): Promise<string> {
  const { client, secret } = await proofs.add({});
  const answer = await fetch(`${keyturn.issuer}/token`, {
    method: 'POST',
    headers: { Authorization: `Basic ${btoa(`${client.clientId}:${secret}`)}` },
    body: new URLSearchParams({ grant_type }),
  });
  return (await refusalOf(answer)).error;
}

/** Members that are no lists, and what they are. Endpoints are called below. */
const FACTS: Document = {
  authorization_response_iss_parameter_supported: true,
  backchannel_logout_session_supported: true,
  backchannel_logout_supported: true,
  claims_parameter_supported: true,
  request_parameter_supported: true,
  request_uri_parameter_supported: false,
};

const isEndpoint = (name: string) => name.endsWith('_endpoint') || name === 'jwks_uri';

describe('each value that the metadata lists is served, and what it does not list is refused (RFC 8414 section 2)', () => {
  for (const [name, { works, others, refuses }] of Object.entries(LISTS)) {
    test(name, async () => {
      const values = listed(name);
      assert.ok(values.length > 0 && new Set(values).size === values.length, JSON.stringify(values));
      for (const value of values) {
        await works(value).catch((problem) => assert.fail(`${value}: ${problem}`));
      }
      for (const other of others) {
        assert.ok(!values.includes(other), `${other} is listed`);
        await refuses(other).catch((problem) => assert.fail(`${other}: ${problem}`));
      }
    });
  }

  test('an endpoint is where it says, and takes what it is for', async () => {
    const endpoints = Object.entries(document).filter(([name]) => isEndpoint(name));
    assert.ok(endpoints.length >= 9);
    for (const [name, url] of endpoints) {
      const { status } = await fetch(String(url), { method: 'OPTIONS' });
      assert.ok(status === 204 || status === 405 || status === 200, `${name} ${status}`);
    }
  });

  test('what it says in one word is so', async () => {
    const said = Object.keys(FACTS).map((name) => [name, document[name]]);
    assert.deepEqual(Object.fromEntries(said), FACTS);
    const { url } = await proofs.request(await proofs.add({}), {});
    const callback = await new Person().authorize(url, ada);
    assert.equal(callback.searchParams.get('iss'), keyturn.issuer);
    assert.equal(
      await asked({ request_uri: 'https://client.example.com/request.jwt' }),
      'request_uri_not_supported',
    );
    const notice = { backchannel_logout_uri: 'https://client.example.com/logout' };
    await proofs.add({ ...notice, backchannel_logout_session_required: true });
  });
});

describe('the metadata says what is on, and nothing that is off', () => {
  test('there is no member that is not proven here', () => {
    const proven = [...Object.keys(LISTS), ...Object.keys(FACTS), 'issuer'];
    const unproven = Object.keys(document).filter((name) => !isEndpoint(name) && !proven.includes(name));
    assert.deepEqual(unproven, []);
  });

  test('both documents say the same (RFC 8414 section 3, OpenID Connect Discovery section 4)', async () => {
    assert.deepEqual(await read(keyturn, 'oauth-authorization-server'), document);
    assert.equal(document.issuer, keyturn.issuer);
  });

  const switches: readonly (readonly [string, Record<string, string>, Document])[] = [
    [
      'the algorithms of the ring',
      { KEYTURN_KEYS_ALGORITHMS: 'PS256' },
      Object.fromEntries(
        ['id_token', 'userinfo', 'introspection', 'authorization'].map((name) => [
          `${name}_signing_alg_values_supported`,
          ['PS256'],
        ]),
      ),
    ],
    [
      'what answers are encrypted by',
      { KEYTURN_ENCRYPTION_ALGORITHMS: 'ECDH-ES', KEYTURN_ENCRYPTION_CONTENT_ALGORITHMS: 'A256GCM' },
      {
        id_token_encryption_alg_values_supported: ['ECDH-ES'],
        userinfo_encryption_enc_values_supported: ['A256GCM'],
      },
    ],
    [
      'the response types that are off by default',
      { KEYTURN_REQUESTS_OTHER_RESPONSE_TYPES: 'code id_token' },
      { response_types_supported: ['code', 'code id_token'] },
    ],
    [
      'the response mode that is off by default',
      { KEYTURN_REQUESTS_WEB_MESSAGE: 'true' },
      {
        response_modes_supported: [
          'form_post',
          'fragment',
          'query',
          'web_message',
          'jwt',
          'query.jwt',
          'fragment.jwt',
          'form_post.jwt',
          'web_message.jwt',
        ],
      },
    ],
    [
      'that requests must be pushed',
      { KEYTURN_REQUESTS_PUSHED_REQUIRED: 'true' },
      { require_pushed_authorization_requests: true },
    ],
    [
      'that requests must be signed',
      { KEYTURN_REQUESTS_SIGNED_REQUIRED: 'true' },
      { require_signed_request_object: true },
    ],
  ];
  for (const [what, settings, expected] of switches) {
    test(`it follows the settings: ${what}`, async () => {
      await using changed = await startKeyturnHere(settings);
      const said = await read(changed);
      for (const [name, value] of Object.entries(expected)) {
        assert.deepEqual(said[name], value, name);
        assert.notDeepEqual(document[name], value, `${name} is so without it`);
      }
    });
  }

  test('it follows the settings: devices, and clients that register themselves', async () => {
    assert.equal(document.registration_endpoint, undefined);
    await using changed = await startKeyturnHere({
      KEYTURN_DEVICE_AUTHORIZATION_ENABLED: 'false',
      KEYTURN_REGISTRATION: 'open',
    });
    const said = await read(changed);
    assert.equal(said.device_authorization_endpoint, undefined);
    assert.ok(!(said.grant_types_supported as string[]).some((grant) => grant.includes('device')));
    assert.equal(said.registration_endpoint, `${changed.issuer}/register`);
  });
});
