import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ClientRegistration } from '#src/clients/client.ts';
import { systemClock } from '#src/clock.ts';
import { SetupFault } from '#src/fault.ts';
import { activeKey } from '#src/signing/key-ring.ts';
import { freePort } from '#test/support/free-port.ts';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

/** A server that is measured, and what a series of it is at, by its whole name; NaN if there is none. */
async function startMeasured(env: Record<string, string> = {}) {
  const port = await freePort();
  const keyturn = await startKeyturnHere({ KEYTURN_METRICS_PORT: String(port), ...env });
  const address = `http://127.0.0.1:${port}/metrics`;
  const scrape = async () => (await fetch(address)).text();
  return {
    keyturn,
    address,
    scrape,
    at: async (series: string) => readingOf(await scrape(), series),
    [Symbol.asyncDispose]: () => keyturn[Symbol.asyncDispose](),
  };
}

function readingOf(text: string, series: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length));
}

/** Asks for a token as the client itself. */
function ownToken(
  { issuer }: Keyturn,
  { clientId, secret, scope = 'read' }: { clientId: string; secret: string; scope?: string },
): Promise<Response> {
  const authorization = `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`;
  const body = new URLSearchParams({ grant_type: 'client_credentials', scope });
  return fetch(`${issuer}/token`, { method: 'POST', headers: { authorization }, body });
}

const SERVICE: Partial<ClientRegistration> = {
  redirectUris: [],
  grantTypes: ['client_credentials'],
  scope: 'read',
};

