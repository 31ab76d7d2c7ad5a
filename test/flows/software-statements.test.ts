import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { openDocumentSite } from '#test/support/document-site.ts';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { refusalOf } from '#test/support/refused.ts';

const PUBLISHER = 'https://publisher.example.com';
const WORKLOADS = 'https://ci.example.com';
const WEB = { client_name: 'Web', redirect_uris: [CALLBACK] };

type Information = Record<string, unknown> & {
  readonly client_id: string;
  readonly registration_client_uri: string;
  readonly registration_access_token: string;
};

const now = () => Math.floor(Date.now() / 1000);

describe('software statements (RFC 7591 section 2.3)', () => {
  let keyturn: Keyturn;
  let pair: Awaited<ReturnType<typeof generateKeyPair>>;
  let jwk: Record<string, unknown>;

  before(async () => {
    keyturn = await startKeyturnHere({
      KEYTURN_REGISTRATION: 'open',
      KEYTURN_ALLOW_PRIVATE_NETWORK: 'true',
      KEYTURN_REGISTRATION_LIMITS_PER_ADDRESS: '100000',
    });
    pair = await generateKeyPair('ES256', { extractable: true });
    jwk = { ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'ES256', use: 'sig' };
    const { trustedIssuers } = keyturn.services;
    await trustedIssuers.add({
      issuer: PUBLISHER,
      jwks: { keys: [jwk] },
      trustedFor: ['software-statements'],
    });
    await trustedIssuers.add({ issuer: WORKLOADS, jwks: { keys: [jwk] } });
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const statement = (
    claims: Record<string, unknown> = {},
    header: Record<string, unknown> = {},
    key: Parameters<SignJWT['sign']>[0] = pair.privateKey,
  ) =>
    new SignJWT(
      JSON.parse(
        JSON.stringify({
          iss: PUBLISHER,
          software_id: '4NRB1-0XZABZI9E6-5SM3R',
          client_name: 'Signed',
          client_uri: 'https://client.example.net/',
          ...claims,
        }),
      ),
    )
      .setProtectedHeader({ alg: 'ES256', kid: 'one', ...header })
      .sign(key);

  const post = (document: object) =>
    fetch(`${keyturn.issuer}/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(document),
    });

  async function register(document: object): Promise<Information> {
    const response = await post(document);
    const body = (await response.json()) as Information;
    assert.equal(response.status, 201, JSON.stringify(body));
    return body;
  }

  const refused = async (software_statement: unknown) =>
    refusalOf(await post({ ...WEB, software_statement }));

  const manage = (client: Information, method: string, body?: object) =>
    fetch(client.registration_client_uri, {
      method,
      headers: {
        authorization: `Bearer ${client.registration_access_token}`,
        'content-type': 'application/json',
      },
      ...(body === undefined ? undefined : { body: JSON.stringify(body) }),
    });

  test('take precedence over what the client says of itself, and MUST be returned unmodified (sections 2.3, 3.2.1)', async () => {
    const software_statement = await statement();
    const client = await register({
      ...WEB,
      software_statement,
      software_id: 'another',
      client_uri: 'https://evil.example/',
      tos_uri: 'https://client.example.net/tos',
    });
    assert.equal(client.software_statement, software_statement);
    assert.equal(client.client_name, 'Signed');
    assert.equal(client.software_id, '4NRB1-0XZABZI9E6-5SM3R');
    assert.equal(client.client_uri, 'https://client.example.net/');
    assert.equal(
      client.tos_uri,
      'https://client.example.net/tos',
      'what it does not speak of is the client’s',
    );
    for (const name of ['iss', 'exp', 'iat']) assert.equal(name in client, false);
    const read = (await (await manage(client, 'GET')).json()) as Information;
    assert.equal(read.software_statement, software_statement);
  });

  test('are held to the rules of any client: they widen nothing', async () => {
    const wide = await statement({
      grant_types: ['authorization_code', 'client_credentials'],
      scope: 'openid admin',
    });
    const client = await register({ ...WEB, software_statement: wide });
    assert.deepEqual(client.grant_types, ['authorization_code']);
    assert.equal(client.scope, 'openid');
    const wrong = await statement({ redirect_uris: ['http://client.example.net/cb'] });
    assert.deepEqual(await refused(wrong), { status: 400, error: 'invalid_redirect_uri' });
    assert.equal((await refused(await statement({ contacts: 'x' }))).error, 'invalid_client_metadata');
  });

  test('go on to take precedence when the client changes its registration (RFC 7592 section 2.2)', async () => {
    const software_statement = await statement();
    const client = await register({ ...WEB, software_statement });
    const { client_id } = client;
    for (const again of [{}, { software_statement }, { software_statement: null }]) {
      const changed = await manage(client, 'PUT', { ...WEB, client_id, ...again });
      const body = (await changed.json()) as Information;
      assert.equal(changed.status, 200, JSON.stringify(body));
      assert.equal(body.client_name, 'Signed');
      assert.equal(body.software_statement, software_statement);
    }
    const other = await statement({ client_name: 'Other' });
    const refusal = await refusalOf(
      await manage(client, 'PUT', { ...WEB, client_id, software_statement: other }),
    );
    assert.deepEqual(refusal, { status: 400, error: 'invalid_software_statement' });
  });

  test('of issuers that nobody trusts with them are unapproved (section 3.2.2)', async () => {
    const stranger = await generateKeyPair('ES256');
    for (const text of [
      await statement({ iss: 'https://stranger.example.com' }, {}, stranger.privateKey),
      await statement({ iss: `${PUBLISHER}/` }),
      await statement({ iss: WORKLOADS }),
    ])
      assert.deepEqual(await refused(text), { status: 400, error: 'unapproved_software_statement' });
  });

  test('that are not signed by their issuer, or not right in any other way, are invalid (section 3.2.2)', async () => {
    const stranger = await generateKeyPair('ES256');
    const good = await statement();
    const [head = '', , signature = ''] = good.split('.');
    const secret = new TextEncoder().encode(JSON.stringify(jwk));
    const forged = Buffer.from(JSON.stringify({ iss: PUBLISHER, client_name: 'Forged' })).toString(
      'base64url',
    );
    for (const [what, text] of Object.entries({
      'no JWT': 'x',
      'no text': 7,
      'an object': { iss: PUBLISHER },
      'no signature': new UnsecuredJWT({ iss: PUBLISHER }).encode(),
      'another payload': `${head}.${forged}.${signature}`,
      'another key': await statement({}, {}, stranger.privateKey),
      'a key that there is not': await statement({}, { kid: 'two' }),
      'no kid': await statement({}, { kid: undefined }),
      'a shared key': await statement({}, { alg: 'HS256' }, secret),
      'another type': await statement({}, { typ: 'at+jwt' }),
      'no issuer': await statement({ iss: undefined }),
      'one that has expired': await statement({ exp: now() - 60 }),
      'an expiry that is none': await statement({ exp: 'tomorrow' }),
      'one of tomorrow': await statement({ nbf: now() + 3600 }),
      'one from the future': await statement({ iat: now() + 3600 }),
      'one for somebody else': await statement({ aud: 'https://other.example.com' }),
    }))
      assert.deepEqual(await refused(text), { status: 400, error: 'invalid_software_statement' }, what);
    const timely = await statement({ exp: now() + 60, iat: now(), nbf: now(), aud: [keyturn.issuer] });
    await register({ ...WEB, software_statement: timely });
  });

  test('are checked with keys that the issuer publishes; where they cannot be had, the client may try again', async () => {
    await using site = await openDocumentSite();
    const jwksUri = site.publish('/jwks', { body: { keys: [jwk] } });
    const issuer = site.origin;
    const { trustedIssuers } = keyturn.services;
    await trustedIssuers.add({ issuer, jwksUri, trustedFor: ['software-statements'] });
    const client = await register({ ...WEB, software_statement: await statement({ iss: issuer }) });
    assert.equal(client.client_name, 'Signed');
    const away = `${site.origin}/away`;
    await trustedIssuers.add({ issuer: away, jwksUri: away, trustedFor: ['software-statements'] });
    const response = await post({ ...WEB, software_statement: await statement({ iss: away }) });
    assert.equal(response.status, 503);
    assert.equal(((await response.json()) as Information).error, 'temporarily_unavailable');
  });

  test('are no assertions: whoever is trusted with statements is not trusted with tokens', async () => {
    const { client, secret } = await keyturn.addClient({
      grantTypes: ['urn:ietf:params:oauth:grant-type:jwt-bearer'],
      redirectUris: [],
      scope: '',
      jwtBearer: { issuer: PUBLISHER, claims: { sub: ['someone'] } },
    });
    const assertion = await statement({
      sub: 'someone',
      aud: keyturn.issuer,
      jti: crypto.randomUUID(),
      iat: now(),
      exp: now() + 60,
    });
    const response = await fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${client.clientId}:${secret}`)}` },
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion,
      }),
    });
    assert.equal((await refusalOf(response)).error, 'invalid_grant');
  });

  test('are told of where an administrator looks at the clients', async () => {
    const { client_id } = await register({ ...WEB, software_statement: await statement() });
    const { registeredBy } = (await keyturn.services.clients.find(client_id))?.value ?? {};
    assert.equal(registeredBy?.by === 'registration' && registeredBy.softwareStatement?.issuer, PUBLISHER);
  });
});
