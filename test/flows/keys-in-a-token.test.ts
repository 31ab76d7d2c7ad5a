import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { createRemoteJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import * as oauth from 'openid-client';
import { systemClock } from '#src/clock.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import { activeKey } from '#src/signing/key-ring.ts';
import { type Collector, startCollector } from '#test/support/collector.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { makeSoftToken, type SoftToken } from '#test/support/soft-token.ts';

let soft: SoftToken;
let collector: Collector;
let keyturn: Keyturn;
let web: RelyingParty;
let api: RelyingParty;
let service: RelyingParty;
let authorization: string;
const ada = { login: 'ada', password: '' };

before(async () => {
  [soft, collector] = await Promise.all([makeSoftToken(), startCollector()]);
  const settings = { ...soft.settings, ...collector.settings, KEYTURN_PKCS11_TIMEOUT: '30s' };
  keyturn = await startKeyturnHere(settings);
  ada.password = (await keyturn.addAccount('ada')).password;
  api = await RelyingParty.discoverApi(keyturn, await keyturn.addResourceServer());
  const added = await keyturn.addClient({ scope: 'openid offline_access' });
  authorization = `Basic ${Buffer.from(`${added.client.clientId}:${added.secret}`).toString('base64')}`;
  web = await RelyingParty.discover(keyturn, added);
  service = await RelyingParty.discover(
    keyturn,
    await keyturn.addClient({ grantTypes: ['client_credentials'], redirectUris: [], scope: 'read' }),
  );
});

after(async () => {
  await keyturn[Symbol.asyncDispose]();
  await collector[Symbol.asyncDispose]();
  await soft[Symbol.asyncDispose]();
});

const keys = () => createRemoteJWKSet(new URL(`${keyturn.issuer}/jwks`));
const active = (alg: SigningAlgorithm) =>
  activeKey(keyturn.services.rotation.held.ring, alg, systemClock.now())?.kid;
const tokenKeys = () => {
  const { token } = keyturn.services;
  assert.ok(token);
  return token.keys;
};

/** Waits until the server has said so in its log as often as that. */
async function logged(message: string, times: number): Promise<void> {
  const count = () => keyturn.logged.filter((line) => JSON.parse(line).msg === message).length;
  while (count() < times) await setTimeout(20);
}

describe('a server whose keys are in a PKCS#11 token', () => {
  test('has every private key of the JWK Set there, and none in its store', async () => {
    const { keys: published } = (await (await fetch(`${keyturn.issuer}/jwks`)).json()) as JSONWebKeySet;
    const signing = published.filter(({ use }) => use === 'sig').map(({ kid }) => kid);
    assert.equal(signing.length, 4);
    const { labels } = await tokenKeys().look();
    assert.deepEqual(labels.toSorted(), signing.toSorted());
    for (const { jwk, alg } of keyturn.services.rotation.held.ring.keys) {
      assert.equal('d' in jwk, false, alg);
    }
  });

  test('signs ID tokens and access tokens of the code flow with them', async () => {
    const tokens = await web.signIn(new Person(), ada, { scope: 'openid offline_access', prompt: 'consent' });
    const idToken = await jwtVerify(tokens.id_token ?? '', keys(), { issuer: keyturn.issuer });
    assert.equal(idToken.protectedHeader.kid, active('ES256'));
    await jwtVerify(tokens.access_token, keys(), { issuer: keyturn.issuer });
    const refreshed = await web.refresh(tokens.refresh_token ?? '');
    await jwtVerify(refreshed.access_token, keys(), { issuer: keyturn.issuer });
    const claims = await oauth.fetchUserInfo(
      web.configuration,
      refreshed.access_token,
      oauth.skipSubjectCheck,
    );
    assert.equal(claims.sub, idToken.payload.sub);
  });

  test('issues tokens to many clients at once', async () => {
    const granted = await Promise.all(
      Array.from({ length: 30 }, () =>
        oauth.clientCredentialsGrant(service.configuration, { scope: 'read' }),
      ),
    );
    const jwks = keys();
    for (const { access_token: token } of granted) await jwtVerify(token, jwks, { issuer: keyturn.issuer });
    const introspected = await api.introspect(granted[0]?.access_token ?? '');
    assert.equal(introspected.active, true);
  });

  test('tells in traces how long each signature took', async () => {
    await oauth.clientCredentialsGrant(service.configuration, { scope: 'read' });
    const sign = await collector.span('the signature', ({ name }) => name === 'sign');
    assert.equal(sign.attributes['keyturn.signing.algorithm'], 'ES256');
    const root = await collector.span('the request', ({ spanId }) => spanId === sign.parentSpanId);
    assert.equal(root.name, 'POST /token');
  });

  test('rotates, and the tokens of before and after verify', async () => {
    const { access_token: before } = await oauth.clientCredentialsGrant(service.configuration);
    const first = active('ES256');
    await keyturn.services.rotation.rotate({ alg: 'ES256' });
    const second = active('ES256');
    assert.notEqual(second, first);
    const { access_token: after } = await oauth.clientCredentialsGrant(service.configuration);
    assert.equal(decodeProtectedHeader(before).kid, first);
    assert.equal(decodeProtectedHeader(after).kid, second);
    for (const token of [before, after]) {
      await jwtVerify(token, keys(), { issuer: keyturn.issuer });
      assert.equal((await api.introspect(token)).active, true);
    }
    // The retired one stays there: it may have to come back.
    assert.ok((await tokenKeys().look()).labels.includes(first ?? ''));
    const [undone] = await keyturn.services.rotation.undo({ alg: 'ES256' });
    assert.equal(undone?.kid, first);
    const { access_token: again } = await oauth.clientCredentialsGrant(service.configuration);
    assert.equal(decodeProtectedHeader(again).kid, first);
  });

  test('destroys a key that is revoked, and signs with the next one', async () => {
    const kid = active('ES256') ?? '';
    const { access_token: token } = await oauth.clientCredentialsGrant(service.configuration);
    await keyturn.services.rotation.revoke(kid, 'for a test');
    assert.equal((await tokenKeys().look()).labels.includes(kid), false);
    assert.equal((await api.introspect(token)).active, false);
    const { access_token: next } = await oauth.clientCredentialsGrant(service.configuration);
    assert.notEqual(decodeProtectedHeader(next).kid, kid);
    await jwtVerify(next, keys(), { issuer: keyturn.issuer });
  });

  test('starts again on what is in the token', async () => {
    const kid = active('ES256');
    const { length } = (await tokenKeys().look()).labels;
    await keyturn.restart();
    const { access_token: token } = await oauth.clientCredentialsGrant(service.configuration);
    assert.equal(decodeProtectedHeader(token).kid, kid);
    assert.equal((await tokenKeys().look()).labels.length, length);
  });
});

describe('while the token is away', () => {
  const post = (fields: Record<string, string>) =>
    fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams(fields),
      headers: { authorization },
    });

  async function assertAway(response: Response): Promise<void> {
    const text = await response.text();
    assert.equal(response.status, 503, text);
    assert.deepEqual(JSON.parse(text), {
      error: 'temporarily_unavailable',
      error_description: 'the server cannot reach its signing keys; try again shortly',
    });
    assert.equal(response.headers.get('retry-after'), '2');
  }

  test('clients are told to come back, and lose neither code nor refresh token (RFC 6749 section 5.2)', async () => {
    const person = new Person();
    const tokens = await web.signIn(person, ada, { scope: 'openid offline_access', prompt: 'consent' });
    const { url, checks } = await web.request();
    const callback = await person.authorize(url, ada);
    const redemption = {
      grant_type: 'authorization_code',
      code: callback.searchParams.get('code') ?? '',
      redirect_uri: callback.origin + callback.pathname,
      code_verifier: checks.pkceCodeVerifier,
    };
    const refreshing = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' };
    // What has been signed in this second counts as a sign of life.
    const second = Math.floor(Date.now() / 1000);
    while (Math.floor(Date.now() / 1000) === second) await setTimeout(20);
    await soft.takeAway();
    await assertAway(await post(redemption));
    await assertAway(await post(refreshing));
    await assertAway(await post(redemption));
    await logged('the token of the signing keys is away', 1);

    // What needs no signature goes on.
    assert.equal((await fetch(`${keyturn.issuer}/jwks`)).status, 200);
    assert.equal((await fetch(`${keyturn.issuer}/readyz`)).status, 200);
    assert.equal((await api.introspect(tokens.access_token)).active, false, 'it is for another audience');
    assert.equal((await web.introspect(tokens.access_token)).active, true);
    const claims = await oauth.fetchUserInfo(web.configuration, tokens.access_token, oauth.skipSubjectCheck);
    assert.equal(typeof claims.sub, 'string');

    await soft.bringBack();
    await logged('the token of the signing keys is back', 1);
    for (const request of [redemption, refreshing]) {
      const response = await post(request);
      const body = (await response.json()) as { access_token: string };
      assert.equal(response.status, 200, JSON.stringify(body));
      await jwtVerify(body.access_token, keys(), { issuer: keyturn.issuer });
    }
  });

  test('a signed answer of the authorization endpoint is refused as well, and what happened is in the log', async () => {
    const person = new Person();
    await web.signIn(person, ada);
    await soft.takeAway();
    const { url } = await web.request({ response_mode: 'jwt' });
    const visit = await person.visit(url);
    assert.equal(visit.response.status, 503, visit.html);
    assert.match(visit.response.headers.get('content-type') ?? '', /^text\/html/);
    await soft.bringBack();
    await logged('the token of the signing keys is back', 2);
    const faults = keyturn.logged.filter((line) => JSON.parse(line).level >= 50);
    assert.ok(faults.some((line) => line.includes('does not sign')));
    for (const line of keyturn.logged) assert.equal(line.includes(soft.pin), false);
  });

  test('a key is revoked all the same, and its successor is made when the token is back', async () => {
    const { rotation } = keyturn.services;
    const kid = active('RS256') ?? '';
    await soft.takeAway();
    const revoked = await rotation.revoke(kid, 'stolen while the token was away');
    assert.equal(revoked.outcome, 'revoked');
    assert.notEqual(active('RS256'), kid);
    const standbys = async () => {
      const listed = await keyturn.services.rotation.list();
      return listed.filter(({ alg, state }) => alg === 'RS256' && state === 'next').length;
    };
    assert.equal(await standbys(), 0);
    await assert.rejects(rotation.maintain(), /cannot be opened/);
    await soft.bringBack();
    await keyturn.restart();
    assert.equal(await standbys(), 1);
  });
});
