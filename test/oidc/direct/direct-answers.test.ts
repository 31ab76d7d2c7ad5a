import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type OpenProvider, openProvider } from '#test/oidc/open-provider.ts';

const API = 'https://api.example.com';
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

describe('the most usual requests are answered without the library', () => {
  let open: OpenProvider;
  let asClient: string;
  let asApi: string;
  let asOpaqueApi: string;

  before(async () => {
    open = await openProvider();
    const { client, secret } = await open.clients.add({
      name: 'Service',
      redirectUris: [],
      grantTypes: ['client_credentials'],
      scope: 'read look',
    });
    const api = await open.resources.add({ identifier: API, scope: ['read'] });
    asClient = basic(client.clientId, secret?.reveal() ?? '');
    asApi = basic(api.resourceServer.clientId, api.secret.reveal());
    const opaque = await open.resources.add({
      identifier: 'https://opaque.example.com',
      scope: ['look'],
      tokenFormat: 'opaque',
    });
    asOpaqueApi = basic(opaque.resourceServer.clientId, opaque.secret.reveal());
  });
  after(() => open[Symbol.asyncDispose]());

  const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;

  async function answer(path: string, fields: Record<string, string>, headers: Record<string, string>) {
    const shortcut = open.shortcuts.get(path) ?? assert.fail(path);
    const all = { ...FORM, ...headers };
    if (!shortcut.takes(all)) return null;
    const body = Buffer.from(new URLSearchParams(fields).toString());
    const answered = await shortcut.answer({ path, headers: all, body, requestId: 'some id' });
    return (answered?.body ?? null) as Record<string, unknown> | null;
  }

  const askForToken = (fields: Record<string, string>, headers: Record<string, string> = {}) =>
    answer(
      '/token',
      { grant_type: 'client_credentials', ...fields },
      { authorization: asClient, ...headers },
    );

  test('client credentials, with and without a resource', async () => {
    for (const fields of [{ scope: 'read' }, { resource: API }, { scope: 'read', resource: API }])
      assert.equal((await askForToken(fields))?.token_type, 'Bearer', JSON.stringify(fields));
  });

  test('a client that escapes what it is and its secret, as many do (RFC 6749 appendix B)', async () => {
    const [id = '', secret = ''] = Buffer.from(asClient.slice(6), 'base64').toString().split(':');
    const escaped = (text: string) => text.replaceAll('-', '%2D').replaceAll('_', '%5f');
    const headers = { authorization: basic(escaped(id), escaped(secret)) };
    assert.notEqual(headers.authorization, asClient);
    assert.equal((await askForToken({ scope: 'read' }, headers))?.token_type, 'Bearer');
  });

  test('introspection of a JWT, whether or not it is active', async () => {
    const token = String((await askForToken({ resource: API }))?.access_token);
    const headers = { authorization: asApi };
    assert.equal((await answer('/introspect', { token }, headers))?.active, true);
    const forged = `${token.slice(0, -8)}AAAAAAAA`;
    assert.deepEqual(await answer('/introspect', { token: forged }, headers), { active: false });
  });

  test('an opaque token for a client, and its introspection', async () => {
    const headers = { authorization: asOpaqueApi };
    const token = String((await askForToken({ scope: 'look' }))?.access_token);
    assert.equal((await answer('/introspect', { token }, headers))?.active, true);
    assert.deepEqual(await answer('/introspect', { token: 'x'.repeat(43) }, headers), { active: false });
  });

  test('a request that a client pushes', async () => {
    const redirectUri = 'https://web.example.com/callback';
    const { client, secret } = await open.clients.add({
      name: 'Web',
      redirectUris: [redirectUri],
      grantTypes: ['authorization_code'],
      scope: 'openid read',
    });
    const request = {
      client_id: client.clientId,
      redirect_uri: redirectUri,
      response_type: 'code',
      scope: 'openid read',
      resource: API,
      code_challenge: 'c'.repeat(43),
      code_challenge_method: 'S256',
    };
    const headers = { authorization: basic(client.clientId, secret?.reveal() ?? '') };
    const kept = await answer('/par', request, headers);
    assert.match(String(kept?.request_uri), /^urn:ietf:params:oauth:request_uri:[\w-]{43}$/);
    assert.equal(kept?.expires_in, 60);
    for (const more of [{ prompt: 'login' }, { client_id: 'another' }, { scope: 'other' }, { state: '' }])
      assert.equal(await answer('/par', { ...request, ...more }, headers), null, JSON.stringify(more));
    assert.equal(await answer('/par', { ...request, state: 'x'.repeat(4096) }, headers), null);
  });

  test('not where more is asked, or has to be refused', async () => {
    assert.equal(await askForToken({ scope: 'write' }), null);
    assert.equal(await askForToken({ scope: 'read', meaningless: 'x' }), null);
    assert.equal(await askForToken({ scope: 'read' }, { authorization: 'Basic x' }), null);
    for (const header of ['dpop', 'origin', 'oauth-client-attestation', 'oauth-client-attestation-pop'])
      assert.equal(await askForToken({ scope: 'read' }, { [header]: 'x' }), null, header);
    assert.equal(await askForToken({ scope: 'read' }, { 'content-type': 'application/json' }), null);
    const headers = { authorization: asApi, accept: 'application/token-introspection+jwt' };
    assert.equal(await answer('/introspect', { token: 'a.b.c' }, headers), null);
    assert.equal(await answer('/introspect', { token: 'a~b' }, { authorization: asApi }), null);
  });
});
