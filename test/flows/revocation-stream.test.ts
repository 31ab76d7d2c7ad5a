import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import * as oauth from 'openid-client';
import { EventStream } from '#test/support/event-stream.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { rawRequest } from '#test/support/raw-http.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const API = 'https://api.example.com';
const OTHER = 'https://other.example.com';

interface Api {
  readonly clientId: string;
  readonly secret: string;
}

describe('the stream of revocations', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let service: RelyingParty;
  let api: Api;
  let other: Api;

  before(async () => {
    keyturn = await startKeyturnHere({ KEYTURN_REVOCATIONS_STREAMS_PER_SERVER_MAX: '3' });
    api = await addApi({ identifier: API, scope: ['read'] });
    other = await addApi({ identifier: OTHER, scope: ['look'] });
    web = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ scope: 'openid offline_access read look' }),
    );
    service = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ grantTypes: ['client_credentials'], redirectUris: [], scope: 'read look' }),
    );
  });
  after(() => keyturn[Symbol.asyncDispose]());

  async function addApi(registration: { identifier: string; scope: string[] }): Promise<Api> {
    const { resourceServer, secret } = await keyturn.addResourceServer(registration);
    return { clientId: resourceServer.clientId, secret };
  }

  const authorization = ({ clientId, secret }: Api) => ({
    authorization: `Basic ${btoa(`${clientId}:${secret}`)}`,
  });
  const open = (by: Api, headers: Record<string, string> = {}, query = '') =>
    EventStream.open(`${keyturn.issuer}/revocations${query}`, { ...authorization(by), ...headers });
  /** A stream that has told all there was. */
  async function live(by: Api = api): Promise<EventStream> {
    const stream = await open(by);
    await stream.until('ready');
    return stream;
  }
  async function signIn(resource = API, parameters: Record<string, string> = {}) {
    const username = `p${Math.random().toString(36).slice(2, 10)}`;
    const { account, password } = await keyturn.addAccount(username);
    const person = new Person();
    const requested = { scope: 'openid read', resource, ...parameters };
    const tokens = await web.signIn(person, { login: username, password }, requested);
    return { account, person, ...tokens, claims: decodeJwt(tokens.access_token) };
  }
  /** What a pairwise client there calls a person, once they have signed in to it. */
  async function subjectAt(redirectUri: string, credentials: { login: string; password: string }) {
    const added = await keyturn.addClient({
      scope: 'openid read',
      redirectUris: [redirectUri],
      metadata: { subject_type: 'pairwise' },
    });
    const party = await RelyingParty.discover(keyturn, added);
    const requested = { scope: 'openid read', resource: API, redirect_uri: redirectUri };
    const { access_token } = await party.signIn(new Person(), credentials, requested, { resource: API });
    return decodeJwt(access_token).sub;
  }
  const serviceToken = async (scope = 'read') =>
    (await oauth.clientCredentialsGrant(service.configuration, { scope })).access_token;
  /** The next event of that name about that; what tells of others is passed over. */
  async function listen(stream: EventStream, event: string, about: Record<string, unknown>) {
    for (;;) {
      const next = await stream.next();
      assert.ok(next, `the stream ended before ${event}`);
      const fits = Object.entries(about).every(([name, value]) => next.data[name] === value);
      if (next.event === event && fits) return next;
    }
  }

  test('tells of a revoked access token by its jti, until it expires', async () => {
    await using stream = await live();
    const token = await serviceToken();
    const { jti, exp } = decodeJwt(token);
    await service.revoke(token);
    const { data } = await listen(stream, 'token_revoked', { jti });
    assert.deepEqual(data, { jti, until: exp });
  });

  test('tells of an authorization that has ended by the grant_id of its tokens', async () => {
    await using stream = await live();
    const { claims, refresh_token } = await signIn();
    await web.revoke(refresh_token ?? '');
    const { data } = await listen(stream, 'authorization_ended', { grant_id: claims.grant_id });
    assert.ok(Number(data.until) >= Number(claims.exp));
  });

  test('tells of every authorization that ends as a person signs out, whichever client it was given at', async () => {
    await using stream = await live();
    const { person, claims } = await signIn();
    const again = await web.request({ scope: 'openid read', resource: API });
    const second = await web.redeem((await person.visit(again.url)).leftTo as URL, again.checks);
    const page = await person.visit(`${keyturn.issuer}/logout`);
    await person.submit(page, '/logout/confirm', { logout: 'yes' });
    const ids = [claims.grant_id, decodeJwt(second.access_token).grant_id];
    const told = [(await stream.next())?.data.grant_id, (await stream.next())?.data.grant_id];
    assert.deepEqual(told.toSorted(), ids.toSorted());
  });

  test('tells of a sign-out everywhere, of a new password and of a lock by what sign-ins it ends, and of an unlock', async () => {
    await using stream = await live();
    // An authorization for offline access ends with none of the sessions.
    const { account, claims } = await signIn(API, {
      scope: 'openid offline_access read',
      prompt: 'consent',
    });
    const { accounts } = keyturn.services;
    const sub = account.subject;
    const signInTime = Number(claims.auth_time);
    const told = async () => {
      const { data } = await listen(stream, 'signed_out', { sub });
      assert.ok(Number(data.until) >= Number(claims.exp));
      return Number(data.auth_time_before);
    };
    await accounts.signOutEverywhere(sub);
    const first = await told();
    assert.ok(first > signInTime);
    await accounts.lock(sub);
    assert.ok((await told()) > Number(claims.exp), 'on whichever sign-in they rest');
    await accounts.unlock(sub);
    assert.equal(await told(), first);
    await accounts.remove(sub);
    assert.ok((await told()) > Number(claims.exp));
  });

  test('tells of what a person signs out of everywhere one by one where it ends with a session', async () => {
    await using stream = await live();
    const { account, claims } = await signIn();
    await keyturn.services.accounts.signOutEverywhere(account.subject);
    await listen(stream, 'authorization_ended', { grant_id: claims.grant_id });
  });

  test('tells of a removed client, and that one of the same identifier is another', async () => {
    await using stream = await live();
    const registration = {
      clientId: 'come-and-go',
      grantTypes: ['client_credentials' as const],
      redirectUris: [],
      scope: 'read',
    };
    await keyturn.addClient(registration);
    const { data: first } = await listen(stream, 'client_removed', { client_id: 'come-and-go' });
    await keyturn.services.clients.remove('come-and-go');
    const { data: removed } = await listen(stream, 'client_removed', { client_id: 'come-and-go' });
    assert.ok(Number(removed.iat_before) > Number(removed.until), 'whenever they were issued');
    const added = await keyturn.addClient(registration);
    const { data: again } = await listen(stream, 'client_removed', { client_id: 'come-and-go' });
    assert.equal(again.iat_before, added.client.createdAt);
    assert.ok(Number(first.iat_before) <= Number(again.iat_before));
  });

  test('tells of a revoked signing key by its kid', async () => {
    await using stream = await live();
    const { kid } = decodeProtectedHeader(await serviceToken());
    await keyturn.services.rotation.revoke(kid ?? '', 'test');
    await listen(stream, 'key_revoked', { kid });
  });

  test('tells each resource server of what concerns it, and of nothing else', async () => {
    await using own = await live(api);
    await using others = await live(other);
    const token = await serviceToken('read');
    const person = await signIn(API);
    await service.revoke(token);
    await keyturn.services.accounts.lock(person.account.subject);
    await keyturn.services.authorizations.end(String(person.claims.grant_id));
    const last = await serviceToken('look');
    await service.revoke(last);
    const { jti } = decodeJwt(last);
    assert.deepEqual((await others.next())?.data.jti, jti, 'the first that the other one is told');
    const names = [await own.next(), await own.next(), await own.next()].map((each) => each?.event);
    assert.deepEqual(names, ['token_revoked', 'signed_out', 'authorization_ended']);
  });

  test('calls a person what the tokens call them, and nothing else (OpenID Connect Core section 8.1)', async () => {
    await using stream = await live();
    const { account, password } = await keyturn.addAccount('known-by-another-name');
    const login = { login: 'known-by-another-name', password };
    const sub = await subjectAt('https://pairwise.example.com/callback', login);
    await keyturn.services.accounts.lock(account.subject);
    const told = await stream.next();
    assert.deepEqual([told?.event, told?.data.sub], ['signed_out', sub]);
    assert.notEqual(told?.data.sub, account.subject);
    const last = await serviceToken();
    await service.revoke(last);
    assert.equal((await stream.next())?.data.jti, decodeJwt(last).jti, 'by no other name');
  });

  test('numbers the last alone of the events that one revocation is told in, so that nobody who breaks off between misses any', async () => {
    const { account, password } = await keyturn.addAccount('known-by-two-names');
    const login = { login: 'known-by-two-names', password };
    const subs = new Set([
      await subjectAt('https://one.example.com/callback', login),
      await subjectAt('https://two.example.com/callback', login),
    ]);
    await using stream = await open(api);
    await stream.until('ready');
    const before = stream.lastId;
    await keyturn.services.accounts.lock(account.subject);
    const [first, last] = [await stream.next(), await stream.next()];
    assert.deepEqual(new Set([first?.data.sub, last?.data.sub]), subs);
    assert.equal(first?.id, before, 'a reader keeps the id that it has where an event brings none');
    assert.ok(Number(last?.id) > Number(before));
    await using resumed = await open(api, { 'Last-Event-ID': String(first?.id) });
    assert.deepEqual(
      new Set((await resumed.until('ready')).map(({ data }) => data.sub)),
      subs,
      'whoever received the first alone is told both',
    );
    await using caughtUp = await open(api, { 'Last-Event-ID': String(last?.id) });
    assert.deepEqual(await caughtUp.until('ready'), []);
  });

  test('goes on after the event that was received last, and tells nothing twice and nothing too little', async () => {
    const tokens = [await serviceToken(), await serviceToken(), await serviceToken()];
    const [first, second, third] = tokens.map((token) => decodeJwt(token).jti);
    let id: string;
    {
      await using stream = await live();
      await service.revoke(tokens[0] ?? '');
      ({ id } = await listen(stream, 'token_revoked', { jti: first }));
    }
    await service.revoke(tokens[1] ?? '');
    await service.revoke(tokens[2] ?? '');
    for (const stream of [await open(api, { 'Last-Event-ID': id }), await open(api, {}, `?cursor=${id}`)]) {
      await using resumed = stream;
      const received = await resumed.until('ready');
      assert.deepEqual(
        received.map(({ data }) => data.jti),
        [second, third],
      );
    }
  });

  test('tells one that comes without a cursor all that still matters', async () => {
    const token = await serviceToken();
    await service.revoke(token);
    await using stream = await open(api);
    const received = await stream.until('ready');
    assert.ok(received.some(({ data }) => data.jti === decodeJwt(token).jti));
  });

  test('answers a cursor that was never given out with reset, and then with all that still matters', async () => {
    const token = await serviceToken();
    await service.revoke(token);
    await using stream = await open(api, { 'Last-Event-ID': `${Number.MAX_SAFE_INTEGER}` });
    assert.equal((await stream.next())?.event, 'reset');
    const received = await stream.until('ready');
    assert.ok(received.some(({ data }) => data.jti === decodeJwt(token).jti));
  });

  test('refuses a cursor that is none', async () => {
    for (const cursor of ['x', '-1', '1.5', '00', '1e3', '99999999999999999999', '1&cursor=2']) {
      const { status } = await fetch(`${keyturn.issuer}/revocations?cursor=${cursor}`, {
        headers: authorization(api),
      });
      assert.equal(status, 400, cursor);
    }
  });

  test('is for resource servers that authenticate alone (RFC 7662 section 2.1, RFC 9110 section 11.6.1)', async () => {
    const { client, secret } = await keyturn.addClient();
    const credentials = [
      undefined,
      'Basic',
      'Basic !!!',
      `Basic ${btoa('no colon')}`,
      `Basic ${btoa('%zz:%zz')}`,
      `Basic ${btoa(`${api.clientId}:wrong`)}`,
      `Basic ${btoa(`${api.clientId}:`)}`,
      `Basic ${btoa('rs_unknown:secret')}`,
      `Basic ${btoa(`${client.clientId}:${secret}`)}`,
      `Bearer ${await serviceToken()}`,
    ];
    for (const given of credentials) {
      const headers = given === undefined ? undefined : { authorization: given };
      const answer = await fetch(`${keyturn.issuer}/revocations`, headers && { headers });
      assert.equal(answer.status, 401, given);
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Basic realm="http/);
      assert.equal(((await answer.json()) as { error: string }).error, 'invalid_client');
    }
  });

  test('is read, and nothing else', async () => {
    const answer = await fetch(`${keyturn.issuer}/revocations`, {
      method: 'POST',
      headers: authorization(api),
    });
    assert.equal(answer.status, 405);
    assert.equal(answer.headers.get('allow'), 'GET');
  });

  test('is neither kept nor held back on its way', async () => {
    await using stream = await live();
    const { headers, status } = stream.response;
    assert.equal(status, 200);
    assert.match(headers.get('content-type') ?? '', /^text\/event-stream/);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('x-accel-buffering'), 'no');
  });

  test('ends when its secret has been retired or its resource server removed, and tells nothing more', async () => {
    const leaving = await addApi({ identifier: 'https://leaving.example.com', scope: ['leave'] });
    const { resources } = keyturn.services;
    const stream = await live(leaving);
    const rolled = await resources.rollSecret('https://leaving.example.com');
    const renewed = await live({ ...leaving, secret: rolled.secret.reveal() });
    await resources.retireOldSecret('https://leaving.example.com');
    await keyturn.services.clients.remove('nobody');
    const noise = await keyturn.addClient({ clientId: 'noise' });
    assert.ok(noise);
    assert.equal(await stream.next(), null);
    assert.equal((await renewed.next())?.data.client_id, 'noise');
    await resources.remove('https://leaving.example.com');
    await keyturn.services.clients.remove('noise');
    assert.equal(await renewed.next(), null);
  });

  test('has no more streams open for one resource server than the settings allow, and takes new ones as others close', async () => {
    const greedy = await addApi({ identifier: 'https://greedy.example.com', scope: [] });
    const streams = [await live(greedy), await live(greedy), await live(greedy)];
    const refused = await open(greedy);
    assert.equal(refused.response.status, 503);
    assert.ok(Number(refused.response.headers.get('retry-after')) > 0);
    await streams[0]?.[Symbol.asyncDispose]();
    for (;;) {
      const stream = await open(greedy);
      if (stream.response.status === 200) {
        streams.push(stream);
        break;
      }
      await stream[Symbol.asyncDispose]();
    }
    for (const stream of streams) await stream[Symbol.asyncDispose]();
  });

  test('takes no place for a caller who hung up before the stream began', async () => {
    const impatient = await addApi({ identifier: 'https://impatient.example.com', scope: [] });
    const line = 'GET /revocations';
    const { hostname, port } = new URL(keyturn.issuer);
    for (let attempt = 0; attempt < 12; attempt += 1) {
      const socket = connect({ host: hostname, port: Number(port), family: 4 });
      await once(socket, 'connect');
      await new Promise((sent) => socket.write(rawRequest(line, authorization(impatient)), sent));
      socket.destroy();
    }
    for (;;) {
      await using stream = await open(impatient);
      if (stream.response.status === 200) break;
    }
    await using last = await live(impatient);
    assert.equal(last.response.status, 200);
  });

  test('turns an address away that fails too often, before it looks at credentials', async () => {
    await using strict = await startKeyturnHere({ KEYTURN_REVOCATIONS_FAILURES_PER_ADDRESS: '2' });
    const { resourceServer, secret } = await strict.addResourceServer();
    const ask = async (password: string) =>
      fetch(`${strict.issuer}/revocations`, {
        headers: { authorization: `Basic ${btoa(`${resourceServer.clientId}:${password}`)}` },
      });
    for (const _ of [1, 2]) assert.equal((await ask('wrong')).status, 401);
    const answer = await ask(secret);
    assert.equal(answer.status, 429);
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
  });

  test('does not hold up a server that stops', async () => {
    const stopping = await startKeyturnHere({ KEYTURN_HTTP_STOP_GRACE: '10m' });
    const { resourceServer, secret } = await stopping.addResourceServer();
    const stream = await EventStream.open(
      `${stopping.issuer}/revocations`,
      authorization({ clientId: resourceServer.clientId, secret }),
    );
    await stream.until('ready');
    await stopping[Symbol.asyncDispose]();
    assert.equal(await stream.next(), null);
  });

  test('shows that it is alive while nothing happens, and moves the cursor on', async () => {
    await using quiet = await startKeyturnHere({ KEYTURN_REVOCATIONS_HEARTBEAT: '1s' });
    const { resourceServer, secret } = await quiet.addResourceServer();
    await using stream = await EventStream.open(
      `${quiet.issuer}/revocations`,
      authorization({ clientId: resourceServer.clientId, secret }),
    );
    await stream.until('ready');
    assert.match((await stream.nextBlock()) ?? '', /^: [^\n]+\nid: \d+$/);
  });
});
