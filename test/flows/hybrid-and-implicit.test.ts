import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oauth from 'openid-client';
import { answerTo, claimsIn, readAnswer } from '#test/support/answer.ts';
import { ask } from '#test/support/asking.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

const CALLBACK = 'https://app.example.com/callback';
const ALL = ['code', 'code id_token', 'id_token', 'code token', 'code id_token token', 'id_token token'];
const API = 'https://api.example.com';

describe('hybrid and implicit responses (OpenID Connect Core sections 3.2 and 3.3)', () => {
  let keyturn: Keyturn;
  let party: RelyingParty;
  let clientId: string;
  let api: RelyingParty;
  let keys: ReturnType<typeof createRemoteJWKSet>;
  const ada = { login: 'ada', password: '' };

  const registration = (response_types: readonly string[]) => ({
    name: 'Legacy',
    redirectUris: [CALLBACK],
    grantTypes: [
      ...(response_types.some((type) => type.includes('code'))
        ? ['authorization_code', 'refresh_token']
        : []),
      'implicit',
    ] as never,
    scope: 'openid profile email read',
    metadata: { response_types: [...response_types] },
  });

  before(async () => {
    keyturn = await startKeyturnHere({
      KEYTURN_REQUESTS_OTHER_RESPONSE_TYPES: ALL.slice(1).join(','),
      KEYTURN_REQUESTS_WEB_MESSAGE: 'true',
    });
    ada.password = (await keyturn.addAccount('ada')).password;
    api = await RelyingParty.discoverApi(keyturn, await keyturn.addResourceServer());
    const added = await keyturn.addClient(registration(ALL));
    clientId = added.client.clientId;
    party = await RelyingParty.discover(keyturn, added);
    keys = createRemoteJWKSet(new URL(`${keyturn.issuer}/jwks`));
  });
  after(() => stopFaultless(keyturn));

  async function answer(
    response_type: string,
    parameters: Record<string, string> = {},
    person = new Person(),
  ) {
    const { url, checks } = await party.request({ redirect_uri: CALLBACK, response_type, ...parameters });
    return { ...(await answerTo(person, url, ada)), checks };
  }

  /** The left half of the hash: OpenID Connect Core section 3.3.2.11. */
  const halfHash = (text: string | undefined) =>
    createHash('sha256')
      .update(text ?? '')
      .digest()
      .subarray(0, 16)
      .toString('base64url');

  test('each response type is answered with its parts, in the fragment (Multiple Response Types section 5)', async () => {
    for (const type of ALL) {
      const { mode, to, fields, checks } = await answer(type);
      assert.equal(mode, type === 'code' ? 'query' : 'fragment', type);
      assert.equal(to, CALLBACK);
      const has = (name: string) => name in fields;
      assert.deepEqual(
        [has('code'), has('id_token'), has('access_token')],
        [type.includes('code'), type.includes('id_token'), /(^| )token/.test(type)],
        type,
      );
      assert.equal(fields.iss, keyturn.issuer, 'RFC 9207 section 2');
      assert.equal(fields.state, checks.expectedState);
      assert.equal(fields.refresh_token, undefined);
    }
  });

  test('the ID token vouches for what it comes with (Core sections 3.2.2.10 and 3.3.2.11)', async () => {
    for (const type of ALL.filter((each) => each.includes('id_token'))) {
      const { fields, checks } = await answer(type);
      const { payload } = await jwtVerify(fields.id_token ?? '', keys, {
        issuer: keyturn.issuer,
        audience: clientId,
      });
      assert.equal(payload.nonce, checks.expectedNonce);
      assert.equal(payload.c_hash, fields.code && halfHash(fields.code), type);
      assert.equal(payload.at_hash, fields.access_token && halfHash(fields.access_token), type);
    }
  });

  test('a client on openid-client checks it and redeems the code', async () => {
    const hybrid = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient(registration(['code id_token'])),
    );
    oauth.useCodeIdTokenResponseType(hybrid.configuration);
    const { url, checks } = await hybrid.request({ redirect_uri: CALLBACK });
    const { visit } = await answerTo(new Person(), url, ada);
    const tokens = await hybrid.redeem(visit.leftTo as URL, checks);
    assert.ok(tokens.access_token && tokens.id_token);
  });

  test('in the browser an ID token says who, and no more where the rest can be fetched (Core section 5.4)', async () => {
    const scope = 'openid profile email';
    const { fields } = await answer('code id_token', { scope });
    assert.equal(claimsIn(fields.id_token).email, undefined);
    const alone = await answer('id_token', { scope });
    assert.equal(claimsIn(alone.fields.id_token).email, 'ada@example.com');
    const asked = await answer('code id_token', { claims: JSON.stringify({ id_token: { email: null } }) });
    assert.equal(claimsIn(asked.fields.id_token).email, 'ada@example.com');
  });

  test('an access token from here stands, for userinfo and for an API, until its person signs out', async () => {
    for (const type of ['id_token token', 'code token']) {
      const { fields } = await answer(type, { scope: 'openid read', resource: API });
      const token = fields.access_token ?? '';
      assert.equal((await api.introspect(token)).active, true, type);
      const claims = claimsIn(token);
      assert.equal(typeof claims.auth_time, 'number');
      assert.equal(fields.token_type, 'Bearer');
      assert.ok(Number(fields.expires_in) > 0);
    }
    const { fields } = await answer('id_token token', { scope: 'openid email' });
    const info = await oauth.fetchUserInfo(
      party.configuration,
      fields.access_token ?? '',
      String(claimsIn(fields.id_token).sub),
    );
    assert.equal(info.email, 'ada@example.com');
  });

  test('revoking a token from here ends it (RFC 7009 section 2)', async () => {
    const { fields } = await answer('id_token token', { scope: 'openid read', resource: API });
    await party.revoke(fields.access_token ?? '');
    assert.equal((await api.introspect(fields.access_token ?? '')).active, false);
  });

  test('a code needs PKCE with any response type (RFC 9700 section 2.1.1)', async () => {
    for (const type of ALL.filter((each) => each.includes('code'))) {
      const refused = readAnswer(
        await ask(party, {
          redirect_uri: CALLBACK,
          response_type: type,
          code_challenge: undefined,
          code_challenge_method: undefined,
        }),
      );
      assert.equal(refused.fields.error, 'invalid_request', type);
      assert.equal(refused.mode, type === 'code' ? 'query' : 'fragment');
    }
  });

  test('an ID token from here needs a nonce, and the scope openid (Core sections 3.2.2.1 and 3.3.2.1)', async () => {
    for (const type of ALL.filter((each) => each.includes('id_token'))) {
      for (const change of [{ nonce: undefined }, { scope: 'read', resource: API, nonce: 'n' }]) {
        const refused = readAnswer(
          await ask(party, { redirect_uri: CALLBACK, response_type: type, ...change }),
        );
        assert.equal(refused.fields.error, 'invalid_request', `${type} ${JSON.stringify(change)}`);
      }
    }
  });

  test('nothing of this travels in the query (Multiple Response Types section 3)', async () => {
    for (const type of ALL.slice(1)) {
      const { leftTo } = await ask(party, {
        redirect_uri: CALLBACK,
        response_type: type,
        response_mode: 'query',
      });
      assert.match(leftTo?.href ?? '', /error=invalid_request/);
    }
    for (const mode of ['form_post', 'web_message'])
      assert.equal((await answer('code id_token', { response_mode: mode })).mode, mode);
    const jarm = await answer('code id_token', { response_mode: 'jwt' });
    assert.equal(jarm.mode, 'fragment');
    assert.deepEqual(Object.keys(jarm.fields), ['response']);
  });

  test('the person consents as ever, and declines as ever', async () => {
    const person = new Person();
    const fresh = await RelyingParty.discover(keyturn, await keyturn.addClient(registration(['id_token'])));
    const { url } = await fresh.request({ redirect_uri: CALLBACK, response_type: 'id_token' });
    const consent = await person.submit(await person.visit(url), '/sign-in', ada);
    assert.match(consent.html, /\/consent"/);
    const declined = readAnswer(await person.submit(consent, '/cancel'));
    assert.equal(declined.mode, 'fragment');
    assert.equal(declined.fields.error, 'access_denied');
    const silent = await fresh.request({ redirect_uri: CALLBACK, response_type: 'id_token', prompt: 'none' });
    assert.equal(readAnswer(await person.visit(silent.url)).fields.error, 'consent_required');
  });

  test('a client is answered with what it has registered, whatever the order of the words', async () => {
    const only = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient(registration(['id_token code'])),
    );
    const { url } = await only.request({ redirect_uri: CALLBACK, response_type: 'code id_token' });
    assert.ok((await answerTo(new Person(), url, ada)).fields.id_token);
    for (const type of ['id_token', 'code token', 'code']) {
      const refused = readAnswer(await ask(only, { redirect_uri: CALLBACK, response_type: type }));
      assert.equal(refused.fields.error, 'invalid_request', type);
    }
  });

  test('what does not go together is refused at registration (OpenID Connect Registration section 2)', async () => {
    for (const change of [
      { redirectUris: ['http://localhost:4000/callback'] },
      { grantTypes: ['authorization_code'] as never },
      { grantTypes: ['implicit'] as never },
      { metadata: { response_types: ['token'] } },
      { metadata: { response_types: ['code nonsense'] } },
      { metadata: {} },
    ])
      await assert.rejects(
        keyturn.addClient({ ...registration(ALL), ...change }),
        { code: 'invalid_client_metadata' },
        JSON.stringify(change),
      );
    await keyturn.addClient({
      ...registration(['id_token']),
      grantTypes: ['implicit'] as never,
      authenticationMethod: 'none',
      scope: 'openid',
    });
  });

  test('without the setting there is none of it, at registration, at the endpoint and in the metadata', async () => {
    await using plain = await startKeyturnHere();
    for (const type of ALL.slice(1))
      await assert.rejects(plain.addClient(registration([type])), { code: 'invalid_client_metadata' });
    const other = await RelyingParty.discover(plain, await plain.addClient());
    for (const type of ALL.slice(1)) {
      const refused = readAnswer(await ask(other, { response_type: type }));
      assert.equal(refused.fields.error, 'unsupported_response_type', type);
    }
    const document = await fetch(`${plain.issuer}/.well-known/openid-configuration`);
    const metadata = (await document.json()) as Record<string, string[]>;
    assert.deepEqual(metadata.response_types_supported, ['code']);
    assert.ok(!metadata.grant_types_supported?.includes('implicit'));
  });

  test('the metadata says which there are (Discovery section 3)', async () => {
    const document = await fetch(`${keyturn.issuer}/.well-known/openid-configuration`);
    const metadata = (await document.json()) as Record<string, string[]>;
    assert.deepEqual(metadata.response_types_supported?.toSorted(), ALL.toSorted());
    assert.ok(metadata.grant_types_supported?.includes('implicit'));
  });

  test('a client keeps working for what is left when the setting is taken back', async () => {
    await using directory = await makeTemporaryDirectory();
    const place = {
      KEYTURN_STORE: `sqlite:${directory.path}/keyturn.db`,
      KEYTURN_KEYS_DIR: `${directory.path}/keys`,
    };
    const before = await startKeyturnHere({
      ...place,
      KEYTURN_REQUESTS_OTHER_RESPONSE_TYPES: 'code id_token',
    });
    const added = await before.addClient(registration(['code', 'code id_token']));
    const { password } = await before.addAccount('ada');
    await before[Symbol.asyncDispose]();
    await using later = await startKeyturnHere(place);
    const web = await RelyingParty.discover(later, added);
    const { url } = await web.request({ redirect_uri: CALLBACK });
    assert.ok((await answerTo(new Person(), url, { login: 'ada', password })).fields.code);
    const hybrid = await web.request({ redirect_uri: CALLBACK, response_type: 'code id_token' });
    const refused = await answerTo(new Person(), hybrid.url);
    assert.equal(refused.fields.error, 'unsupported_response_type');
  });
});
