import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import * as oauth from 'openid-client';
import { type DocumentSite, openDocumentSite } from '#test/support/document-site.ts';
import { freePort } from '#test/support/free-port.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

const CALLBACK = 'http://127.0.0.1:4000/callback';

async function supported({ issuer }: Keyturn): Promise<unknown[]> {
  const paths = ['openid-configuration', 'oauth-authorization-server'];
  const documents = await Promise.all(
    paths.map(async (path) => (await fetch(`${issuer}/.well-known/${path}`)).json()),
  );
  return documents.map(
    (document) => (document as Record<string, unknown>).client_id_metadata_document_supported,
  );
}

const authorizationUrl = (issuer: string, clientId: string, more: Record<string, string> = {}) =>
  `${issuer}/authorize?${new URLSearchParams({
    client_id: clientId,
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope: 'openid',
    state: 's',
    code_challenge: 'A'.repeat(43),
    code_challenge_method: 'S256',
    ...more,
  })}`;

test('are off unless an administrator turns them on, and then no address is called', async () => {
  await using site = await openDocumentSite();
  await using keyturn = await startKeyturnHere({ KEYTURN_ALLOW_PRIVATE_NETWORK: 'true' });
  assert.deepEqual(await supported(keyturn), [undefined, undefined]);
  const clientId = site.publish('/client.json', {
    body: { client_id: `${site.origin}/client.json`, redirect_uris: [CALLBACK] },
  });
  const page = await new Person().visit(authorizationUrl(keyturn.issuer, clientId));
  assert.equal(page.response.status, 400);
  assert.equal(page.leftTo, null);
  assert.deepEqual(site.asked, []);
});

test('never lead into a private network unless the settings say so', async () => {
  await using site = await openDocumentSite();
  await using keyturn = await startKeyturnHere({ KEYTURN_METADATA_DOCUMENTS_POLICY: 'any' });
  assert.deepEqual(await supported(keyturn), [true, true]);
  const { port } = new URL(site.origin);
  for (const host of ['localhost', '127.0.0.1', '[::1]', '169.254.169.254']) {
    const page = await new Person().visit(
      authorizationUrl(keyturn.issuer, `https://${host}:${port}/client.json`),
    );
    assert.equal(page.response.status, 400, host);
    assert.equal(page.leftTo, null);
    assert.match(page.html, /cannot be fetched/);
  }
  assert.deepEqual(site.asked, []);
});

