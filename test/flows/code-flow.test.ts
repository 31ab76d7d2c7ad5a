import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import * as oauth from 'openid-client';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { allAtOnce, rawRequest } from '#test/support/raw-http.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

describe('authorization code flow with PKCE (RFC 6749 section 4.1, RFC 7636)', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let api: RelyingParty;
  let added: Awaited<ReturnType<Keyturn['addClient']>>;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    added = await keyturn.addClient({ scope: 'openid profile email offline_access read write' });
    web = await RelyingParty.discover(keyturn, added);
    const { resourceServer, secret } = await keyturn.addResourceServer();
    api = await RelyingParty.discover(keyturn, {
      client: { clientId: resourceServer.clientId, authenticationMethod: 'client_secret_basic' },
      secret,
    });
  });
  after(() => keyturn[Symbol.asyncDispose]());

  test('a person signs in, consents, and the client gets an ID token, a JWT access token and a refresh token', async () => {
    const tokens = await web.signIn(new Person(), ada, {
      scope: 'openid profile email read',
      resource: 'https://api.example.com',
    });
    assert.equal(decodeProtectedHeader(tokens.access_token).typ, 'at+jwt');
    assert.equal(tokens.expires_in, 300);
    assert.ok(tokens.refresh_token);
    assert.equal(tokens.claims()?.preferred_username, 'ada');
  });

  test('an API verifies the access token by the JWKS alone (RFC 9068 section 4)', async () => {
    const tokens = await web.signIn(
      new Person(),
      ada,
      { scope: 'openid read', resource: 'https://api.example.com' },
      { resource: 'https://api.example.com' },
    );
    const jwks = createRemoteJWKSet(new URL(`${keyturn.issuer}/jwks`));
    const { payload } = await jwtVerify(tokens.access_token, jwks, {
      issuer: keyturn.issuer,
      audience: 'https://api.example.com',
      typ: 'at+jwt',
    });
    assert.equal(payload.scope, 'read');
    assert.equal(payload.aud, 'https://api.example.com');
    assert.equal(payload.sub, tokens.claims()?.sub);
  });

  test('a token asked for without a resource is good for userinfo as well (OpenID Connect Core section 5.3)', async () => {
    const tokens = await web.signIn(new Person(), ada, { scope: 'openid email read' });
    assert.deepEqual(decodeJwt(tokens.access_token).aud, ['https://api.example.com', keyturn.issuer]);
    const sub = tokens.claims()?.sub ?? '';
    const userinfo = await oauth.fetchUserInfo(web.configuration, tokens.access_token, sub);
    assert.deepEqual(userinfo, { sub, email: 'ada@example.com', email_verified: false });
    assert.equal((await api.introspect(tokens.access_token)).active, true);
  });

  test('openid alone gives a JWT for userinfo', async () => {
    const tokens = await web.signIn(new Person(), ada, { scope: 'openid profile' });
    assert.equal(decodeJwt(tokens.access_token).aud, keyturn.issuer);
    assert.equal(tokens.claims()?.preferred_username, 'ada', 'the ID token tells as much');
    const sub = tokens.claims()?.sub ?? '';
    const userinfo = await oauth.fetchUserInfo(web.configuration, tokens.access_token, sub);
    assert.equal(userinfo.preferred_username, 'ada');
    assert.equal((await api.introspect(tokens.access_token)).active, false);
  });

  test('a code redeemed twice is refused, and the tokens of the first time end (RFC 6749 section 4.1.2)', async () => {
    const { url, checks } = await web.request({ scope: 'openid' });
    const callback = await new Person().authorize(url, ada);
    const tokens = await web.redeem(callback, checks);
    await assert.rejects(web.redeem(callback, checks), { error: 'invalid_grant' });
    assert.equal((await web.introspect(tokens.access_token)).active, false);
    assert.ok(tokens.refresh_token);
    await assert.rejects(web.refresh(tokens.refresh_token), { error: 'invalid_grant' });
  });

  test('a code redeemed fifty times at once yields one token response (RFC 6749 section 4.1.2)', async () => {
    const { url, checks } = await web.request({ scope: 'openid' });
    const callback = await new Person().authorize(url, ada);
    const body = new URLSearchParams({
      grant_type: 'authorization_code',
      code: callback.searchParams.get('code') ?? '',
      redirect_uri: CALLBACK,
      code_verifier: checks.pkceCodeVerifier,
    });
    const request = rawRequest(
      'POST /token',
      {
        Authorization: `Basic ${btoa(`${added.client.clientId}:${added.secret}`)}`,
        'Content-Type': 'application/x-www-form-urlencoded',
      },
      body.toString(),
    );
    const answers = await allAtOnce(keyturn.issuer, request, 50);
    const refused = answers.filter(({ status }) => status !== 200);
    assert.equal(answers.length, 50);
    assert.equal(refused.length, 49);
    for (const answer of refused) assert.equal(JSON.parse(answer.body).error, 'invalid_grant');
  });

  test('what a person agreed to is not asked again, not even after the tokens were revoked', async () => {
    const person = new Person();
    const tokens = await web.signIn(person, ada, { scope: 'openid profile' });
    assert.ok(tokens.refresh_token);
    await web.revoke(tokens.refresh_token);
    const { url } = await web.request({ scope: 'openid profile', prompt: 'none' });
    const { leftTo } = await person.visit(url);
    assert.ok(leftTo?.searchParams.has('code'), String(leftTo));
  });
});
