import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ask } from '#test/support/asking.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { assertRefused } from '#test/support/refused.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

const CALLBACK = 'cursor://anysphere.cursor-mcp/oauth/callback';
const AGENT = { redirect_uris: [CALLBACK], token_endpoint_auth_method: 'none', client_name: 'Agent' };

const register = (keyturn: Keyturn) =>
  fetch(`${keyturn.issuer}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(AGENT),
  });

const partyOf = (keyturn: Keyturn, clientId: string) =>
  RelyingParty.discover(
    keyturn,
    { client: { clientId, authenticationMethod: 'none' }, secret: '' },
    { id_token_signed_response_alg: 'RS256' },
  );

describe('a redirect URI of a scheme that is named after no domain (RFC 8252 section 7.1)', () => {
  test('is refused unless the settings list the scheme', async () => {
    await using keyturn = await startKeyturnHere({
      KEYTURN_REGISTRATION: 'open',
      KEYTURN_REDIRECT_SCHEMES: 'vscode',
    });
    const response = await register(keyturn);
    const body = await response.text();
    assertRefused(response.status, body);
    assert.match(body, /"invalid_redirect_uri".*redirect_uris: cursor:.*named after a domain/);
  });

  test('is one like any other where they do, and leads to the application', async () => {
    await using keyturn = await startKeyturnHere({
      KEYTURN_REGISTRATION: 'open',
      KEYTURN_REDIRECT_SCHEMES: 'vscode,cursor',
    });
    const { password } = await keyturn.addAccount('ada');
    const registered = (await (await register(keyturn)).json()) as Record<string, string>;
    assert.equal(registered.application_type, 'native');
    const agent = await partyOf(keyturn, registered.client_id ?? '');
    const person = new Person();
    const { url, checks } = await agent.request({ redirect_uri: CALLBACK });
    const page = await person.submit(await person.visit(url), '/sign-in', { login: 'ada', password });
    assert.match(page.html, /goes to a program on this device/);
    assert.match(page.response.headers.get('content-security-policy') ?? '', /form-action 'self' cursor:;/);
    const { leftTo } = await person.submit(page, '/consent');
    assert.equal(leftTo?.href.split('?')[0], CALLBACK);
    const tokens = await agent.redeem(leftTo as URL, checks);
    assert.equal(tokens.claims()?.aud, registered.client_id);
    const { leftTo: elsewhere } = await ask(agent, { redirect_uri: 'cursor://evil/oauth/callback' });
    assert.equal(elsewhere, null, 'compared as strings, as any other');
  });

  test('leads nowhere any more once the settings do not list it', async () => {
    await using directory = await makeTemporaryDirectory();
    const store = {
      KEYTURN_STORE: `sqlite:${directory.path}/keyturn.db`,
      KEYTURN_KEYS_DIR: `${directory.path}/keys`,
    };
    let clientId = '';
    {
      await using before = await startKeyturnHere({ ...store, KEYTURN_REDIRECT_SCHEMES: 'cursor' });
      const { client } = await before.addClient({
        authenticationMethod: 'none',
        scope: 'openid',
        redirectUris: [CALLBACK],
      });
      clientId = client.clientId;
      const agent = await partyOf(before, clientId);
      assert.match((await ask(agent, { redirect_uri: CALLBACK })).html, /\/sign-in"/);
    }
    await using after = await startKeyturnHere(store);
    const { leftTo, response } = await ask(await partyOf(after, clientId), { redirect_uri: CALLBACK });
    assert.deepEqual([leftTo, response.status], [null, 400]);
  });
});