describe('metrics', () => {
  test('are answered on a port of their own, in the format of Prometheus, and nowhere else', async () => {
    await using measured = await startMeasured();
    const { keyturn, address } = measured;
    const response = await fetch(address);
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    assert.match(await response.text(), /^keyturn_build_info\{version="[^"]+"\} 1$/m);
    for (const [path, method, status] of [
      ['/metrics?x=1', 'GET', 200],
      ['/metrics', 'POST', 405],
      ['/token', 'POST', 404],
    ] as const)
      assert.equal((await fetch(new URL(path, address), { method })).status, status, path);
    assert.equal((await fetch(`${keyturn.issuer}/metrics`)).status, 404);
  });

  test('are answered to whoever brings the token, and to nobody else, where there is one (RFC 6750 section 3)', async () => {
    const token = 'a token of the scraper';
    await using measured = await startMeasured({ KEYTURN_METRICS_TOKEN: token.replaceAll(' ', '-') });
    const bring = (authorization: string) => fetch(measured.address, { headers: { authorization } });
    assert.equal((await bring(`Bearer ${token.replaceAll(' ', '-')}`)).status, 200);
    const refused = await fetch(measured.address);
    assert.equal(refused.status, 401);
    assert.match(refused.headers.get('www-authenticate') ?? '', /^Bearer /);
    for (const wrong of ['Bearer', 'Bearer a-token', 'Basic YTpi', `Bearer ${token}`]) {
      const answer = await bring(wrong);
      assert.equal(answer.status, 401, wrong);
      assert.equal(await answer.text(), '');
    }
  });

  test('say how old each key is, and when the next one begins to sign, as `keys list` does', async () => {
    await using measured = await startMeasured();
    const { rotation } = measured.keyturn.services;
    const kid = () => activeKey(rotation.held.ring, 'ES256', systemClock.now())?.kid;
    const ageOf = (text: string, state: string, of = kid()) =>
      readingOf(text, `keyturn_key_age_seconds{alg="ES256",state="${state}",kid="${of}"}`);
    const planned = async () =>
      (await rotation.list()).find(({ alg, state }) => alg === 'ES256' && state === 'next')?.signsFrom;
    const next = (text: string) =>
      readingOf(text, 'keyturn_key_next_rotation_timestamp_seconds{alg="ES256"}');
    const before = await measured.scrape();
    assert.ok(ageOf(before, 'active') >= 0, before);
    assert.equal(next(before), await planned());
    const replaced = kid();
    await rotation.revoke(replaced ?? '', 'stolen');
    const after = await measured.scrape();
    assert.notEqual(kid(), replaced);
    assert.ok(ageOf(after, 'active') >= 0, after);
    assert.ok(Number.isNaN(ageOf(after, 'active', replaced)));
    assert.ok(ageOf(after, 'revoked', replaced) >= 0);
    assert.equal(next(after), await planned());
  });

  test('count tokens by grant and client, of which the first have a series each and all others share one', async () => {
    await using measured = await startMeasured({ KEYTURN_METRICS_CLIENTS_MAX: '1' });
    const { keyturn } = measured;
    await keyturn.addResourceServer();
    const [first, second] = [await keyturn.addClient(SERVICE), await keyturn.addClient(SERVICE)];
    for (const { client, secret } of [first, second, second, first, second])
      assert.equal((await ownToken(keyturn, { clientId: client.clientId, secret })).status, 200);
    const series = (clientId: string) =>
      `keyturn_tokens_issued_total{grant_type="client_credentials",client_id="${clientId}"}`;
    assert.equal(await measured.at(series(first.client.clientId)), 2);
    assert.equal(await measured.at(series('other')), 3);
    assert.ok(Number.isNaN(await measured.at(series(second.client.clientId))));
  });

  test('never give a client that registered itself a series of its own', async () => {
    await using measured = await startMeasured({ KEYTURN_REGISTRATION: 'open' });
    const { keyturn } = measured;
    const registered = await fetch(`${keyturn.issuer}/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ redirect_uris: [CALLBACK], id_token_signed_response_alg: 'ES256' }),
    });
    const { client_id: clientId, client_secret: secret } = (await registered.json()) as Record<
      string,
      string
    >;
    const { password } = await keyturn.addAccount('ada');
    const client = (await keyturn.services.clients.find(clientId ?? ''))?.value;
    assert.ok(client !== undefined && secret !== undefined);
    const party = await RelyingParty.discover(keyturn, { client, secret });
    const { url, checks } = await party.request({ scope: 'openid' });
    await party.redeem(await new Person().authorize(url, { login: 'ada', password }), checks);
    const text = await measured.scrape();
    const of = (client: string) =>
      readingOf(text, `keyturn_tokens_issued_total{grant_type="authorization_code",client_id="${client}"}`);
    assert.equal(of('other'), 1);
    assert.ok(!text.includes(clientId as string));
  });

  test('count the story of a refresh token: used, come back in time, and come back too late', async () => {
    await using measured = await startMeasured({ KEYTURN_LIFETIMES_REFRESH_GRACE: '4m' });
    const { keyturn, at } = measured;
    const registered = await keyturn.addClient();
    const { password } = await keyturn.addAccount('ada');
    const party = await RelyingParty.discover(keyturn, registered);
    const { url, checks } = await party.request({ scope: 'openid offline_access' });
    const tokens = await party.redeem(await new Person().authorize(url, { login: 'ada', password }), checks);
    const renewed = await party.refresh(tokens.refresh_token ?? '');
    await party.refresh(tokens.refresh_token ?? '');
    assert.equal(await at('keyturn_refresh_replays_allowed_total'), 1);
    assert.equal(await at('keyturn_refresh_replays_refused_total'), 0);
    await party.introspect(renewed.access_token);
    const again = await party.refresh(renewed.refresh_token ?? '');
    await assert.rejects(party.refresh(tokens.refresh_token ?? ''), { error: 'invalid_grant' });
    await party.introspect(again.access_token);
    const text = await measured.scrape();
    const reads = (series: string, expected: number) =>
      assert.equal(readingOf(text, series), expected, series);
    reads('keyturn_refresh_replays_refused_total', 1);
    reads('keyturn_introspections_total{result="active"}', 1);
    reads('keyturn_introspections_total{result="inactive"}', 1);
    reads('keyturn_refusals_total{endpoint="token",error="invalid_grant"}', 1);
    reads('keyturn_sign_ins_total{outcome="signed-in"}', 1);
    reads('keyturn_authorization_codes_issued_total', 1);
    const { clientId } = registered.client;
    reads(`keyturn_tokens_issued_total{grant_type="refresh_token",client_id="${clientId}"}`, 3);
    reads('keyturn_http_request_duration_seconds_count{endpoint="token",status="2xx"}', 4);
    reads('keyturn_http_request_duration_seconds_count{endpoint="token",status="4xx"}', 1);
    assert.ok(readingOf(text, 'keyturn_store_operation_duration_seconds_count{operation="put"}') > 0);
    reads('keyturn_password_hash_duration_seconds_count', 2);
    reads('keyturn_password_hash_queue_length', 0);
  });

  test('count tokens that the authorization endpoint gives (OpenID Connect Core section 3.3)', async () => {
    await using measured = await startMeasured({ KEYTURN_REQUESTS_OTHER_RESPONSE_TYPES: 'code id_token' });
    const { keyturn, at } = measured;
    const { password } = await keyturn.addAccount('ada');
    const redirect_uri = 'https://app.example.com/callback';
    const registered = await keyturn.addClient({
      redirectUris: [redirect_uri],
      grantTypes: ['authorization_code', 'implicit'] as never,
      metadata: { response_types: ['code', 'code id_token'] },
    });
    const party = await RelyingParty.discover(keyturn, registered);
    const series = `keyturn_tokens_issued_total{grant_type="implicit",client_id="${registered.client.clientId}"}`;
    for (const [index, response_type] of ['code', 'code id_token'].entries()) {
      const { url } = await party.request({ redirect_uri, response_type, nonce: 'once' });
      await new Person().authorize(url, { login: 'ada', password });
      assert.equal(await at('keyturn_authorization_codes_issued_total'), index + 1);
      assert.equal((await at(series)) || 0, index);
    }
  });

  test('say how much lies in the store, by kind', async () => {
    await using measured = await startMeasured();
    const { keyturn, at } = measured;
    assert.equal(await at('keyturn_store_records{kind="account"}'), 0);
    await keyturn.addAccount('ada');
    await keyturn.addClient();
    assert.equal(await at('keyturn_store_records{kind="account"}'), 1);
    assert.equal(await at('keyturn_store_records{kind="client"}'), 1);
    assert.equal(await at('keyturn_store_records{kind="session"}'), 0);
    assert.ok((await at('keyturn_store_entries{set="revocation"}')) >= 0);
  });

  test('begin at 0 where their labels are known, so that nobody misses the first event', async () => {
    await using measured = await startMeasured();
    const text = await measured.scrape();
    for (const series of [
      'keyturn_http_requests_shed_total{reason="waited"}',
      'keyturn_password_hashes_rejected_total{reason="full"}',
      'keyturn_introspections_total{result="refused"}',
      'keyturn_sign_ins_total{outcome="throttled"}',
      'keyturn_deliveries_total{topic="backchannel-logout",outcome="given-up"}',
      'keyturn_store_faults_total{operation="find"}',
      'keyturn_refresh_replays_refused_total',
    ])
      assert.equal(readingOf(text, series), 0, series);
  });

  test('count refusals by the errors of the specifications, and what a request made up as `other`', async () => {
    await using measured = await startMeasured();
    const { keyturn } = measured;
    await ownToken(keyturn, { clientId: 'nobody', secret: 'wrong' });
    await fetch(`${keyturn.issuer}/introspect`, {
      method: 'POST',
      body: new URLSearchParams({ token: 'x' }),
    });
    await fetch(`${keyturn.issuer}/what-is-this/%22%0Ainjected`);
    await fetch(`${keyturn.issuer}/token`);
    const text = await measured.scrape();
    const reads = (series: string) => assert.equal(readingOf(text, series), 1, series);
    reads('keyturn_refusals_total{endpoint="token",error="invalid_client"}');
    reads('keyturn_refusals_total{endpoint="introspection",error="invalid_client"}');
    reads('keyturn_introspections_total{result="refused"}');
    reads('keyturn_refusals_total{endpoint="other",error="not_found"}');
    reads('keyturn_refusals_total{endpoint="token",error="invalid_request"}');
    assert.ok(!text.includes('injected'));
  });

  test('are answered while the store is away as well, and say that it is', async () => {
    await using measured = await startMeasured();
    const { keyturn, address } = measured;
    await keyturn.services.store[Symbol.asyncDispose]();
    assert.equal((await fetch(`${keyturn.issuer}/readyz`)).status, 503);
    const response = await fetch(address);
    assert.equal(response.status, 200);
    assert.ok(readingOf(await response.text(), 'keyturn_store_faults_total{operation="ping"}') >= 1);
  });

  test('whose port is taken keep the server from starting, with a word about which setting that is', async () => {
    await using measured = await startMeasured();
    const { port } = new URL(measured.address);
    await assert.rejects(startKeyturnHere({ KEYTURN_METRICS_PORT: port }), (error) => {
      assert.ok(error instanceof SetupFault, String(error));
      assert.match(error.hint, /KEYTURN_METRICS_PORT/);
      return true;
    });
  });
});
