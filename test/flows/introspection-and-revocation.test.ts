import assert from 'node:assert/strict';
import { after, before, describe, mock, test } from 'node:test';
import { decodeJwt, exportJWK, generateKeyPair } from 'jose';
import * as oauth from 'openid-client';
import type { ClientRegistration } from '#src/clients/client.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { onRedis } from '#test/support/test-store.ts';

const API = 'https://api.example.com';
const OPAQUE_API = 'https://opaque.example.com';
const SCOPE = 'openid profile offline_access read look';

describe('introspection (RFC 7662) and revocation (RFC 7009)', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let service: RelyingParty;
  let api: RelyingParty;
  let opaqueApi: RelyingParty;
  const ada = { login: 'ada', password: '' };

  const resourceServer = async (identifier: string, registration: object) => {
    const added = await keyturn.addResourceServer({ identifier, ...registration });
    const client = {
      clientId: added.resourceServer.clientId,
      authenticationMethod: 'client_secret_basic',
    } as const;
    return RelyingParty.discover(keyturn, { client, secret: added.secret });
  };
  const client = async (registration: Partial<ClientRegistration>) =>
    RelyingParty.discover(keyturn, await keyturn.addClient(registration));

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    web = await client({ scope: SCOPE });
    service = await client({ grantTypes: ['client_credentials'], redirectUris: [], scope: 'read look' });
    api = await resourceServer(API, { scope: ['read'] });
    opaqueApi = await resourceServer(OPAQUE_API, { scope: ['look'], tokenFormat: 'opaque' });
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const signIn = (parameters: Record<string, string>) => web.signIn(new Person(), ada, parameters);
  const post = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    fetch(keyturn.issuer + path, { method: 'POST', body: new URLSearchParams(fields), headers });

  for (const [format, resource, scope] of [
    ['a JWT', API, 'read'],
    ['an opaque', OPAQUE_API, 'look'],
  ] as const) {
    const meant = () => (resource === API ? api : opaqueApi);

    test(`${format} access token tells the resource server that it is meant for whose it is and what for`, async () => {
      const tokens = await signIn({ scope: `openid ${scope}`, resource });
      const answer = await meant().introspect(tokens.access_token);
      assert.equal(answer.active, true);
      assert.equal(answer.sub, tokens.claims()?.sub);
      assert.equal(answer.client_id, web.configuration.clientMetadata().client_id);
      assert.equal(answer.token_type, 'Bearer');
      assert.equal(answer.iss, keyturn.issuer);
      assert.ok([answer.aud].flat().includes(resource));
      assert.ok(answer.scope?.split(' ').includes(scope));
      assert.equal((answer.exp ?? 0) - (answer.iat ?? 0), 300);
    });

    test(`${format} access token is not active for another resource server or another client (RFC 7662 section 4)`, async () => {
      const tokens = await signIn({ scope: `openid ${scope}`, resource });
      const stranger = resource === API ? opaqueApi : api;
      assert.deepEqual(await stranger.introspect(tokens.access_token), { active: false });
      assert.deepEqual(await service.introspect(tokens.access_token), { active: false });
    });

    test(`${format} access token that is revoked is inactive on the next call, and it alone`, async () => {
      const tokens = await signIn({ scope: `openid ${scope}`, resource });
      await web.revoke(tokens.access_token);
      assert.deepEqual(await meant().introspect(tokens.access_token), { active: false });
      const renewed = await web.refresh(tokens.refresh_token ?? '');
      assert.equal((await meant().introspect(renewed.access_token)).active, true);
    });

    test(`${format} access token of a locked account is not active`, async () => {
      const { account, password } = await keyturn.addAccount(`person-${scope}`);
      const tokens = await web.signIn(
        new Person(),
        { login: account.username, password },
        { scope: `openid ${scope}`, resource },
      );
      assert.equal((await meant().introspect(tokens.access_token)).active, true);
      await keyturn.services.accounts.lock(account.subject);
      assert.deepEqual(await meant().introspect(tokens.access_token), { active: false });
    });

    test(`${format} access token of a client that was removed is not active`, async () => {
      const added = await keyturn.addClient({
        grantTypes: ['authorization_code', 'client_credentials'],
        scope: SCOPE.replace(' offline_access', ''),
      });
      const leaving = await RelyingParty.discover(keyturn, added);
      const tokens = await leaving.signIn(new Person(), ada, { scope: `openid ${scope}`, resource });
      const own = await oauth.clientCredentialsGrant(leaving.configuration, { scope, resource });
      await keyturn.services.clients.remove(added.client.clientId);
      for (const token of [tokens.access_token, own.access_token]) {
        assert.deepEqual(await meant().introspect(token), { active: false });
      }
    });

    test(`revoking the refresh token ends ${format} access token of its grant`, async () => {
      const tokens = await signIn({ scope: `openid ${scope}`, resource });
      const renewed = await web.refresh(tokens.refresh_token ?? '');
      await web.revoke(renewed.refresh_token ?? '');
      for (const token of [tokens.access_token, renewed.access_token]) {
        assert.deepEqual(await meant().introspect(token), { active: false });
      }
    });

    test(`${format} access token of a client that acts for itself carries sub, the client's identifier`, async () => {
      const tokens = await oauth.clientCredentialsGrant(service.configuration, { scope });
      const answer = await meant().introspect(tokens.access_token);
      assert.equal(answer.active, true);
      assert.equal(answer.sub, service.configuration.clientMetadata().client_id);
      assert.equal(tokens.refresh_token, undefined);
      await service.revoke(tokens.access_token);
      assert.deepEqual(await meant().introspect(tokens.access_token), { active: false });
    });
  }

  test('a JWT access token is issued without a write', { skip: onRedis }, async () => {
    const { DatabaseSync } = await import('node:sqlite');
    using database = new DatabaseSync(keyturn.services.config.store.slice('sqlite:'.length), {
      readOnly: true,
    });
    const version = () => database.prepare('PRAGMA data_version').get()?.data_version;
    const before = version();
    await oauth.clientCredentialsGrant(service.configuration, { scope: 'read' });
    assert.equal(version(), before);
  });

  test('the tokens of one sign-in survive the revocation of another of the same person and client', async () => {
    const laptop = await signIn({ scope: 'openid' });
    const phone = await signIn({ scope: 'openid' });
    await web.revoke(laptop.refresh_token ?? '');
    assert.equal((await web.introspect(laptop.access_token)).active, false);
    assert.equal((await web.introspect(phone.access_token)).active, true);
  });

  test('a wrong token_type_hint does not matter (RFC 7662 section 2.1, RFC 7009 section 2.1)', async () => {
    const tokens = await signIn({ scope: 'openid read', resource: API });
    const hint = { token_type_hint: 'refresh_token' };
    const answer = await oauth.tokenIntrospection(api.configuration, tokens.access_token, hint);
    assert.equal(answer.active, true);
    await oauth.tokenRevocation(web.configuration, tokens.refresh_token ?? '', {
      token_type_hint: 'access_token',
    });
    assert.equal((await web.introspect(tokens.refresh_token ?? '')).active, false);
  });

  test('whoever does not authenticate learns nothing, not even by name (RFC 7662 section 2.1)', async () => {
    const { access_token: token } = await signIn({ scope: 'openid' });
    const nobody = await post('/introspect', { token });
    assert.equal(nobody.status, 401);
    assert.equal(((await nobody.json()) as { error: string }).error, 'invalid_client');
    const spa = await keyturn.addClient({ name: 'SPA', authenticationMethod: 'none' });
    for (const asked of [token, 'no-such-token']) {
      const answer = await post('/introspect', { token: asked, client_id: spa.client.clientId });
      assert.equal(answer.status, 401);
      assert.equal(((await answer.json()) as { error: string }).error, 'invalid_client');
    }
  });

  test('a public client revokes its own tokens by its name alone (RFC 7009 section 2.1)', async () => {
    const spa = await client({ name: 'SPA', authenticationMethod: 'none', scope: 'openid' });
    const tokens = await spa.signIn(new Person(), ada, { scope: 'openid' });
    await spa.revoke(tokens.refresh_token ?? '');
    await assert.rejects(spa.refresh(tokens.refresh_token ?? ''), { error: 'invalid_grant' });
  });

  test("a client cannot revoke another's token, and is told (RFC 7009 section 2.1)", async () => {
    const tokens = await signIn({ scope: 'openid' });
    for (const token of [tokens.access_token, tokens.refresh_token ?? '']) {
      await assert.rejects(service.revoke(token), { error: 'unauthorized_client' });
    }
    assert.equal((await web.introspect(tokens.access_token)).active, true);
  });

  test('revoking what is no token succeeds, with a body that every client can read (RFC 7009 section 2.2)', async () => {
    const { client: registered, secret } = await keyturn.addClient();
    const authorization = `Basic ${Buffer.from(`${registered.clientId}:${secret}`).toString('base64')}`;
    for (const token of ['nonsense', 'a.b.c', '~~~', 'é'.repeat(100)]) {
      const answer = await post('/revoke', { token }, { authorization });
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get('content-type') ?? '', /^application\/json/);
      assert.deepEqual(await answer.json(), {});
    }
  });

  test('clients authenticate at introspection and revocation by every method there is', async () => {
    const keys = await generateKeyPair('ES256', { extractable: true });
    const jwks = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'own', alg: 'ES256', use: 'sig' }] };
    const methods: [Partial<ClientRegistration>, (secret: string) => oauth.ClientAuth][] = [
      [{ authenticationMethod: 'client_secret_basic' }, oauth.ClientSecretBasic],
      [{ authenticationMethod: 'client_secret_post' }, oauth.ClientSecretPost],
      [{ authenticationMethod: 'client_secret_jwt' }, oauth.ClientSecretJwt],
      [
        { authenticationMethod: 'private_key_jwt', jwks },
        () => oauth.PrivateKeyJwt({ key: keys.privateKey, kid: 'own' }),
      ],
    ];
    for (const [registration, authentication] of methods) {
      const added = await keyturn.addClient({
        ...registration,
        grantTypes: ['client_credentials'],
        redirectUris: [],
        scope: 'read',
      });
      const configuration = await oauth.discovery(
        new URL(keyturn.issuer),
        added.client.clientId,
        undefined,
        authentication(added.secret),
        { execute: [oauth.allowInsecureRequests] },
      );
      const { access_token: token } = await oauth.clientCredentialsGrant(configuration);
      assert.equal(decodeJwt(token).scope, 'read', 'the default scope');
      assert.equal(
        (await oauth.tokenIntrospection(configuration, token)).active,
        true,
        registration.authenticationMethod,
      );
      await oauth.tokenRevocation(configuration, token);
      assert.equal((await oauth.tokenIntrospection(configuration, token)).active, false);
    }
  });

  test('while a secret is being rolled both the old and the new one work, and then the new one alone', async () => {
    for (const authenticationMethod of ['client_secret_basic', 'client_secret_jwt'] as const) {
      const added = await keyturn.addClient({
        authenticationMethod,
        grantTypes: ['client_credentials'],
        redirectUris: [],
        scope: 'read',
      });
      const { clientId } = added.client;
      const method =
        authenticationMethod === 'client_secret_jwt' ? oauth.ClientSecretJwt : oauth.ClientSecretBasic;
      const tokenWith = async (secret: string) => {
        const execute = [oauth.allowInsecureRequests];
        const configuration = await oauth.discovery(
          new URL(keyturn.issuer),
          clientId,
          undefined,
          method(secret),
          { execute },
        );
        return oauth.clientCredentialsGrant(configuration);
      };
      await tokenWith(added.secret);
      const rolled = (await keyturn.services.clients.rollSecret(clientId)).secret.reveal();
      await tokenWith(added.secret);
      await tokenWith(rolled);
      await keyturn.services.clients.retireOldSecret(clientId);
      await tokenWith(rolled);
      await assert.rejects(tokenWith(added.secret), { status: 401 });
    }
  });

  test('a client that is registered anew under the identifier of a removed one is another client, without its tokens', async () => {
    const registration = {
      grantTypes: ['authorization_code', 'refresh_token'],
      scope: 'openid',
      clientId: 'app',
    } as const;
    const before = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ ...registration, grantTypes: [...registration.grantTypes] }),
    );
    const tokens = await before.signIn(new Person(), ada, { scope: 'openid' });
    await keyturn.services.clients.remove('app');
    // Time goes by in whole seconds here.
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 1000 });
    try {
      const anew = await RelyingParty.discover(
        keyturn,
        await keyturn.addClient({ ...registration, grantTypes: [...registration.grantTypes] }),
      );
      for (const token of [tokens.access_token, tokens.refresh_token ?? ''])
        assert.equal((await anew.introspect(token)).active, false);
      await assert.rejects(anew.refresh(tokens.refresh_token ?? ''), { error: 'invalid_grant' });
      const own = await anew.signIn(new Person(), ada, { scope: 'openid' });
      assert.equal((await anew.introspect(own.access_token)).active, true);
    } finally {
      mock.timers.reset();
    }
  });

  test('the tokens of a client that has been removed are not active', async () => {
    const added = await keyturn.addClient({
      grantTypes: ['client_credentials'],
      redirectUris: [],
      scope: 'read',
    });
    const gone = await RelyingParty.discover(keyturn, added);
    const { access_token: token } = await oauth.clientCredentialsGrant(gone.configuration, { scope: 'read' });
    assert.equal((await api.introspect(token)).active, true);
    await keyturn.services.clients.remove(added.client.clientId);
    assert.deepEqual(await api.introspect(token), { active: false });
    await assert.rejects(oauth.clientCredentialsGrant(gone.configuration), { status: 401 });
  });
});