describe('clients whose identifier is the URL of a document (OAuth Client ID Metadata Document)', () => {
  let keyturn: Keyturn;
  let site: DocumentSite;
  let credentials: { login: string; password: string };

  before(async () => {
    site = await openDocumentSite();
    keyturn = await startKeyturnHere({
      KEYTURN_ALLOW_PRIVATE_NETWORK: 'true',
      KEYTURN_METADATA_DOCUMENTS_POLICY: 'listed',
      KEYTURN_METADATA_DOCUMENTS_HOSTS: 'localhost',
    });
    await keyturn.addResourceServer({
      identifier: 'https://notes.example.com',
      scope: ['notes'],
      openToRegistration: true,
    });
    await keyturn.addResourceServer();
    const { account, password } = await keyturn.addAccount('ada');
    credentials = { login: account.username, password };
  });
  after(async () => {
    await keyturn[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
  });

  const publish = (path: string, more: object = {}, headers: Record<string, string> = {}) =>
    site.publish(path, {
      headers,
      body: {
        client_id: site.origin + path,
        client_name: 'Tool',
        redirect_uris: [CALLBACK],
        grant_types: ['authorization_code', 'refresh_token'],
        token_endpoint_auth_method: 'none',
        ...more,
      },
    });

  const discover = (clientId: string, authentication: oauth.ClientAuth) =>
    oauth.discovery(
      new URL(keyturn.issuer),
      clientId,
      { id_token_signed_response_alg: 'RS256' },
      authentication,
      {
        execute: [oauth.allowInsecureRequests],
      },
    );

  async function signIn(config: oauth.Configuration, parameters: Record<string, string> = {}) {
    const verifier = oauth.randomPKCECodeVerifier();
    const url = oauth.buildAuthorizationUrl(config, {
      redirect_uri: CALLBACK,
      scope: 'openid offline_access',
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...parameters,
    });
    const callback = await new Person().authorize(url, credentials);
    return oauth.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier });
  }

  async function refusedAt(clientId: string): Promise<string> {
    const { response, html, leftTo } = await new Person().visit(authorizationUrl(keyturn.issuer, clientId));
    assert.equal(leftTo, null, 'nobody is sent anywhere');
    assert.equal(response.status, 400, html);
    return html;
  }

  test('sign people in, refresh, and are asked for by resource servers, as any public client', async () => {
    const clientId = publish('/public.json');
    const config = await discover(clientId, oauth.None());
    const tokens = await signIn(config, {
      resource: 'https://notes.example.com',
      scope: 'openid notes offline_access',
    });
    assert.equal(tokens.claims()?.aud, clientId);
    const refreshed = await oauth.refreshTokenGrant(config, tokens.refresh_token ?? '');
    const claims = JSON.parse(
      Buffer.from(refreshed.access_token.split('.')[1] ?? '', 'base64url').toString(),
    ) as Record<string, unknown>;
    assert.equal(claims.client_id, clientId);
    assert.deepEqual(site.asked.filter((path) => path === '/public.json').length, 1, 'the document is kept');
  });

  test('may have keys, inside the document or beside it, and prove who they are', async () => {
    const pair = await generateKeyPair('ES256', { extractable: true });
    const jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: '1', alg: 'ES256', use: 'sig' }] };
    const jwks_uri = site.publish('/jwks', { body: jwks });
    for (const [path, keys] of [
      ['/inside.json', { jwks }],
      ['/beside.json', { jwks_uri }],
    ] as const) {
      const clientId = publish(path, { token_endpoint_auth_method: 'private_key_jwt', ...keys });
      const config = await discover(clientId, oauth.PrivateKeyJwt({ key: pair.privateKey, kid: '1' }));
      assert.ok((await signIn(config)).access_token);
      const stranger = await generateKeyPair('ES256');
      const other = await discover(clientId, oauth.PrivateKeyJwt({ key: stranger.privateKey, kid: '1' }));
      await assert.rejects(
        signIn(other),
        (problem: { error?: string }) => problem.error === 'invalid_client',
      );
    }
  });

  test('are shown by their host, with where people are sent, and with no home page of their own choosing', async () => {
    const clientId = publish('/shown.json', {
      client_name: 'Your Bank',
      client_uri: 'https://bank.example/',
    });
    const person = new Person();
    const page = await person.visit(authorizationUrl(keyturn.issuer, clientId, { prompt: 'consent' }));
    const consent = await person.submit(page, '/sign-in', credentials);
    assert.match(consent.html, /Your Bank/);
    assert.match(consent.html, new RegExp(new URL(site.origin).host));
    assert.match(consent.html, /a program on this device/);
    assert.doesNotMatch(consent.html, /bank\.example/);
  });

  test('are refused without a word to their redirect URI if the document is not what it has to be', async () => {
    const wrong: Record<string, () => string> = {
      'another client_id': () => publish('/other.json', { client_id: `${site.origin}/public.json` }),
      'a secret': () => publish('/secret.json', { client_secret: 'x' }),
      'a method with a secret': () =>
        publish('/method.json', { token_endpoint_auth_method: 'client_secret_basic' }),
      'no redirect URI': () => publish('/none.json', { redirect_uris: [] }),
      'a redirect URI of another origin': () =>
        publish('/elsewhere.json', { redirect_uris: [CALLBACK, 'https://evil.example/cb'] }),
      'a redirect URI that nobody could register': () =>
        publish('/plain.json', { redirect_uris: ['http://evil.example/cb'] }),
      'no grant that it may have': () => publish('/grants.json', { grant_types: ['client_credentials'] }),
      'keys that are missing': () =>
        publish('/keyless.json', { token_endpoint_auth_method: 'private_key_jwt' }),
      'an algorithm that there is not': () =>
        publish('/algorithm.json', { userinfo_signed_response_alg: 'HS512' }),
      'no JSON': () => site.publish('/text.json', { body: '{' }),
      'no object': () => site.publish('/list.json', { body: [] }),
      'another media type': () => publish('/type.json', {}, { 'content-type': 'text/html' }),
      'another status': () => site.publish('/status.json', { status: 201, body: {} }),
      'nothing there': () => `${site.origin}/absent.json`,
      'too much': () => publish('/large.json', { filler: 'x'.repeat(6_000) }),
    };
    for (const [what, published] of Object.entries(wrong)) {
      const clientId = published();
      const html = await refusedAt(clientId);
      assert.match(html, /invalid_client|invalid_redirect_uri/, what);
      assert.ok(site.asked.includes(new URL(clientId).pathname), what);
    }
  });

  test('are not fetched through a redirect, which could lead anywhere', async () => {
    const target = publish('/target.json', { client_id: `${site.origin}/moved.json` });
    const moved = site.publish('/moved.json', { status: 302, headers: { location: target } });
    await refusedAt(moved);
    assert.ok(!site.asked.includes('/target.json'));
  });

  test('of a host that is not listed are not fetched', async () => {
    const { port } = new URL(site.origin);
    const before = site.asked.length;
    await refusedAt(`https://127.0.0.1:${port}/public.json`);
    assert.equal(site.asked.length, before);
  });

  test('are fetched once for a burst, and once for a burst of failures', async () => {
    const good = publish('/burst.json');
    const bad = `${site.origin}/burst-absent.json`;
    const ask = (clientId: string) => new Person().visit(authorizationUrl(keyturn.issuer, clientId));
    await Promise.all(Array.from({ length: 20 }, () => ask(good)));
    await Promise.all(Array.from({ length: 20 }, () => ask(bad)));
    assert.equal(site.asked.filter((path) => path === '/burst.json').length, 1);
    assert.equal(site.asked.filter((path) => path === '/burst-absent.json').length, 1);
  });

  test('cannot act for themselves, nor as anyone else by naming them', async () => {
    const clientId = publish('/self.json');
    const fields = { grant_type: 'client_credentials', client_id: clientId, scope: 'notes' };
    const response = await fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams(fields),
    });
    assert.equal((await refusalOf(response)).error, 'unauthorized_client');
    const other = await fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({ ...fields, client_id: `${site.origin}/absent.json` }),
    });
    assert.equal((await refusalOf(other)).error, 'invalid_client');
  });

  test('are asked for no scope of an API that is not open to them', async () => {
    const clientId = publish('/scopes.json', { scope: 'openid read' });
    const { leftTo } = await new Person().visit(
      authorizationUrl(keyturn.issuer, clientId, {
        scope: 'openid read',
        resource: 'https://api.example.com',
      }),
    );
    assert.equal(leftTo?.searchParams.get('error'), 'invalid_scope');
  });
});

