import assert from 'node:assert/strict';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair } from 'jose';
import * as oauth from 'openid-client';
import { proofBy } from '#test/support/dpop-proof.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;

describe('tokens that are bound to a key (RFC 9449)', () => {
  let keyturn: Keyturn;
  let spa: RelyingParty;
  let web: RelyingParty;
  const ada = { login: 'ada', password: '' };
  const keys = new Map<oauth.DPoPHandle, KeyPair>();

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    spa = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ name: 'SPA', authenticationMethod: 'none', scope: 'openid' }),
    );
    web = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid' }));
    await keyturn.addResourceServer();
  });
  afterEach(() => mock.timers.reset());
  after(() => stopFaultless(keyturn));

  async function newHandle(party: RelyingParty): Promise<oauth.DPoPHandle> {
    const pair = await oauth.randomDPoPKeyPair('ES256', { extractable: true });
    const handle = oauth.getDPoPHandle(party.configuration, pair);
    keys.set(handle, pair);
    return handle;
  }

  async function signIn(
    party: RelyingParty,
    DPoP: oauth.DPoPHandle,
    parameters: Record<string, string> = {},
  ) {
    const { url, checks } = await party.request(parameters);
    const callback = await new Person().authorize(url, ada);
    return oauth.authorizationCodeGrant(party.configuration, callback, checks, undefined, { DPoP });
  }

  async function thumbprint(handle: oauth.DPoPHandle): Promise<string> {
    return calculateJwkThumbprint(await exportJWK((keys.get(handle) as KeyPair).publicKey));
  }

  /** A proof for the token endpoint, with anything about it changed. */
  const proof = (pair: KeyPair, claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
    proofBy(pair, { htm: 'POST', htu: `${keyturn.issuer}/token`, ...claims }, header);

  const hashOf = async (token: string) =>
    Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(token))).toString('base64url');

  const userinfo = (headers: Record<string, string>) => fetch(`${keyturn.issuer}/userinfo`, { headers });

  test('the token names the key, userinfo wants a proof by it, and refreshing keeps it', async () => {
    for (const party of [spa, web]) {
      const handle = await newHandle(party);
      const tokens = await signIn(party, handle);
      assert.equal(tokens.token_type, 'dpop');
      assert.deepEqual(decodeJwt(tokens.access_token).cnf, { jkt: await thumbprint(handle) });
      const sub = tokens.claims()?.sub ?? '';
      assert.equal(
        (await oauth.fetchUserInfo(party.configuration, tokens.access_token, sub, { DPoP: handle })).sub,
        sub,
      );
      const refreshed = await oauth.refreshTokenGrant(
        party.configuration,
        tokens.refresh_token ?? '',
        undefined,
        { DPoP: handle },
      );
      assert.deepEqual(decodeJwt(refreshed.access_token).cnf, { jkt: await thumbprint(handle) });
      await oauth.fetchUserInfo(party.configuration, refreshed.access_token, sub, { DPoP: handle });
    }
  });

  test('introspection tells the key (RFC 9449 section 6.2)', async () => {
    const handle = await newHandle(web);
    const tokens = await signIn(web, handle);
    const answer = await web.introspect(tokens.access_token);
    assert.equal(answer.token_type, 'DPoP');
    assert.deepEqual(answer.cnf, { jkt: await thumbprint(handle) });
  });

  test('without a proof, or with one by another key, the token is worth nothing (RFC 9449 section 7.1)', async () => {
    const handle = await newHandle(spa);
    const { access_token: token } = await signIn(spa, handle);
    const pair = keys.get(handle) as KeyPair;
    const ath = await hashOf(token);
    const good = { htm: 'GET', htu: `${keyturn.issuer}/userinfo`, ath };
    const stranger = await oauth.randomDPoPKeyPair('ES256', { extractable: true });
    assert.equal(
      (await userinfo({ authorization: `DPoP ${token}`, dpop: await proof(pair, good) })).status,
      200,
    );
    for (const [what, headers] of Object.entries({
      'as a bearer token': { authorization: `Bearer ${token}` },
      'as a bearer token with a proof': { authorization: `Bearer ${token}`, dpop: await proof(pair, good) },
      'no proof': { authorization: `DPoP ${token}` },
      'another key': { authorization: `DPoP ${token}`, dpop: await proof(stranger, good) },
      'another token': { authorization: `DPoP ${token}`, dpop: await proof(pair, { ...good, ath: 'x' }) },
      'no token hash': {
        authorization: `DPoP ${token}`,
        dpop: await proof(pair, { ...good, ath: undefined }),
      },
      'another method': { authorization: `DPoP ${token}`, dpop: await proof(pair, { ...good, htm: 'POST' }) },
      'another address': {
        authorization: `DPoP ${token}`,
        dpop: await proof(pair, { ...good, htu: 'https://evil.example/userinfo' }),
      },
      'not a proof': { authorization: `DPoP ${token}`, dpop: 'nonsense' },
      'an empty proof': { authorization: `DPoP ${token}`, dpop: '..' },
      'the token itself': { authorization: `DPoP ${token}`, dpop: token },
    })) {
      const { status } = await refusalOf(await userinfo(headers));
      assert.ok(status === 401 || status === 400, `${what} ${status}`);
    }
  });

  test('a proof is good once, for one request, for a short time (RFC 9449 sections 4.3 and 11.1)', async () => {
    const { url, checks } = await spa.request();
    const callback = await new Person().authorize(url, ada);
    const pair = await oauth.randomDPoPKeyPair('ES256', { extractable: true });
    const redeem = (dpop: string) =>
      fetch(`${keyturn.issuer}/token`, {
        method: 'POST',
        headers: { dpop },
        body: new URLSearchParams({
          grant_type: 'authorization_code',
          client_id: spa.configuration.clientMetadata().client_id,
          code: callback.searchParams.get('code') ?? '',
          redirect_uri: 'http://127.0.0.1:4000/callback',
          code_verifier: checks.pkceCodeVerifier,
        }),
      });
    const now = Math.floor(Date.now() / 1000);
    const privateJwk = await exportJWK(pair.privateKey);
    const rsa = await generateKeyPair('RS256', { extractable: true });
    for (const [what, dpop] of Object.entries({
      old: await proof(pair, { iat: now - 3_600 }),
      'from the future': await proof(pair, { iat: now + 3_600 }),
      'no time': await proof(pair, { iat: undefined }),
      'no identifier': await proof(pair, { jti: undefined }),
      'odd identifier': await proof(pair, { jti: { a: 1 } }),
      'another address': await proof(pair, { htu: `${keyturn.issuer}/userinfo` }),
      'another method': await proof(pair, { htm: 'GET' }),
      'another type': await proof(pair, {}, { typ: 'JWT' }),
      'a private key in it': await proof(pair, {}, { jwk: privateJwk }),
      'no key': await proof(pair, {}, { jwk: undefined }),
      'odd key': await proof(pair, {}, { jwk: { kty: 'oct', k: 'AAAA' } }),
      "another's key": await proof(pair, {}, { jwk: await exportJWK(rsa.publicKey) }),
      unsigned: `${(await proof(pair)).split('.').slice(0, 2).join('.')}.`,
      nonsense: 'x',
      'two of them': `${await proof(pair)}, ${await proof(pair)}`,
    })) {
      assert.deepEqual(
        await refusalOf(await redeem(dpop)),
        { status: 400, error: 'invalid_dpop_proof' },
        what,
      );
    }
    const used = await proof(pair);
    const first = await redeem(used);
    assert.equal(first.status, 200, 'none of them used the code up');
    const { refresh_token: refreshToken } = (await first.json()) as { refresh_token: string };
    const refresh = (dpop: string | null) =>
      fetch(`${keyturn.issuer}/token`, {
        method: 'POST',
        ...(dpop === null ? undefined : { headers: { dpop } }),
        body: new URLSearchParams({
          grant_type: 'refresh_token',
          refresh_token: refreshToken,
          client_id: spa.configuration.clientMetadata().client_id,
        }),
      });
    const replayed = await refresh(used);
    assert.equal(replayed.status, 400, 'a proof that was used');
    await refusalOf(replayed);
    const fresh = await proof(pair);
    const racers = await Promise.all(Array.from({ length: 10 }, () => refresh(fresh)));
    assert.equal(
      racers.filter(({ status }) => status === 200).length,
      1,
      'of ten with one proof, one is served',
    );
  });

  test('a client that has registered so gets no token without a proof (RFC 9449 section 5.2)', async () => {
    const bound = await keyturn.addClient({
      grantTypes: ['client_credentials', 'authorization_code', 'refresh_token'],
      scope: 'openid read',
      metadata: { dpop_bound_access_tokens: true },
    });
    const party = await RelyingParty.discover(keyturn, bound);
    const refused = { error: 'invalid_grant' };
    await assert.rejects(oauth.clientCredentialsGrant(party.configuration, { scope: 'read' }), refused);
    const { url, checks } = await party.request();
    const callback = await new Person().authorize(url, ada);
    await assert.rejects(party.redeem(callback, checks), refused);
    const DPoP = await newHandle(party);
    const tokens = await oauth.authorizationCodeGrant(party.configuration, callback, checks, undefined, {
      DPoP,
    });
    assert.equal(tokens.token_type, 'dpop', 'and the code was not used up');
    await assert.rejects(party.refresh(tokens.refresh_token ?? ''), refused);
  });

  test('a confidential client may change its key, for its refresh token is bound to the client (RFC 9449 section 5)', async () => {
    const first = await newHandle(web);
    const tokens = await signIn(web, first);
    const second = await newHandle(web);
    const refreshed = await oauth.refreshTokenGrant(
      web.configuration,
      tokens.refresh_token ?? '',
      undefined,
      {
        DPoP: second,
      },
    );
    assert.deepEqual(decodeJwt(refreshed.access_token).cnf, { jkt: await thumbprint(second) });
  });

  test('a token that is not bound is not taken with a proof (RFC 9449 section 7.1)', async () => {
    const { access_token: token } = await web.signIn(new Person(), ada);
    const pair = await oauth.randomDPoPKeyPair('ES256', { extractable: true });
    const good = await proof(pair, {
      htm: 'GET',
      htu: `${keyturn.issuer}/userinfo`,
      ath: await hashOf(token),
    });
    const answer = await userinfo({ authorization: `DPoP ${token}`, dpop: good });
    assert.deepEqual(await refusalOf(answer), { status: 401, error: 'invalid_token' });
  });

  test('a refusal at userinfo names the scheme, and the algorithms of proofs (RFC 9449 section 7.1)', async () => {
    const bare = (await userinfo({})).headers.get('www-authenticate') ?? '';
    assert.match(bare, /Bearer .*DPoP [^,]*, algs="ES256 [^"]*EdDSA"/);
    const { access_token: token } = await signIn(spa, await newHandle(spa));
    const bearer = await userinfo({ authorization: `Bearer ${token}` });
    assert.equal(bearer.status, 401);
    const challenge = bearer.headers.get('www-authenticate') ?? '';
    assert.match(challenge, /^DPoP .*error="invalid_token".*algs="/);
  });

  test('a proof with a pushed request binds the code to its key (RFC 9449 section 10.1)', async () => {
    const push = async (handle: oauth.DPoPHandle, changes: Record<string, string> = {}) => {
      const { url, checks } = await spa.request(changes);
      const pair = keys.get(handle) as KeyPair;
      const answer = await fetch(`${keyturn.issuer}/par`, {
        method: 'POST',
        headers: { dpop: await proof(pair, { htu: `${keyturn.issuer}/par` }) },
        body: url.searchParams,
      });
      return { answer, checks };
    };
    const [right, wrong] = [await newHandle(spa), await newHandle(spa)];
    for (const [handle, works] of [
      [wrong, false],
      [right, true],
    ] as const) {
      const { answer, checks } = await push(right);
      assert.equal(answer.status, 201);
      const { request_uri } = (await answer.json()) as { request_uri: string };
      const { client_id } = spa.configuration.clientMetadata();
      const url = new URL(`${keyturn.issuer}/authorize?${new URLSearchParams({ client_id, request_uri })}`);
      const callback = await new Person().authorize(url, ada);
      const redeemed = oauth.authorizationCodeGrant(spa.configuration, callback, checks, undefined, {
        DPoP: handle,
      });
      if (works) assert.ok((await redeemed).access_token);
      else await assert.rejects(redeemed, { error: 'invalid_grant' });
    }
    const other = await push(right, { dpop_jkt: await thumbprint(wrong) });
    assert.deepEqual(await refusalOf(other.answer), { status: 400, error: 'invalid_request' });
    const forged = await fetch(`${keyturn.issuer}/par`, {
      method: 'POST',
      headers: { dpop: await proof(keys.get(right) as KeyPair) },
      body: (await spa.request()).url.searchParams,
    });
    assert.deepEqual(await refusalOf(forged), { status: 400, error: 'invalid_dpop_proof' });
  });

  test("a public client's refresh token needs a proof by its key (RFC 9449 section 5)", async () => {
    const handle = await newHandle(spa);
    const tokens = await signIn(spa, handle);
    await assert.rejects(spa.refresh(tokens.refresh_token ?? ''), { error: 'invalid_grant' });
    const other = await newHandle(spa);
    await assert.rejects(
      oauth.refreshTokenGrant(spa.configuration, tokens.refresh_token ?? '', undefined, { DPoP: other }),
      { error: 'invalid_grant' },
    );
    await oauth.refreshTokenGrant(spa.configuration, tokens.refresh_token ?? '', undefined, { DPoP: handle });
  });

  test('a request that names its key beforehand gets tokens for that key alone (RFC 9449 section 10)', async () => {
    const [right, wrong] = [await newHandle(spa), await newHandle(spa)];
    await assert.rejects(signIn(spa, wrong, { dpop_jkt: await thumbprint(right) }), {
      error: 'invalid_grant',
    });
    assert.ok((await signIn(spa, right, { dpop_jkt: await thumbprint(right) })).access_token);
  });
});
