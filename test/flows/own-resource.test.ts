import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { ask, assertToldClient } from '#test/support/asking.ts';
import { Device } from '#test/support/device.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty, type Tokens } from '#test/support/relying-party.ts';

const API = 'https://api.example.com';

describe('a request that names userinfo as its resource, as the metadata of userinfo does (RFC 8707, RFC 9728)', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  /** Every name of it. */
  let names: readonly string[];
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    await keyturn.addResourceServer({ identifier: API, scope: ['read'] });
    web = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ scope: 'openid profile offline_access read' }),
    );
    names = [keyturn.issuer, `${keyturn.issuer}/`, `${keyturn.issuer}/userinfo`];
  });
  after(() => keyturn[Symbol.asyncDispose]());

  async function assertForUserinfo({ access_token: token }: Pick<Tokens, 'access_token'>) {
    const { aud, scope } = decodeJwt<{ scope: string }>(token);
    assert.equal(aud, keyturn.issuer);
    assert.ok(!scope.split(' ').includes('read'));
    const response = await fetch(`${keyturn.issuer}/userinfo`, {
      headers: { authorization: `Bearer ${token}` },
    });
    assert.equal(response.status, 200);
  }

  /** A sign-in with several resources, which no helper does. */
  async function signInFor(scope: string, resource: string[], tokenParameters?: Record<string, string>) {
    const person = new Person();
    const asked = await ask(web, { scope, resource }, person);
    assert.match(asked.html, /\/sign-in"/, asked.leftTo?.href);
    let page = await person.submit(asked, '/sign-in', ada);
    if (page.leftTo === null) page = await person.submit(page, '/consent');
    return web.redeem(page.leftTo as URL, asked.checks, tokenParameters);
  }

  test('its metadata names it so', async () => {
    for (const path of ['', '/userinfo']) {
      const url = `${keyturn.issuer}/.well-known/oauth-protected-resource${path}`;
      const { resource } = (await (await fetch(url)).json()) as { resource: string };
      assert.ok(names.includes(resource));
    }
  });

  test('gets a token for userinfo alone, whichever of its names it says, and wherever', async () => {
    for (const resource of names) {
      await assertForUserinfo(await signInFor('openid profile', [resource]));
      await assertForUserinfo(await signInFor('openid profile', [resource], { resource }));
    }
  });

  test('the person is not asked about it as if it were an API of somebody else', async () => {
    const person = new Person();
    const { client, secret } = await keyturn.addClient({ scope: 'openid profile' });
    const other = await RelyingParty.discover(keyturn, { client, secret });
    const asked = await ask(other, { scope: 'openid profile', resource: keyturn.issuer }, person);
    const { html } = await person.submit(asked, '/sign-in', ada);
    assert.match(html, /\/consent"/);
    assert.doesNotMatch(html, /on your behalf/);
  });

  test('beside another resource it changes nothing: the token is for that, and for userinfo', async () => {
    const tokens = await signInFor('openid read', [API, keyturn.issuer]);
    assert.deepEqual(decodeJwt(tokens.access_token).aud, [API, keyturn.issuer]);
  });

  test('in a token request it narrows what was granted, and the other resource is there to be had still', async () => {
    for (const resource of names) {
      const tokens = await signInFor('openid read offline_access', [API], { resource });
      await assertForUserinfo(tokens);
      const narrowed = await web.refresh(tokens.refresh_token ?? '', { resource });
      await assertForUserinfo(narrowed);
      const forApi = await web.refresh(narrowed.refresh_token ?? '', { resource: API });
      assert.equal(decodeJwt(forApi.access_token).aud, API);
    }
  });

  test('a device gets one too', async () => {
    const device = await Device.register(keyturn);
    const { device_code, user_code } = await device.begin({ scope: 'openid', resource: keyturn.issuer });
    await device.approve(new Person(), user_code, ada);
    const answer = await device.poll(device_code, { resource: `${keyturn.issuer}/userinfo` });
    await assertForUserinfo((await answer.json()) as Tokens);
  });

  test('a pushed request is no other', async () => {
    const { url, checks } = await web.request({ scope: 'openid' });
    const { clientId, secret } = await confidential();
    url.searchParams.set('client_id', clientId);
    url.searchParams.set('resource', keyturn.issuer);
    const pushed = await fetch(`${keyturn.issuer}/par`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${clientId}:${secret}`)}` },
      body: url.searchParams,
    });
    const { request_uri: uri } = (await pushed.json()) as { request_uri: string };
    assert.ok(uri, String(pushed.status));
    const query = new URLSearchParams({ client_id: clientId, request_uri: uri });
    const callback = await new Person().authorize(`${keyturn.issuer}/authorize?${query}`, ada);
    const party = await RelyingParty.discover(keyturn, {
      client: { clientId, authenticationMethod: 'client_secret_basic' },
      secret,
    });
    await assertForUserinfo(await party.redeem(callback, checks));
  });

  test('is refused with a scope of an API, and without openid, which userinfo wants', async () => {
    for (const resource of names) {
      await assertToldClient(web, { scope: 'openid read', resource }, 'invalid_scope');
      await assertToldClient(web, { scope: 'profile', nonce: undefined, resource }, 'invalid_target');
    }
  });

  test('is refused in a token request for what was granted without openid, and uses nothing up', async () => {
    const person = new Person();
    const asked = await ask(web, { scope: 'read', nonce: undefined, resource: API }, person);
    let page = await person.submit(asked, '/sign-in', ada);
    if (page.leftTo === null) page = await person.submit(page, '/consent');
    const checks = {
      pkceCodeVerifier: asked.checks.pkceCodeVerifier,
      expectedState: asked.checks.expectedState,
    };
    const redeem = (parameters?: Record<string, string>) =>
      web.redeem(page.leftTo as URL, checks, parameters);
    await assert.rejects(redeem({ resource: keyturn.issuer }), { error: 'invalid_target' });
    const tokens = await redeem();
    assert.equal(decodeJwt(tokens.access_token).aud, API);
    await assert.rejects(web.refresh(tokens.refresh_token ?? '', { resource: keyturn.issuer }), {
      error: 'invalid_target',
    });
    await web.refresh(tokens.refresh_token ?? '');
  });

  test('is refused where openid is left out of a refresh, and where nobody signed in', async () => {
    const tokens = await signInFor('openid read', [API]);
    const resource = keyturn.issuer;
    await assert.rejects(web.refresh(tokens.refresh_token ?? '', { resource, scope: 'read' }), {
      error: 'invalid_target',
    });
    const { client, secret } = await keyturn.addClient({
      redirectUris: [],
      grantTypes: ['client_credentials'],
      scope: 'read',
    });
    const answer = await fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${client.clientId}:${secret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource }),
    });
    assert.equal(((await answer.json()) as { error: string }).error, 'invalid_target');
  });

  async function confidential() {
    const { client, secret } = await keyturn.addClient({ scope: 'openid' });
    return { clientId: client.clientId, secret };
  }
});
