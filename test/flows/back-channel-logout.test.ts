import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { createRemoteJWKSet, decodeJwt, type JWTPayload, jwtVerify } from 'jose';
import type { ClientRegistration } from '#src/clients/client.ts';
import type { Delivery } from '#src/outbox/delivery.ts';
import { everyValue } from '#src/record-loops.ts';
import { Secret } from '#src/secret.ts';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { type ReceivedCall, type Receiver, startReceiver } from '#test/support/receiver.ts';
import { RelyingParty, type Tokens } from '#test/support/relying-party.ts';

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';

/** So that a second attempt comes within the patience of a test. */
const SETTINGS = {
  KEYTURN_ALLOW_PRIVATE_NETWORK: 'true',
  KEYTURN_HTTP_OUTGOING_TIMEOUT: '1s',
  KEYTURN_OUTBOX_RETRY_AFTER: '2s',
};

describe('back-channel logout', () => {
  let keyturn: Keyturn;
  let receiver: Receiver;
  /** Of this test. */
  const clientIds = new Set<string>();
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere(SETTINGS);
    ada.password = (await keyturn.addAccount('ada')).password;
  });
  after(() => keyturn[Symbol.asyncDispose]());
  beforeEach(async () => {
    receiver = await startReceiver();
    clientIds.clear();
  });
  afterEach(() => receiver[Symbol.asyncDispose]());

  /** A client that wants to be told at this path of the receiver. */
  async function addClient(path: string, registration: Partial<ClientRegistration> = {}) {
    const added = await keyturn.addClient({
      scope: 'openid offline_access',
      ...registration,
      metadata: { backchannel_logout_uri: `${receiver.origin}${path}`, ...registration.metadata },
    });
    clientIds.add(added.client.clientId);
    return RelyingParty.discover(keyturn, added, {
      id_token_signed_response_alg: added.client.idTokenSignedResponseAlg,
    });
  }

  async function signOut(person: Person, tokens: Tokens): Promise<void> {
    const hint = new URLSearchParams({ id_token_hint: tokens.id_token ?? '' });
    const page = await person.visit(`${keyturn.issuer}/logout?${hint}`);
    const { response } = await person.submit(page, '/logout/confirm');
    assert.equal(response.status, 200);
  }

  /** What a relying party does with a logout token: section 2.6. */
  async function verified(call: ReceivedCall, client: RelyingParty): Promise<JWTPayload> {
    const { jwks_uri = '' } = client.configuration.serverMetadata();
    const { payload } = await jwtVerify(logoutToken(call), createRemoteJWKSet(new URL(jwks_uri)), {
      issuer: keyturn.issuer,
      audience: client.configuration.clientMetadata().client_id,
      typ: 'logout+jwt',
      algorithms: [String(client.configuration.clientMetadata().id_token_signed_response_alg)],
      requiredClaims: ['iat', 'exp', 'jti', 'events', 'sub', 'sid'],
    });
    return payload;
  }

  const logoutToken = (call: ReceivedCall) => new URLSearchParams(call.body).get('logout_token') ?? '';

  test('a sign-out sends a logout token by POST, as a form (section 2.5)', async () => {
    const client = await addClient('/told');
    const person = new Person();
    await signOut(person, await client.signIn(person, ada));
    const call = await receiver.next();
    assert.deepEqual([call.method, call.path], ['POST', '/told']);
    assert.match(String(call.headers['content-type']), /^application\/x-www-form-urlencoded/);
    assert.deepEqual([...new URLSearchParams(call.body).keys()], ['logout_token']);
  });

  for (const alg of ['ES256', 'RS256']) {
    test(`the logout token says what section 2.4 asks for, signed by ${alg} like the ID tokens of the client`, async () => {
      const client = await addClient('/', { idTokenSignedResponseAlg: alg });
      const person = new Person();
      const tokens = await client.signIn(person, ada);
      await signOut(person, tokens);
      const { iat = 0, exp = 0, ...claims } = await verified(await receiver.next(), client);
      const { sid, sub, aud, iss } = tokens.claims() ?? assert.fail();
      assert.ok(exp > iat && exp - iat <= 120, 'it should live no longer than two minutes');
      assert.match(String(claims.jti), /^[\w-]{21,}$/);
      assert.deepEqual({ ...claims, jti: null }, { iss, aud, sub, sid, jti: null, events: { [EVENT]: {} } });
      assert.equal(typeof sid, 'string');
    });
  }

  test('a logout token must not have a nonce (section 2.4)', async () => {
    const client = await addClient('/');
    const person = new Person();
    const tokens = await client.signIn(person, ada);
    assert.equal(typeof tokens.claims()?.nonce, 'string');
    await signOut(person, tokens);
    assert.equal('nonce' in decodeJwt(logoutToken(await receiver.next())), false);
  });

  test('every client that had a token in the session is told, each by its own sid, and no other (section 2.3)', async () => {
    const [one, other] = [await addClient('/one'), await addClient('/other')];
    const [stranger, silent] = [await addClient('/stranger'), await keyturn.addClient()];
    const [person, elsewhere] = [new Person(), new Person()];
    const tokens = [await one.signIn(person, ada), await other.signIn(person, ada)];
    await (await RelyingParty.discover(keyturn, silent)).signIn(person, ada);
    await stranger.signIn(elsewhere, ada);
    await signOut(person, tokens[0] as Tokens);
    const calls = [await receiver.next(), await receiver.next()].toSorted((a, b) =>
      a.path < b.path ? -1 : 1,
    );
    assert.deepEqual(
      calls.map(({ path }) => path),
      ['/one', '/other'],
    );
    const sids = calls.map((call) => decodeJwt(logoutToken(call)).sid);
    assert.deepEqual(
      sids,
      tokens.map((each) => each.claims()?.sid),
    );
    assert.notEqual(sids[0], sids[1]);
    await everythingTold();
    assert.equal(receiver.received.length, 2);
  });

  test('a client that the person has refused is not told who was there', async () => {
    const [client, refused] = [await addClient('/client'), await addClient('/refused')];
    const person = new Person();
    const tokens = await client.signIn(person, ada);
    const page = await person.visit((await refused.request()).url);
    const { leftTo } = await person.submit(page, '/cancel');
    assert.equal(leftTo?.searchParams.get('error'), 'access_denied');
    await signOut(person, tokens);
    await everythingTold();
    assert.deepEqual(
      receiver.received.map(({ path }) => path),
      ['/client'],
    );
  });

  test('a client with pairwise subjects is told of the one that it knows (OpenID Connect Core section 8)', async () => {
    const client = await addClient('/', { metadata: { subject_type: 'pairwise' } });
    const person = new Person();
    const tokens = await client.signIn(person, ada);
    await signOut(person, tokens);
    const { sub } = await verified(await receiver.next(), client);
    assert.equal(sub, tokens.claims()?.sub);
    assert.notEqual(sub, (await keyturn.services.accounts.findByLogin('ada'))?.subject);
  });

  test('the person is not kept waiting for a client that does not answer', async () => {
    const client = await addClient('/');
    receiver.answer(null);
    const person = new Person();
    await signOut(person, await client.signIn(person, ada));
    await receiver.next();
    assert.equal(receiver.received.length, 1);
  });

  for (const [how, answer] of [
    ['answers 503', (response: ServerResponse) => response.writeHead(503).end()],
    ['answers 400 (section 2.8)', (response: ServerResponse) => response.writeHead(400).end()],
    ['breaks the connection off', (response: ServerResponse) => response.destroy()],
    ['does not answer', null],
    [
      'answers by a redirect',
      (response: ServerResponse) => response.writeHead(302, { location: '/elsewhere' }).end(),
    ],
  ] as const) {
    test(`a client that ${how} is told again, by another token, until it has answered 200 or 204`, async () => {
      const client = await addClient('/');
      receiver.answer(answer);
      const person = new Person();
      await signOut(person, await client.signIn(person, ada));
      const first = await verified(await receiver.next(), client);
      receiver.answer((response) => response.writeHead(204).end());
      const second = await verified(await receiver.next(), client);
      assert.notEqual(second.jti, first.jti);
      assert.deepEqual([second.sid, second.sub], [first.sid, first.sub]);
      await deliveries('delivered');
      assert.deepEqual(
        receiver.received.map(({ path }) => path),
        ['/', '/'],
      );
    });
  }

  test('what has not been told when the server stops is told when it runs again', async () => {
    const client = await addClient('/');
    receiver.answer((response) => response.writeHead(500).end());
    const person = new Person();
    await signOut(person, await client.signIn(person, ada));
    await receiver.next();
    receiver.answer((response) => response.end());
    await keyturn.restart();
    const { sid } = await verified(await receiver.next(), client);
    assert.equal(typeof sid, 'string');
  });

  test('a client that was removed is not told any more', async () => {
    const client = await addClient('/');
    receiver.answer((response) => response.writeHead(500).end());
    const person = new Person();
    await signOut(person, await client.signIn(person, ada));
    await receiver.next();
    await keyturn.services.clients.remove(client.configuration.clientMetadata().client_id);
    await deliveries('unwanted');
    assert.equal(receiver.received.length, 1);
  });

  test('every attempt is logged, and never the token', async () => {
    const client = await addClient('/');
    const person = new Person();
    await signOut(person, await client.signIn(person, ada));
    const token = logoutToken(await receiver.next());
    const recipient = client.configuration.clientMetadata().client_id;
    const [attempt] = await deliveries('delivered');
    assert.equal(attempt?.recipient, recipient);
    assert.equal(
      keyturn.logged.some((line) => line.includes(token)),
      false,
    );
  });

  test('signing in as somebody else in the same browser ends the session before, and its clients are told', async () => {
    const { password } = await keyturn.addAccount('grace');
    const client = await addClient('/');
    const person = new Person();
    const before = (await client.signIn(person, ada)).claims();
    const { url } = await client.request({ prompt: 'login' });
    let page = await person.submit(await person.visit(url), '/sign-in', { login: 'grace', password });
    if (page.html.includes('/logout/confirm')) page = await person.submit(page, '/logout/confirm');
    const { sid, sub } = await verified(await receiver.next(), client);
    assert.deepEqual([sid, sub], [before?.sid, before?.sub]);
  });

  test('a client whose access a person takes away is told of every session that knows it, and no other client is', async () => {
    const { password } = await keyturn.addAccount('dorothy');
    const dorothy = { login: 'dorothy', password };
    const [client, other] = [await addClient('/client'), await addClient('/other')];
    const browsers = [new Person(), new Person()] as const;
    const sids = [];
    for (const browser of browsers) {
      sids.push((await client.signIn(browser, dorothy)).claims()?.sid);
      await other.signIn(browser, dorothy);
    }
    await client.signIn(new Person(), ada);
    const page = await browsers[0].visit(`${keyturn.issuer}/account/applications`);
    const { client_id } = client.configuration.clientMetadata();
    await browsers[0].submit(page, '/applications/revoke', { client: client_id });
    const told = [await receiver.next(), await receiver.next()];
    assert.deepEqual([...new Set(told.map(({ path }) => path))], ['/client']);
    const claims = await Promise.all(told.map((call) => verified(call, client)));
    assert.deepEqual(claims.map(({ sid }) => sid).toSorted(), sids.toSorted());
    await everythingTold();
    assert.equal(receiver.received.length, 2);
    assert.equal((await keyturn.services.sessions.listOf(String(claims[0]?.sub))).length, 2, 'they go on');
  });

  describe('a session that somebody else ends', () => {
    for (const [how, end] of [
      ['signs the account out', (subject: string) => keyturn.services.accounts.signOutEverywhere(subject)],
      ['locks the account', (subject: string) => keyturn.services.accounts.lock(subject)],
      ['removes the account', (subject: string) => keyturn.services.accounts.remove(subject)],
      [
        'sets a new password',
        (subject: string) =>
          keyturn.services.accounts.setPassword(subject, new Secret('another quick brown fox')),
      ],
    ] as const) {
      test(`is told to its clients when an administrator ${how}`, async () => {
        const { account, password } = await keyturn.addAccount(`bob-${how.split(' ')[0]}`);
        const client = await addClient('/');
        const credentials = { login: account.username, password };
        const browsers = [new Person(), new Person()];
        const sids = [];
        for (const browser of browsers) sids.push((await client.signIn(browser, credentials)).claims()?.sid);
        await end(account.subject);
        const told = [await receiver.next(), await receiver.next()].map((call) =>
          decodeJwt(logoutToken(call)),
        );
        assert.deepEqual(told.map(({ sid }) => sid).toSorted(), sids.toSorted());
        assert.deepEqual([...new Set(told.map(({ sub }) => sub))], [account.subject]);
      });
    }

    test('is told again only if it was: an account that is locked and unlocked signs in as before', async () => {
      const { account, password } = await keyturn.addAccount('carol');
      const client = await addClient('/');
      const person = new Person();
      const tokens = await client.signIn(person, { login: 'carol', password });
      await keyturn.services.accounts.lock(account.subject);
      await receiver.next();
      await keyturn.services.accounts.unlock(account.subject);
      assert.equal((await client.introspect(tokens.access_token)).active, true);
      const { url } = await client.request({ prompt: 'none' });
      assert.ok((await person.visit(url)).leftTo?.searchParams.has('code'));
    });
  });

  /** Settles when this test's clients have nothing left to be told: what there is is stored before it is answered. */
  async function everythingTold(): Promise<void> {
    const signal = AbortSignal.timeout(20_000);
    const { records } = keyturn.services.store;
    const isWaiting = async () => {
      const waiting = await Array.fromAsync(everyValue<Delivery>(records, 'delivery'));
      return waiting.some(({ recipient }) => clientIds.has(recipient));
    };
    while (await isWaiting()) await setTimeout(20, undefined, { signal });
  }

  /** What was logged of deliveries to the receiver's clients that came out so, once there is something. */
  async function deliveries(outcome: string): Promise<Record<string, unknown>[]> {
    const signal = AbortSignal.timeout(20_000);
    for (;;) {
      const found = keyturn.logged
        .map((line) => JSON.parse(line))
        .filter(
          (entry) => entry.msg === 'delivery' && entry.outcome === outcome && clientIds.has(entry.recipient),
        );
      if (found.length > 0) return found;
      await setTimeout(20, undefined, { signal });
    }
  }
});

