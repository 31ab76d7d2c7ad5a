import assert from 'node:assert/strict';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import type { ClientRegistration } from '#src/clients/client.ts';
import { Secret } from '#src/secret.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { later } from '#test/support/later.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { onRedis } from '#test/support/test-store.ts';

const API = 'https://api.example.com';

describe('refresh tokens (RFC 6749 section 6, RFC 9700 section 4.14)', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let api: RelyingParty;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    web = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ scope: 'openid profile offline_access read write' }),
    );
    const { resourceServer, secret } = await keyturn.addResourceServer();
    api = await RelyingParty.discover(keyturn, {
      client: { clientId: resourceServer.clientId, authenticationMethod: 'client_secret_basic' },
      secret,
    });
  });
  after(() => keyturn[Symbol.asyncDispose]());
  afterEach(() => mock.timers.reset());

  async function signIn(parameters: Record<string, string> = { scope: 'openid profile read' }) {
    const tokens = await web.signIn(new Person(), ada, parameters);
    assert.ok(tokens.refresh_token);
    return { ...tokens, refresh_token: tokens.refresh_token };
  }

  async function refresh(token: string, parameters?: Record<string, string>) {
    const tokens = await web.refresh(token, parameters);
    assert.ok(tokens.refresh_token);
    return { ...tokens, refresh_token: tokens.refresh_token };
  }

  const isActive = async (token: string) => (await web.introspect(token)).active;

  test('a refresh token is a JWT that only this server can read and no published key verifies', async () => {
    const { refresh_token: token } = await signIn();
    const { typ, alg, kid } = decodeProtectedHeader(token);
    assert.deepEqual({ typ, alg }, { typ: 'rt+jwt', alg: 'HS256' });
    const { keys } = (await (await fetch(`${keyturn.issuer}/jwks`)).json()) as { keys: { kid: string }[] };
    assert.ok(!keys.some((key) => key.kid === kid));
    assert.equal(decodeJwt(token).aud, keyturn.issuer);
  });

  test('every use gives a new refresh token, and the old one is no longer active', async () => {
    const first = await signIn();
    const second = await refresh(first.refresh_token);
    assert.notEqual(second.refresh_token, first.refresh_token);
    assert.equal(await isActive(first.refresh_token), false);
    assert.equal(await isActive(second.refresh_token), true);
    const third = await refresh(second.refresh_token);
    assert.equal(await isActive(third.refresh_token), true);
  });

  test('presented fifty times at once it yields one successor, to all fifty', async () => {
    const first = await signIn();
    const racers = await Promise.all(Array.from({ length: 50 }, () => refresh(first.refresh_token)));
    const successors = new Set(racers.map((tokens) => tokens.refresh_token));
    assert.equal(successors.size, 1);
    const [successor = ''] = successors;
    await refresh(successor);
    for (const tokens of racers) assert.equal(await isActive(tokens.access_token), true);
  });

  test('presented once more within the grace it yields the same successor, as after a lost answer', async () => {
    const first = await signIn();
    const answer = await refresh(first.refresh_token);
    later(9);
    const again = await refresh(first.refresh_token);
    assert.equal(again.refresh_token, answer.refresh_token);
  });

  test('presented after the grace it ends the family, and the access tokens of its grant with it', {
    skip: onRedis,
  }, async () => {
    const first = await signIn();
    const second = await refresh(first.refresh_token);
    later(11);
    await assert.rejects(refresh(first.refresh_token), { error: 'invalid_grant' });
    await assert.rejects(refresh(second.refresh_token), { error: 'invalid_grant' });
    assert.equal(await isActive(second.access_token), false);
    assert.equal((await api.introspect(second.access_token)).active, false);
  });

  test('a token two generations old ends the family within the grace too', async () => {
    const first = await signIn();
    const second = await refresh(first.refresh_token);
    const third = await refresh(second.refresh_token);
    await assert.rejects(refresh(first.refresh_token), { error: 'invalid_grant' });
    await assert.rejects(refresh(third.refresh_token), { error: 'invalid_grant' });
  });

  test('reuse is noticed after a restart of the server', { skip: onRedis }, async () => {
    const first = await signIn();
    const second = await refresh(first.refresh_token);
    await keyturn.restart();
    later(11);
    await assert.rejects(refresh(first.refresh_token), { error: 'invalid_grant' });
    assert.equal(await isActive(second.refresh_token), false);
  });

  test('two rotations within one second make two different tokens, and the order is kept', async () => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const first = await signIn();
    const second = await refresh(first.refresh_token);
    const third = await refresh(second.refresh_token);
    assert.equal(new Set([first, second, third].map((tokens) => tokens.refresh_token)).size, 3);
    assert.equal(await isActive(second.refresh_token), false);
    assert.equal(await isActive(third.refresh_token), true);
  });

  test('a refresh that races a revocation leaves nothing alive', async () => {
    for (let round = 0; round < 10; round += 1) {
      const first = await signIn();
      const [refreshed] = await Promise.allSettled([
        refresh(first.refresh_token),
        web.revoke(first.refresh_token),
      ]);
      assert.equal(await isActive(first.refresh_token), false);
      if (refreshed.status === 'fulfilled') {
        assert.equal(await isActive(refreshed.value.refresh_token), false);
        assert.equal(await isActive(refreshed.value.access_token), false);
        await assert.rejects(refresh(refreshed.value.refresh_token), { error: 'invalid_grant' });
      }
    }
  });

  test('no setting of a client keeps a revocation from taking effect', async () => {
    await keyturn.addResourceServer({
      identifier: 'https://opaque.example.com',
      scope: ['look'],
      tokenFormat: 'opaque',
    });
    const scope = 'openid offline_access read look';
    const settings: Partial<ClientRegistration>[] = [
      { authenticationMethod: 'none' },
      { authenticationMethod: 'client_secret_jwt' },
      { requirePkce: false },
      { applicationType: 'native' },
      { grantTypes: ['refresh_token', 'authorization_code', 'client_credentials'] },
      { defaultScope: 'openid' },
    ];
    for (const setting of settings) {
      for (const asked of ['openid', 'openid read', 'openid look', 'openid offline_access']) {
        const client = await RelyingParty.discover(keyturn, await keyturn.addClient({ ...setting, scope }));
        const tokens = await client.signIn(new Person(), ada, { scope: asked, prompt: 'consent' });
        await client.revoke(tokens.refresh_token ?? '');
        const about = `${JSON.stringify(setting)} ${asked}`;
        await assert.rejects(client.refresh(tokens.refresh_token ?? ''), { error: 'invalid_grant' }, about);
        const audience = asked.includes('read') ? api : null;
        if (audience !== null)
          assert.deepEqual(await audience.introspect(tokens.access_token), { active: false }, about);
        if (setting.authenticationMethod === 'none') continue;
        for (const token of [tokens.access_token, tokens.refresh_token ?? ''])
          assert.equal((await client.introspect(token)).active, false, about);
      }
    }
  });

  test('an unused refresh token ends after its idle lifetime, a used one lives on', async () => {
    const unused = await signIn();
    const used = await signIn();
    later(13 * 86_400);
    const renewed = await refresh(used.refresh_token);
    later(2 * 86_400);
    await assert.rejects(refresh(unused.refresh_token), { error: 'invalid_grant' });
    await refresh(renewed.refresh_token);
  });

  test('no family outlives the absolute lifetime, however much it is used', async () => {
    let tokens = await signIn();
    for (let day = 0; day < 84; day += 12) {
      later(12 * 86_400);
      tokens = await refresh(tokens.refresh_token);
    }
    later(6 * 86_400);
    await assert.rejects(refresh(tokens.refresh_token), { error: 'invalid_grant' });
  });

  test('a refresh may ask for fewer scopes, never for more', async () => {
    const first = await signIn({ scope: 'openid profile read' });
    const second = await refresh(first.refresh_token, { scope: 'read' });
    assert.equal(decodeJwt(second.access_token).scope, 'read');
    await assert.rejects(refresh(second.refresh_token, { scope: 'read write' }), { error: 'invalid_scope' });
    const third = await refresh(second.refresh_token);
    assert.deepEqual(decodeJwt(third.access_token).scope, 'openid profile read');
  });

  test('a refresh that asks for a resource it was not granted is refused and uses nothing up', async () => {
    const first = await signIn({ scope: 'openid read', resource: API });
    await assert.rejects(refresh(first.refresh_token, { resource: 'https://other.example.com' }), {
      error: 'invalid_target',
    });
    assert.equal(await isActive(first.refresh_token), true);
    later(60);
    await refresh(first.refresh_token, { resource: API });
  });

  test("another client's refresh token is refused, and the family lives on", async () => {
    const other = await RelyingParty.discover(keyturn, await keyturn.addClient({ name: 'Other' }));
    const first = await signIn();
    await assert.rejects(other.refresh(first.refresh_token), { error: 'invalid_grant' });
    assert.equal((await other.introspect(first.refresh_token)).active, false);
    await refresh(first.refresh_token);
  });

  test('a new password ends what rests on sign-ins with the old one, at once, and the new one signs in', async () => {
    const { account, password } = await keyturn.addAccount('edsger');
    const person = new Person();
    const tokens = await web.signIn(person, { login: 'edsger', password }, { scope: 'openid' });
    const changed = 'another fox of tests, brown and quick';
    await keyturn.services.accounts.setPassword(account.subject, new Secret(changed));
    assert.equal(await isActive(tokens.access_token), false);
    assert.equal(await isActive(tokens.refresh_token ?? ''), false);
    await assert.rejects(web.refresh(tokens.refresh_token ?? ''), { error: 'invalid_grant' });
    const silent = await web.request({ prompt: 'none' });
    assert.equal((await person.visit(silent.url)).leftTo?.searchParams.get('error'), 'login_required');
    const renewed = await web.signIn(person, { login: 'edsger', password: changed }, { scope: 'openid' });
    assert.equal(await isActive(renewed.access_token), true);
    await refresh(renewed.refresh_token ?? '');
  });

  test('a person can be signed out everywhere, of tokens for offline access too', async () => {
    const { account, password } = await keyturn.addAccount('barbara');
    const grace = { login: 'barbara', password };
    const offline = await web.signIn(new Person(), grace, {
      scope: 'openid offline_access',
      prompt: 'consent',
    });
    await keyturn.services.accounts.signOutEverywhere(account.subject);
    assert.equal(await isActive(offline.access_token), false);
    await assert.rejects(web.refresh(offline.refresh_token ?? ''), { error: 'invalid_grant' });
    const again = await web.signIn(new Person(), grace, { scope: 'openid' });
    assert.equal(await isActive(again.access_token), true);
  });

  test('a code is not redeemed for someone who was signed out everywhere meanwhile', async () => {
    const { account, password } = await keyturn.addAccount('alan');
    const { url, checks } = await web.request();
    const callback = await new Person().authorize(url, { login: 'alan', password });
    await keyturn.services.accounts.signOutEverywhere(account.subject);
    await assert.rejects(web.redeem(callback, checks), { error: 'invalid_grant' });
  });

  test('a locked account gets no more tokens, and those it has are not active', async () => {
    const { account, password } = await keyturn.addAccount('grace');
    const tokens = await web.signIn(new Person(), { login: 'grace', password }, { scope: 'openid' });
    await keyturn.services.accounts.lock(account.subject);
    assert.equal(await isActive(tokens.access_token), false);
    assert.equal(await isActive(tokens.refresh_token ?? ''), false);
    await assert.rejects(web.refresh(tokens.refresh_token ?? ''), { error: 'invalid_grant' });
    await keyturn.services.accounts.unlock(account.subject);
    await refresh(tokens.refresh_token ?? '');
  });
});
