import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeProtectedHeader, type JSONWebKeySet } from 'jose';
import { freePort } from '#test/support/free-port.ts';
import { CALLBACK, type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { startRedisServer } from '#test/support/redis-server.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

/** Two servers on one Redis, under one issuer, as behind a load balancer. */
describe('two servers on one Redis', () => {
  let redis: Awaited<ReturnType<typeof startRedisServer>>;
  let one: Keyturn;
  let other: Keyturn;
  let origins: readonly string[];
  let web: RelyingParty;
  let authorization: string;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    redis = await startRedisServer({ config: ['appendfsync no'] });
    const ports = [await freePort(), await freePort()].map(String);
    const shared = {
      KEYTURN_STORE: `redis://127.0.0.1:${redis.port}`,
      KEYTURN_REDIS_TIMEOUT_MS: '10000',
      KEYTURN_REDIS_ACCEPT_LOSS: 'true',
    };
    one = await startKeyturnHere({ ...shared, KEYTURN_PORT: ports[0] ?? '' });
    const { keysDir } = one.services.config;
    const same = { KEYTURN_ISSUER: one.issuer, KEYTURN_KEYS_DIR: keysDir };
    other = await startKeyturnHere({ ...shared, ...same, KEYTURN_PORT: ports[1] ?? '' });
    origins = ports.map((port) => `http://localhost:${port}`);
    ada.password = (await one.addAccount('ada')).password;
    // Registered at one of them, and known to the other by the next request.
    const added = await one.addClient();
    web = await RelyingParty.discover(one, added);
    authorization = `Basic ${btoa(`${added.client.clientId}:${added.secret}`)}`;
  });
  after(async () => {
    await stopFaultless(other);
    await stopFaultless(one);
    await redis[Symbol.asyncDispose]();
  });

  const [here, there] = [0, 1] as const;
  const post = async (server: 0 | 1, path: string, fields: Record<string, string>) => {
    const body = new URLSearchParams(fields);
    const response = await fetch(`${origins[server]}${path}`, {
      method: 'POST',
      headers: { authorization },
      body,
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const redeem = (server: 0 | 1, callback: URL, verifier: string) =>
    post(server, '/token', {
      grant_type: 'authorization_code',
      code: callback.searchParams.get('code') ?? '',
      redirect_uri: CALLBACK,
      code_verifier: verifier,
    });
  const refresh = (server: 0 | 1, token: unknown) =>
    post(server, '/token', { grant_type: 'refresh_token', refresh_token: String(token) });
  const isActive = async (server: 0 | 1, token: unknown) =>
    (await post(server, '/introspect', { token: String(token) })).body.active;
  const codeOf = async (person = new Person()) => {
    const { url, checks } = await web.request();
    return { callback: await person.authorize(url, ada), verifier: checks.pkceCodeVerifier };
  };

  test('a code redeemed fifty times at once at both yields one token response (RFC 6749 section 4.1.2)', async () => {
    const { callback, verifier } = await codeOf();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) => redeem(at % 2 === 0 ? here : there, callback, verifier)),
    );
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    assert.equal(answers.filter(({ body }) => body.error === 'invalid_grant').length, 49);
  });

  test('a refresh token presented fifty times at once at both yields one successor, to all fifty', async () => {
    const { callback, verifier } = await codeOf();
    const { body } = await redeem(here, callback, verifier);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, at) => refresh(at % 2 === 0 ? here : there, body.refresh_token)),
    );
    assert.equal(new Set(answers.map((answer) => answer.body.refresh_token)).size, 1);
    assert.ok(answers.every(({ status }) => status === 200));
  });

  test('a refresh token two generations old ends the family for both', async () => {
    const { callback, verifier } = await codeOf();
    const { body: first } = await redeem(here, callback, verifier);
    const { body: second } = await refresh(there, first.refresh_token);
    const { body: third } = await refresh(here, second.refresh_token);
    assert.equal((await refresh(there, first.refresh_token)).body.error, 'invalid_grant');
    assert.equal((await refresh(here, third.refresh_token)).body.error, 'invalid_grant');
    assert.equal(await isActive(here, third.access_token), false);
  });

  test('what one revokes is inactive at the other on the next request', async () => {
    for (const [at, ends] of [
      [here, there],
      [there, here],
    ] as const) {
      const { callback, verifier } = await codeOf();
      const { body } = await redeem(at, callback, verifier);
      assert.equal(await isActive(ends, body.access_token), true);
      await post(at, '/revoke', { token: String(body.access_token) });
      assert.equal(await isActive(ends, body.access_token), false);
      assert.equal(await isActive(ends, body.refresh_token), true);
      await post(at, '/revoke', { token: String(body.refresh_token) });
      assert.equal((await refresh(ends, body.refresh_token)).body.error, 'invalid_grant');
    }
  });

  test('a rotation at one is followed by the other, without anybody being told', async () => {
    const kidsAt = async (server: 0 | 1) => {
      const { keys } = (await (await fetch(`${origins[server]}/jwks`)).json()) as JSONWebKeySet;
      return keys.map(({ kid }) => String(kid)).toSorted();
    };
    const signedAt = async (server: 0 | 1) => {
      const { callback, verifier } = await codeOf();
      const { body } = await redeem(server, callback, verifier);
      return { token: body.access_token, kid: decodeProtectedHeader(String(body.access_token)).kid };
    };
    const before = { kids: await kidsAt(there), kid: (await signedAt(there)).kid };
    await one.services.rotation.rotate({ breakGlass: 'to see whether the other follows' });
    while ((await kidsAt(there)).join() === before.kids.join()) await new Promise(setImmediate);
    const { kid, token } = await signedAt(there);
    assert.notEqual(kid, before.kid);
    assert.ok((await kidsAt(here)).includes(String(kid)));
    assert.equal(await isActive(here, token), true);
  });
});
