import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as oauth from 'openid-client';
import { type ExampleProcess, startExample } from '#test/docs/example-process.ts';
import { freePort } from '#test/support/free-port.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const RESOURCE = 'https://api.example.com';

describe('the examples of APIs that learn of revocations', () => {
  let keyturn: Keyturn;
  let credentials: Record<string, string>;
  let web: RelyingParty;
  let service: RelyingParty;
  let people = 0;

  before(async () => {
    // A list is fetched anew with every other request, so that nothing has to be waited for.
    keyturn = await startKeyturnHere({ KEYTURN_STATUS_LISTS_TTL: '1s' });
    const { resourceServer, secret } = await keyturn.addResourceServer({
      identifier: RESOURCE,
      statusList: true,
    });
    credentials = { CLIENT_ID: resourceServer.clientId, CLIENT_SECRET: secret, AUDIENCE: RESOURCE };
    web = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid read' }));
    service = await newService('read write');
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const newService = async (scope: string) =>
    RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ grantTypes: ['client_credentials'], redirectUris: [], scope }),
    );
  const tokenOf = async (party: RelyingParty, scope: string, resource = RESOURCE) =>
    (await oauth.clientCredentialsGrant(party.configuration, { scope, resource })).access_token;
  async function signIn() {
    people += 1;
    const { account, password } = await keyturn.addAccount(`person${people}`);
    const requested = { scope: 'openid read', resource: RESOURCE };
    const person = new Person();
    const login = { login: `person${people}`, password };
    const tokens = await web.signIn(person, login, requested, { resource: RESOURCE });
    return { account, ...tokens };
  }

  /** Starts an API, and waits until it can tell who may come in. */
  async function listening(path: string): Promise<ExampleProcess & { url: string }> {
    const port = String(await freePort());
    const example = startExample(path, { ISSUER: keyturn.issuer, PORT: port, ...credentials });
    await example.line();
    const api = Object.assign(example, { url: `http://127.0.0.1:${port}/` });
    await becomes(api.url, await tokenOf(service, 'read'), 200);
    return api;
  }
  const call = (url: string, token?: string) =>
    fetch(url, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
  /** Calls until the answer has that status; if it never has, the test runs out of time. */
  async function becomes(url: string, token: string, status: number): Promise<void> {
    while ((await call(url, token)).status !== status)
      await new Promise((resolve) => setTimeout(resolve, 50));
  }

  for (const path of ['examples/api/listen.js', 'examples/api/status-list.js']) {
    test(`${path} lets in whoever has a token for it with the scope, and tells the others why not (RFC 6750 section 3)`, async () => {
      await using api = await listening(path);
      const good = await tokenOf(service, 'read');
      assert.equal((await call(api.url, good)).status, 200);
      const challenge = async (token?: string) => {
        const { status, headers } = await call(api.url, token);
        return [status, headers.get('www-authenticate')];
      };
      assert.deepEqual(await challenge(), [401, 'Bearer']);
      const narrow = await tokenOf(service, 'write');
      assert.deepEqual(await challenge(narrow), [403, 'Bearer error="insufficient_scope", scope="read"']);
      await keyturn.addResourceServer({ identifier: `https://other.example.com/${path}`, scope: ['look'] });
      const foreign = await tokenOf(await newService('look'), 'look', `https://other.example.com/${path}`);
      const forged = [...good.split('.').slice(0, 2), foreign.split('.')[2]].join('.');
      for (const token of [foreign, forged, 'nonsense'])
        assert.deepEqual(await challenge(token), [401, 'Bearer error="invalid_token"']);
    });

    test(`${path} refuses tokens that were revoked, and lets those of an account in again that was unlocked`, async () => {
      await using api = await listening(path);
      const revoked = await tokenOf(service, 'read');
      await service.revoke(revoked);
      await becomes(api.url, revoked, 401);
      const signedOut = await signIn();
      assert.equal((await call(api.url, signedOut.access_token)).status, 200);
      await web.revoke(signedOut.refresh_token ?? '');
      await becomes(api.url, signedOut.access_token, 401);
      const { account, access_token: suspended } = await signIn();
      await keyturn.services.accounts.lock(account.subject);
      await becomes(api.url, suspended, 401);
      await keyturn.services.accounts.unlock(account.subject);
      await becomes(api.url, suspended, 200);
      assert.equal((await call(api.url, await tokenOf(service, 'read'))).status, 200);
    });
  }

  test('examples/api/listen.js knows what was revoked before it started, and what while it was cut off', async () => {
    const early = await tokenOf(service, 'read');
    await service.revoke(early);
    await using api = await listening('examples/api/listen.js');
    assert.equal((await call(api.url, early)).status, 401);
    const meanwhile = await signIn();
    assert.equal((await call(api.url, meanwhile.access_token)).status, 200);
    await keyturn.restart();
    await web.revoke(meanwhile.refresh_token ?? '');
    await becomes(api.url, meanwhile.access_token, 401);
  });
});
