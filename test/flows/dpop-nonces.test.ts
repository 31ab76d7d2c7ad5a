import assert from 'node:assert/strict';
import { after, afterEach, describe, mock, test } from 'node:test';
import { generateKeyPair } from 'jose';
import * as oauth from 'openid-client';
import { proofBy } from '#test/support/dpop-proof.ts';
import { CALLBACK, type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

describe('nonces of the server in proofs of DPoP (RFC 9449 sections 8 and 9)', () => {
  const running: Keyturn[] = [];
  afterEach(() => mock.timers.reset());
  after(async () => {
    for (const keyturn of running) {
      await stopFaultless(keyturn);
    }
  });

  /** A server with that setting, and a client that acts for itself with a key. */
  async function start(nonces: 'off' | 'offered' | 'required') {
    const keyturn = await startKeyturnHere({ KEYTURN_DPOP_NONCES: nonces });
    running.push(keyturn);
    await keyturn.addResourceServer();
    const { client, secret } = await keyturn.addClient({
      grantTypes: ['client_credentials', 'authorization_code'],
      scope: 'openid read',
    });
    const pair = await generateKeyPair('ES256', { extractable: true });
    const authorization = `Basic ${btoa(`${client.clientId}:${secret}`)}`;
    return { keyturn, client, pair, authorization };
  }
  type Started = Awaited<ReturnType<typeof start>>;

  const proof = ({ keyturn, pair }: Pick<Started, 'keyturn' | 'pair'>, claims: object, path = '/token') =>
    proofBy(pair, { htm: 'POST', htu: keyturn.issuer + path, ...claims });

  const ask = async (started: Started, claims: object = {}, headers: Record<string, string> = {}) =>
    fetch(`${started.keyturn.issuer}/token`, {
      method: 'POST',
      headers: { authorization: started.authorization, dpop: await proof(started, claims), ...headers },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'read' }),
    });

  /** The nonce that comes with a refusal for want of one. */
  async function nonceOf(answer: Response, status = 400): Promise<string> {
    const nonce = answer.headers.get('dpop-nonce') ?? '';
    assert.deepEqual(await refusalOf(answer), { status, error: 'use_dpop_nonce' });
    // The characters that section 8.1 allows, and enough that nobody guesses.
    assert.match(nonce, /^[\x21\x23-\x5b\x5d-\x7e]{32,}$/);
    return nonce;
  }

  test('switched off, none is sent, and none is taken', async () => {
    const started = await start('off');
    const answer = await ask(started);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get('dpop-nonce'), null);
    assert.equal((await refusalOf(await ask(started, { nonce: 'x' }))).error, 'invalid_dpop_proof');
    const old = { iat: Math.floor(Date.now() / 1000) - 3600 };
    assert.equal((await refusalOf(await ask(started, old))).error, 'invalid_dpop_proof');
  });

  test('offered, a clock that is wrong is helped, and nobody else is bothered', async () => {
    const started = await start('offered');
    const answer = await ask(started);
    assert.equal(answer.status, 200);
    assert.ok(answer.headers.get('dpop-nonce'));
    const iat = Math.floor(Date.now() / 1000) - 3600;
    const nonce = await nonceOf(await ask(started, { iat }));
    assert.equal((await ask(started, { iat, nonce })).status, 200);
  });

  test('required, a token request without one is told which, and nothing is used up (RFC 9449 section 8)', async () => {
    const { keyturn } = await start('required');
    const { password } = await keyturn.addAccount('ada');
    const spa = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ authenticationMethod: 'none', scope: 'openid' }),
    );
    const { url, checks } = await spa.request();
    const callback = await new Person().authorize(url, { login: 'ada', password });
    const pair = await generateKeyPair('ES256', { extractable: true });
    const redeem = async (claims: object) =>
      fetch(`${keyturn.issuer}/token`, {
        method: 'POST',
        headers: { dpop: await proof({ keyturn, pair }, claims), origin: new URL(CALLBACK).origin },
        body: new URLSearchParams({
          grant_type: 'authorization_code',
          client_id: spa.configuration.clientMetadata().client_id,
          code: callback.searchParams.get('code') ?? '',
          redirect_uri: CALLBACK,
          code_verifier: checks.pkceCodeVerifier,
        }),
      });
    const refused = await redeem({});
    assert.match(refused.headers.get('access-control-expose-headers') ?? '', /\bDPoP-Nonce\b/i);
    const nonce = await nonceOf(refused);
    const granted = await redeem({ nonce });
    assert.equal(granted.status, 200);
    const { access_token: token } = (await granted.json()) as { access_token: string };

    const ath = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(token))).toString('base64url');
    const userinfo = async (claims: object) =>
      fetch(`${keyturn.issuer}/userinfo`, {
        headers: {
          authorization: `DPoP ${token}`,
          dpop: await proof({ keyturn, pair }, { htm: 'GET', ath, ...claims }, '/userinfo'),
        },
      });
    const unsaid = await userinfo({});
    assert.match(unsaid.headers.get('www-authenticate') ?? '', /^DPoP .*error="use_dpop_nonce"/, 'section 9');
    assert.equal((await userinfo({ nonce: await nonceOf(unsaid, 401) })).status, 200);
  });

  test('required, one of another server, of another time or of no text is none (RFC 9449 section 4.3)', async () => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const [started, other] = [await start('required'), await start('required')];
    const nonce = await nonceOf(await ask(started));
    assert.equal((await ask(started, { nonce })).status, 200);
    await nonceOf(await ask(started, { nonce: await nonceOf(await ask(other)) }));
    await nonceOf(await ask(started, { nonce: `${nonce}x` }));
    await nonceOf(await ask(started, { nonce: '' }));
    assert.equal((await refusalOf(await ask(started, { nonce: 7 }))).error, 'invalid_dpop_proof');
    mock.timers.tick(10 * 60_000);
    await nonceOf(await ask(started, { nonce }));
  });

  test('a nonce that is about to end is replaced by the way (RFC 9449 section 8.2)', async () => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const started = await start('required');
    const nonce = await nonceOf(await ask(started));
    const early = await ask(started, { nonce });
    assert.equal(early.headers.get('dpop-nonce'), null, 'as long as it is current, nothing is said');
    mock.timers.tick(2 * 60_000);
    const late = await ask(started, { nonce });
    assert.equal(late.status, 200);
    const next = late.headers.get('dpop-nonce') ?? '';
    assert.notEqual(next, nonce);
    assert.equal((await ask(started, { nonce: next })).status, 200);
  });

  test('every process on a store knows the nonces of the others', async () => {
    const started = await start('required');
    const nonce = await nonceOf(await ask(started));
    await started.keyturn.restart();
    assert.equal((await ask(started, { nonce })).status, 200);
  });

  test('a proof with a pushed request needs one as well (RFC 9449 section 10.1)', async () => {
    const started = await start('required');
    const push = async (claims: object) =>
      fetch(`${started.keyturn.issuer}/par`, {
        method: 'POST',
        headers: { authorization: started.authorization, dpop: await proof(started, claims, '/par') },
        body: new URLSearchParams({
          client_id: started.client.clientId,
          response_type: 'code',
          redirect_uri: CALLBACK,
          scope: 'openid',
          code_challenge: await oauth.calculatePKCECodeChallenge(oauth.randomPKCECodeVerifier()),
          code_challenge_method: 'S256',
        }),
      });
    assert.equal((await push({ nonce: await nonceOf(await push({})) })).status, 201);
  });

  test('openid-client sends the nonce that it is told, without a word from its user', async () => {
    const { keyturn } = await start('required');
    const registered = await keyturn.addClient({
      grantTypes: ['client_credentials'],
      redirectUris: [],
      scope: 'read',
    });
    const party = await RelyingParty.discover(keyturn, registered);
    const DPoP = oauth.getDPoPHandle(party.configuration, await oauth.randomDPoPKeyPair());
    const tokens = await oauth.clientCredentialsGrant(party.configuration, undefined, { DPoP });
    assert.equal(tokens.token_type, 'dpop');
  });
});