describe('back-channel logout where private networks are out of reach', () => {
  test('a client on one is never called, and that is logged', async () => {
    await using keyturn = await startKeyturnHere();
    await using receiver = await startReceiver();
    const { password } = await keyturn.addAccount('ada');
    const client = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ metadata: { backchannel_logout_uri: receiver.origin } }),
    );
    const person = new Person();
    const tokens = await client.signIn(person, { login: 'ada', password });
    await keyturn.services.accounts.signOutEverywhere(tokens.claims()?.sub ?? '');
    const signal = AbortSignal.timeout(20_000);
    while (!keyturn.logged.some((line) => JSON.parse(line).outcome === 'failed'))
      await setTimeout(20, undefined, { signal });
    assert.deepEqual(receiver.received, []);
  });
});

describe('back-channel logout where anyone may register', () => {
  test('clients that came uninvited, and never answer, do not hold up the notice of another', async () => {
    await using keyturn = await startKeyturnHere({
      KEYTURN_ALLOW_PRIVATE_NETWORK: 'true',
      KEYTURN_REGISTRATION: 'open',
      KEYTURN_HTTP_OUTGOING_TIMEOUT: '60s',
      KEYTURN_OUTBOX_RETRY_AFTER: '120s',
    });
    await using receivers = new AsyncDisposableStack();
    const { password } = await keyturn.addAccount('ada');
    const person = new Person();
    const signInTo = async (added: Parameters<typeof RelyingParty.discover>[1], algorithm: string) => {
      const client = await RelyingParty.discover(keyturn, added, { id_token_signed_response_alg: algorithm });
      return client.signIn(person, { login: 'ada', password });
    };
    // More of them, each at an origin of its own, than there are places in all.
    for (let each = 0; each <= keyturn.services.config.outbox.parallel; each += 1) {
      const hostile = receivers.use(await startReceiver());
      hostile.answer(null);
      const registered = await fetch(`${keyturn.issuer}/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ redirect_uris: [CALLBACK], backchannel_logout_uri: hostile.origin }),
      });
      const { client_id: clientId, client_secret: secret } = (await registered.json()) as Record<
        string,
        string
      >;
      assert.ok(clientId && secret);
      const client = { clientId, authenticationMethod: 'client_secret_basic' } as const;
      await signInTo({ client, secret }, 'RS256');
    }
    const good = receivers.use(await startReceiver());
    const added = await keyturn.addClient({ metadata: { backchannel_logout_uri: good.origin } });
    const tokens = await signInTo(added, 'ES256');
    await keyturn.services.accounts.signOutEverywhere(tokens.claims()?.sub ?? '');
    await good.next();
    const ended = keyturn.logged.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'delivery');
    assert.deepEqual(
      ended.filter(({ recipient }) => recipient !== added.client.clientId),
      [],
      'all the others are still being waited for',
    );
  });
});

describe('sid (OpenID Connect Back-Channel Logout section 2.1)', () => {
  let keyturn: Keyturn;
  const ada = { login: 'ada', password: '' };
  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const party = async () => RelyingParty.discover(keyturn, await keyturn.addClient());

  test('ID token and access token say it, and it stays the same when the token is refreshed', async () => {
    const client = await party();
    const tokens = await client.signIn(new Person(), ada);
    const sid = tokens.claims()?.sid;
    assert.equal(typeof sid, 'string');
    const refreshed = await client.refresh(tokens.refresh_token ?? '');
    assert.equal(refreshed.claims()?.sid, sid);
    for (const each of [tokens, refreshed]) assert.equal(decodeJwt(each.access_token).sid, sid);
    assert.equal((await client.introspect(tokens.access_token)).sid, sid);
  });

  test('it is the same for every sign-in of a client in one browser, and differs between clients and browsers', async () => {
    const [one, other] = [await party(), await party()];
    const person = new Person();
    const sidOf = async (client: RelyingParty, browser: Person) =>
      (await client.signIn(browser, ada)).claims()?.sid;
    const first = await sidOf(one, person);
    assert.equal(await sidOf(one, person), first);
    const others = [await sidOf(other, person), await sidOf(one, new Person())];
    assert.equal(new Set([first, ...others]).size, 3);
  });
});

test('backchannel_logout_supported and backchannel_logout_session_supported are true (section 2.1)', async () => {
  await using keyturn = await startKeyturnHere();
  const response = await fetch(`${keyturn.issuer}/.well-known/openid-configuration`);
  const metadata = (await response.json()) as Record<string, unknown>;
  assert.equal(metadata.backchannel_logout_supported, true);
  assert.equal(metadata.backchannel_logout_session_supported, true);
});