test('an access token stands until its host is refused, whatever becomes of the document', async () => {
  await using site = await openDocumentSite();
  await using directory = await makeTemporaryDirectory();
  const settings = {
    KEYTURN_ALLOW_PRIVATE_NETWORK: 'true',
    KEYTURN_METADATA_DOCUMENTS_POLICY: 'any',
    KEYTURN_PORT: String(await freePort()),
    KEYTURN_STORE: `sqlite:${directory.path}/keyturn.db`,
    KEYTURN_KEYS_DIR: `${directory.path}/keys`,
  };
  await using stack = new AsyncDisposableStack();
  const keyturn = await startKeyturnHere(settings);
  stack.defer(() => keyturn[Symbol.asyncDispose]());
  const { resourceServer, secret } = await keyturn.addResourceServer({ openToRegistration: true });
  const { account, password } = await keyturn.addAccount('ada');
  const clientId = site.publish('/client.json', {
    body: {
      client_id: `${site.origin}/client.json`,
      redirect_uris: [CALLBACK],
      grant_types: ['authorization_code', 'refresh_token'],
    },
  });
  const config = await oauth.discovery(
    new URL(keyturn.issuer),
    clientId,
    { id_token_signed_response_alg: 'RS256' },
    oauth.None(),
    { execute: [oauth.allowInsecureRequests] },
  );
  const verifier = oauth.randomPKCECodeVerifier();
  const url = oauth.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: 'openid read offline_access',
    resource: resourceServer.identifier,
    prompt: 'consent',
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  const callback = await new Person().authorize(url, { login: account.username, password });
  const tokens = await oauth.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier });
  const active = async () => {
    const response = await fetch(`${keyturn.issuer}/introspect`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${resourceServer.clientId}:${secret}`)}` },
      body: new URLSearchParams({ token: tokens.access_token }),
    });
    return ((await response.json()) as { active: boolean }).active;
  };
  assert.equal(await active(), true);
  site.publish('/client.json', { status: 410 });
  await keyturn.restart();
  assert.equal(await active(), true, 'the token was issued while the document was there');
  await assert.rejects(
    oauth.refreshTokenGrant(config, tokens.refresh_token ?? ''),
    (problem: { error?: string }) => problem.error === 'invalid_client',
  );
  await stack.disposeAsync();
  await using _again = await startKeyturnHere({
    ...settings,
    KEYTURN_METADATA_DOCUMENTS_REFUSED_HOSTS: 'localhost',
  });
  assert.equal(await active(), false);
});
