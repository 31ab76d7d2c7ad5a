import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt, exportJWK, generateKeyPair } from 'jose';
import * as oauth from 'openid-client';
import { CIBA_GRANT } from '#src/clients/backchannel-delivery.ts';
import type { ClientRegistration } from '#src/clients/client.ts';
import { TOKEN_EXCHANGE_GRANT } from '#src/clients/token-exchange-policy.ts';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { publish } from '#test/support/published.ts';
import { startReceiver } from '#test/support/receiver.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const API = 'https://api.example.com';
const SCOPE = 'openid email offline_access read';

describe('pairwise subjects (OpenID Connect Core section 8.1)', () => {
  let keyturn: Keyturn;
  let api: RelyingParty;
  let account: string;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere({
      KEYTURN_ALLOW_PRIVATE_NETWORK: 'true',
      KEYTURN_BACKCHANNEL_ENABLED: 'true',
    });
    const added = await keyturn.addAccount('ada');
    ada.password = added.password;
    account = added.account.subject;
    const { resourceServer, secret } = await keyturn.addResourceServer({ identifier: API });
    const client = {
      clientId: resourceServer.clientId,
      authenticationMethod: 'client_secret_basic',
    } as const;
    api = await RelyingParty.discover(keyturn, { client, secret });
  });
  after(() => keyturn[Symbol.asyncDispose]());

  /** A client whose redirect URI is on a host of its own, which nobody has to reach in a test. */
  async function pairwise(host: string, more: Partial<ClientRegistration> = {}) {
    const redirectUri = `https://${host}/callback`;
    const added = await keyturn.addClient({
      scope: SCOPE,
      redirectUris: [redirectUri],
      ...more,
      metadata: { subject_type: 'pairwise', ...more.metadata },
    });
    return { party: await RelyingParty.discover(keyturn, added), redirectUri, added };
  }

  async function signIn(
    { party, redirectUri }: Awaited<ReturnType<typeof pairwise>>,
    parameters: Record<string, string> = {},
    person = new Person(),
  ) {
    const tokens = await party.signIn(person, ada, {
      scope: 'openid email read',
      redirect_uri: redirectUri,
      ...parameters,
    });
    return { tokens, sub: tokens.claims()?.sub ?? '' };
  }

  test('an account is somebody else to each sector, and the same to the clients of one', async () => {
    const one = await signIn(await pairwise('a.example.com'));
    const same = await signIn(await pairwise('a.example.com'));
    const other = await signIn(await pairwise('b.example.com'));
    assert.equal(one.sub, same.sub);
    assert.notEqual(one.sub, other.sub);
    for (const { sub } of [one, other]) assert.notEqual(sub, account);
    const { party } = await pairwise('c.example.com', { metadata: { subject_type: 'public' } });
    const open = await signIn({ party, redirectUri: 'https://c.example.com/callback' } as never);
    assert.equal(open.sub, account, 'others go on knowing the account as before');
  });

  test('every answer to a client says the same subject, and none says the account’s own', async () => {
    const client = await pairwise('all.example.com');
    const { tokens, sub } = await signIn(client);
    const { configuration } = client.party;
    const about = await oauth.fetchUserInfo(configuration, tokens.access_token, sub);
    const refreshed = await client.party.refresh(tokens.refresh_token ?? '');
    const said = [
      about.sub,
      decodeJwt(tokens.access_token).sub,
      decodeJwt(refreshed.access_token).sub,
      refreshed.claims()?.sub,
      (await client.party.introspect(tokens.access_token)).sub,
      (await client.party.introspect(refreshed.refresh_token ?? '')).sub,
      (await api.introspect(tokens.access_token)).sub,
    ];
    assert.deepEqual([...new Set(said)], [sub]);
    const jwts = [tokens.access_token, tokens.id_token, tokens.refresh_token, refreshed.access_token];
    for (const jwt of jwts) {
      assert.ok(!JSON.stringify(decodeJwt(jwt ?? '')).includes(account));
    }
  });

  test('so does an opaque access token at introspection', async () => {
    const identifier = 'https://opaque.example.com';
    const { resourceServer, secret } = await keyturn.addResourceServer({
      identifier,
      tokenFormat: 'opaque',
      scope: ['look'],
    });
    const opaqueApi = await RelyingParty.discover(keyturn, {
      client: { clientId: resourceServer.clientId, authenticationMethod: 'client_secret_basic' },
      secret,
    });
    const client = await pairwise('opaque-client.example.com', { scope: 'openid look' });
    const { tokens, sub } = await signIn(client, { scope: 'openid look' });
    assert.equal((await opaqueApi.introspect(tokens.access_token)).sub, sub);
  });

  test('it is the same after a restart, and after the signing keys changed', async () => {
    const client = await pairwise('steady.example.com');
    const { sub } = await signIn(client);
    await keyturn.restart();
    await keyturn.services.rotation.rotate();
    assert.equal((await signIn(client)).sub, sub);
  });

  test('what ends the sign-in ends the tokens: their standing asks for the account itself', async () => {
    const client = await pairwise('ended.example.com');
    const { password, account: bob } = await keyturn.addAccount('bob');
    const tokens = await client.party.signIn(
      new Person(),
      { login: 'bob', password },
      {
        scope: 'openid read',
        redirect_uri: client.redirectUri,
      },
    );
    assert.equal((await api.introspect(tokens.access_token)).active, true);
    await keyturn.services.accounts.lock(bob.subject);
    assert.equal((await api.introspect(tokens.access_token)).active, false);
    await assert.rejects(client.party.refresh(tokens.refresh_token ?? ''), { error: 'invalid_grant' });
  });

  test('an ID token with such a subject is a good hint of its own session, and of no other', async () => {
    const client = await pairwise('hint.example.com');
    const person = new Person();
    const { tokens } = await signIn(client, {}, person);
    const hint = { prompt: 'none', redirect_uri: client.redirectUri, id_token_hint: tokens.id_token ?? '' };
    const { url } = await client.party.request({ ...hint, scope: 'openid' });
    assert.ok((await person.visit(url)).leftTo?.searchParams.get('code'));
    await keyturn.addAccount('carol');
    const other = new Person();
    const carol = { login: 'carol', password: ada.password };
    await client.party.signIn(other, carol, { scope: 'openid', redirect_uri: client.redirectUri });
    const refused = await other.visit((await client.party.request({ ...hint, scope: 'openid' })).url);
    assert.equal(refused.leftTo?.searchParams.get('error'), 'login_required');
  });

  test('exchanged for another token (RFC 8693), it is known to the other client as that one knows it', async () => {
    const from = await pairwise('front.example.com');
    const { tokens, sub } = await signIn(from, { resource: API });
    const target = 'https://orders.example.com';
    const { resourceServer } = await keyturn.addResourceServer({ identifier: target, scope: ['read'] });
    const gateway = await keyturn.addClient({
      grantTypes: [TOKEN_EXCHANGE_GRANT, 'authorization_code'],
      redirectUris: ['https://gateway.example.com/callback'],
      scope: 'openid read',
      metadata: { subject_type: 'pairwise' },
      tokenExchange: { from: [API], to: [resourceServer.identifier], semantics: ['impersonation'] },
    });
    const party = await RelyingParty.discover(keyturn, gateway);
    const exchanged = await oauth.genericGrantRequest(party.configuration, TOKEN_EXCHANGE_GRANT, {
      subject_token: tokens.access_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      resource: target,
    });
    const { sub: known } = decodeJwt(exchanged.access_token);
    assert.notEqual(known, sub);
    assert.notEqual(known, account);
    const own = await party.signIn(new Person(), ada, {
      scope: 'openid',
      redirect_uri: 'https://gateway.example.com/callback',
    });
    assert.equal(known, own.claims()?.sub);
  });

  test('applications on the loopback interface share no sector, though they share its host', async () => {
    const subs = await Promise.all(
      [1, 2].map(async () => {
        const added = await keyturn.addClient({ metadata: { subject_type: 'pairwise' } });
        const party = await RelyingParty.discover(keyturn, added);
        const tokens = await party.signIn(new Person(), ada, { redirect_uri: CALLBACK });
        return tokens.claims()?.sub;
      }),
    );
    assert.notEqual(subs[0], subs[1]);
  });

  test('a client that is told of a sign-out is told of the subject that it knows (Back-Channel Logout section 2.4)', async () => {
    await using receiver = await startReceiver();
    const client = await pairwise('told.example.com', {
      metadata: { backchannel_logout_uri: `${receiver.origin}/logout` },
    });
    const person = new Person();
    const { tokens, sub } = await signIn(client, { scope: 'openid' }, person);
    const hint = new URLSearchParams({ id_token_hint: tokens.id_token ?? '' });
    await person.submit(await person.visit(`${keyturn.issuer}/logout?${hint}`), '/logout/confirm');
    const logoutToken = new URLSearchParams((await receiver.next()).body).get('logout_token') ?? '';
    assert.equal(decodeJwt(logoutToken).sub, sub);
    assert.ok(!JSON.stringify(decodeJwt(logoutToken)).includes(account));
  });

  test('a client may ask for the person of an ID token elsewhere, though its sub leads to no account (CIBA section 7.1)', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const jwk = { ...(await exportJWK(publicKey)), alg: 'ES256', use: 'sig' };
    await using keys = await publish(JSON.stringify({ keys: [jwk] }));
    const sector_identifier_uri = 'https://bank.example.com/sector.json';
    const { client } = await keyturn.addClient({
      scope: 'openid',
      grantTypes: ['authorization_code', CIBA_GRANT],
      authenticationMethod: 'private_key_jwt',
      jwksUri: keys.url,
      metadata: { subject_type: 'pairwise', sector_identifier_uri, backchannel_token_delivery_mode: 'poll' },
    });
    // Nobody can be asked at that address: the sector has confirmed the client before.
    const id = JSON.stringify([sector_identifier_uri, [CALLBACK], keys.url]);
    await keyturn.services.store.records.put({
      kind: 'sector',
      id: client.clientId,
      value: { id, confirmedAt: 0 },
      expiresAt: null,
    });
    const configuration = await oauth.discovery(
      new URL(keyturn.issuer),
      client.clientId,
      { id_token_signed_response_alg: 'ES256' },
      oauth.PrivateKeyJwt(privateKey),
      { execute: [oauth.allowInsecureRequests] },
    );
    const pkceCodeVerifier = oauth.randomPKCECodeVerifier();
    const url = oauth.buildAuthorizationUrl(configuration, {
      redirect_uri: CALLBACK,
      scope: 'openid',
      code_challenge: await oauth.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    });
    const callback = await new Person().authorize(url, ada);
    const tokens = await oauth.authorizationCodeGrant(configuration, callback, { pkceCodeVerifier });
    assert.notEqual(tokens.claims()?.sub, account);
    const id_token_hint = tokens.id_token ?? '';
    const begun = await oauth.initiateBackchannelAuthentication(configuration, {
      scope: 'openid',
      id_token_hint,
    });
    assert.ok(begun.auth_req_id);
    const lines = keyturn.logged.map((line) => JSON.parse(line) as { msg: string; subject?: string });
    const asked = lines.filter(({ msg }) => msg === 'backchannel authentication request');
    assert.deepEqual(
      asked.map(({ subject }) => subject),
      [account],
    );
  });

  test('a client whose sector does not confirm it is not served, and its people are told nothing of themselves', async () => {
    const client = await pairwise('apart.example.com', {
      metadata: { sector_identifier_uri: 'https://127.0.0.1:1/sector.json' },
    });
    const { url } = await client.party.request({ redirect_uri: client.redirectUri });
    const { response, leftTo } = await new Person().visit(url);
    assert.equal(leftTo, null);
    assert.equal(response.status, 400);
  });
});
