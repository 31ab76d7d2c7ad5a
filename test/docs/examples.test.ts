import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as oauth from 'openid-client';
import { DEVICE_CODE_GRANT } from '#src/clients/client.ts';
import { startExample } from '#test/docs/example-process.ts';
import { freePort } from '#test/support/free-port.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const RESOURCE = 'https://api.example.com';

type Credentials = Readonly<Record<'CLIENT_ID' | 'CLIENT_SECRET', string>>;

describe('the examples of the documentation', () => {
  let keyturn: Keyturn;
  let apiCredentials: Credentials;
  let service: Credentials;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    const { resourceServer, secret } = await keyturn.addResourceServer();
    apiCredentials = { CLIENT_ID: resourceServer.clientId, CLIENT_SECRET: secret };
    service = await client({ grantTypes: ['client_credentials'], redirectUris: [], scope: 'read write' });
  });
  after(() => keyturn[Symbol.asyncDispose]());

  async function client(registration: Parameters<Keyturn['addClient']>[0]): Promise<Credentials> {
    const added = await keyturn.addClient(registration);
    return { CLIENT_ID: added.client.clientId, CLIENT_SECRET: added.secret };
  }

  /** Starts an example that listens, on a free port. */
  async function listening(path: string, env: Readonly<Record<string, string>>) {
    const port = String(await freePort());
    const example = startExample(path, { ISSUER: keyturn.issuer, PORT: port, ...env });
    await example.line();
    return Object.assign(example, { url: `http://127.0.0.1:${port}/` });
  }

  const tokenOf = async ({ CLIENT_ID, CLIENT_SECRET }: Credentials, parameters: Record<string, string>) => {
    const registered = {
      client: { clientId: CLIENT_ID, authenticationMethod: 'client_secret_basic' },
      secret: CLIENT_SECRET,
    } as const;
    const { configuration } = await RelyingParty.discover(keyturn, registered);
    return { configuration, ...(await oauth.clientCredentialsGrant(configuration, parameters)) };
  };
  const call = (url: string, token?: string) =>
    fetch(url, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });

  for (const path of ['examples/api/verify.js', 'examples/api/introspect.js']) {
    test(`${path} lets in whoever has a token for it with the scope, and tells the others why not (RFC 6750 section 3)`, async () => {
      await using api = await listening(path, { ...apiCredentials, AUDIENCE: RESOURCE });
      const good = await tokenOf(service, { scope: 'read', resource: RESOURCE });
      const answer = await call(api.url, good.access_token);
      assert.equal(answer.status, 200);
      assert.deepEqual(await answer.json(), { sub: service.CLIENT_ID, client_id: service.CLIENT_ID });

      const challenge = async (token?: string) => {
        const { status, headers } = await call(api.url, token);
        return [status, headers.get('www-authenticate')];
      };
      assert.deepEqual(await challenge(), [401, 'Bearer']);
      const { access_token: narrow } = await tokenOf(service, { scope: 'write', resource: RESOURCE });
      assert.deepEqual(await challenge(narrow), [403, 'Bearer error="insufficient_scope", scope="read"']);
      await keyturn.addResourceServer({ identifier: `https://other.example.com/${path}`, scope: ['look'] });
      const other = await client({ grantTypes: ['client_credentials'], redirectUris: [], scope: 'look' });
      const { access_token: foreign } = await tokenOf(other, {
        resource: `https://other.example.com/${path}`,
      });
      const [head, body] = good.access_token.split('.');
      const forged = `${head}.${body}.${foreign.split('.')[2]}`;
      for (const token of [foreign, forged, 'nonsense']) {
        assert.deepEqual(await challenge(token), [401, 'Bearer error="invalid_token"']);
      }
    });
  }

  test('a revoked token is refused by the API that introspects at once, by the one that verifies when it expires', async () => {
    await using verifying = await listening('examples/api/verify.js', { AUDIENCE: RESOURCE });
    await using introspecting = await listening('examples/api/introspect.js', apiCredentials);
    const { configuration, access_token: token } = await tokenOf(service, { resource: RESOURCE });
    for (const { url } of [verifying, introspecting]) assert.equal((await call(url, token)).status, 200);
    await oauth.tokenRevocation(configuration, token);
    assert.equal((await call(introspecting.url, token)).status, 401);
    assert.equal((await call(verifying.url, token)).status, 200);
  });

  test('examples/api/introspect.js takes opaque tokens just as well', async () => {
    const identifier = 'https://opaque.example.com';
    const added = await keyturn.addResourceServer({ identifier, tokenFormat: 'opaque' });
    await using api = await listening('examples/api/introspect.js', {
      CLIENT_ID: added.resourceServer.clientId,
      CLIENT_SECRET: added.secret,
    });
    const { access_token: token } = await tokenOf(service, { resource: identifier, scope: 'read' });
    assert.equal(token.split('.').length, 1);
    assert.equal((await call(api.url, token)).status, 200);
  });

  test('an API that cannot reach Keyturn answers 503, and lets nobody in', async () => {
    const nowhere = { ISSUER: `http://127.0.0.1:${await freePort()}` };
    const { access_token: token } = await tokenOf(service, { resource: RESOURCE });
    for (const path of ['examples/api/verify.js', 'examples/api/introspect.js']) {
      await using api = await listening(path, { ...apiCredentials, AUDIENCE: RESOURCE, ...nowhere });
      assert.equal((await call(api.url, token)).status, 503);
    }
  });

  test('examples/client/service.js gets a token and calls the API with it', async () => {
    await using api = await listening('examples/api/verify.js', { AUDIENCE: RESOURCE });
    await using example = startExample('examples/client/service.js', {
      ISSUER: keyturn.issuer,
      API_URL: api.url,
      RESOURCE,
      ...service,
    });
    const body = JSON.stringify({ sub: service.CLIENT_ID, client_id: service.CLIENT_ID });
    assert.equal(await example.line(), `200 ${body}`);
  });

  test('examples/client/command-line.js signs a person in on a port of its own choice', async () => {
    const { CLIENT_ID } = await client({
      authenticationMethod: 'none',
      redirectUris: ['http://127.0.0.1/callback'],
      grantTypes: ['authorization_code'],
    });
    await using example = startExample('examples/client/command-line.js', {
      ISSUER: keyturn.issuer,
      CLIENT_ID,
    });
    const address = (await example.line()).slice('Open '.length);
    const person = new Person();
    const page = await person.visit(await person.authorize(address, ada));
    assert.match(page.html, /^Done/);
    assert.equal(await example.line(), 'Signed in as ada');
  });

  test('examples/client/device.js signs a person in who enters its code in a browser elsewhere', async () => {
    const { CLIENT_ID } = await client({
      authenticationMethod: 'none',
      redirectUris: [],
      grantTypes: [DEVICE_CODE_GRANT],
    });
    await using example = startExample('examples/client/device.js', { ISSUER: keyturn.issuer, CLIENT_ID });
    const [, address = '', code = ''] = /^Open (\S+) and enter (\S+)$/.exec(await example.line()) ?? [];
    const person = new Person();
    let page = await person.submit(await person.visit(address), '/device', { user_code: code });
    page = await person.submit(page, '/device');
    page = await person.submit(page, '/sign-in', ada);
    assert.match((await person.submit(page, '/consent')).html, /is connected/);
    assert.equal(await example.line(), 'Signed in as ada');
  });

  test('examples/client/web-app.js signs a person in, refreshes, calls the API, and signs them out', async () => {
    // Its tokens are always about to expire, so that each call of the API begins with a refresh.
    const { resourceServer, secret } = await keyturn.addResourceServer({
      identifier: 'https://short.example.com',
      accessTokenLifetimeSeconds: 20,
    });
    await using api = await listening('examples/api/introspect.js', {
      CLIENT_ID: resourceServer.clientId,
      CLIENT_SECRET: secret,
    });
    const registered = await client({
      redirectUris: ['http://127.0.0.1:4000/callback'],
      postLogoutRedirectUris: ['http://127.0.0.1:4000/'],
      scope: 'openid profile read',
    });
    await using app = await listening('examples/client/web-app.js', {
      API_URL: api.url,
      RESOURCE: resourceServer.identifier,
      ...registered,
    });
    const person = new Person();
    const page = async (path: string) => (await person.visit(app.url + path)).html;
    const tokenRequests = () => keyturn.logged.filter((line) => line.includes('"path":"/token"')).length;

    assert.match(await page(''), /Sign in/);
    const { leftTo: signingIn } = await person.visit(`${app.url}sign-in`);
    assert.ok(signingIn);
    const home = await person.visit(await person.authorize(signingIn, ada));
    assert.equal(home.html, 'Hello ada');
    const before = tokenRequests();
    for (const _ of [1, 2]) {
      assert.equal(JSON.parse(await page('api')).client_id, registered.CLIENT_ID);
    }
    assert.equal(tokenRequests() - before, 2);

    const { leftTo: signingOut } = await person.visit(`${app.url}sign-out`);
    assert.ok(signingOut);
    const { leftTo: back } = await person.submit(await person.visit(signingOut), '/logout/confirm');
    assert.equal(back?.href, app.url);
    assert.match(await page(''), /Sign in/);
  });
});
