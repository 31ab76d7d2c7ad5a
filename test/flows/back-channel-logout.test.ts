import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { createRemoteJWKSet, decodeJwt, type JWTPayload, jwtVerify } from 'jose';
import type { ClientRegistration } from '#src/clients/client.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
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
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere(SETTINGS);
    ada.password = (await keyturn.addAccount('ada')).password;
  });
  after(() => keyturn[Symbol.asyncDispose]());
  beforeEach(async () => {
    receiver = await startReceiver();
  });
  afterEach(() => receiver[Symbol.asyncDispose]());

  /** A client that wants to be told at this path of the receiver. */
  async function addClient(path: string, registration: Partial<ClientRegistration> = {}) {
    const added = await keyturn.addClient({
      scope: 'openid offline_access',
      ...registration,
      metadata: { backchannel_logout_uri: `${receiver.origin}${path}`, ...registration.metadata },
    });
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
    assert.equal((await receiver.next()).path, '/client');
    assert.equal(receiver.received.length, 1);
  });
});
