import assert from 'node:assert/strict';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { systemClock } from '#src/clock.ts';
import { signJwt } from '#src/signing/jws.ts';
import { KeyHolder } from '#src/signing/key-holder.ts';
import { ACCESS_TOKEN_TYPE } from '#src/tokens/access-token.ts';
import { type Certified, certify } from '#test/support/certificates.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import {
  type Added,
  API,
  type Exchanged,
  ExchangeHouse,
  ORDERS,
  ORDERS_AUDIENCE,
  TOKEN_EXCHANGE,
  TYPE,
  VAULT,
} from '#test/support/token-exchange.ts';

const TWO_MINUTES_MS = 120_000;
/** More often than a token request looks at the clock. */
const CLOCK_LOOKS_MAX = 40;

describe('what an exchanged token may do (RFC 8693)', () => {
  let house: ExchangeHouse;
  let gateway: Added;
  /** Where people work on behalf of other people. */
  let desk: Added;
  let deskParty: RelyingParty;

  before(async () => {
    house = await ExchangeHouse.open();
    gateway = house.gateway;
    desk = await house.keyturn.addClient({
      name: 'Support desk',
      grantTypes: ['authorization_code', 'refresh_token', TOKEN_EXCHANGE],
      scope: 'openid read',
      tokenExchange: { from: [API], to: [API, ORDERS], semantics: ['delegation', 'impersonation'] },
    });
    deskParty = await RelyingParty.discover(house.keyturn, desk);
  });
  afterEach(() => mock.timers.reset());
  after(() => house[Symbol.asyncDispose]());

  const newExchanger = (from: string[], to: string[], more: object = {}) =>
    house.keyturn.addClient({
      name: 'Exchanger',
      redirectUris: [],
      grantTypes: [TOKEN_EXCHANGE],
      scope: 'read ship',
      tokenExchange: { from, to },
      ...more,
    });

  /** An access token of the gateway itself. */
  async function ofGateway(scope: string, resource: string): Promise<string> {
    const fields = { grant_type: 'client_credentials', scope, resource };
    return (await house.served(gateway, fields)).access_token;
  }

  test('a client that is not registered for it exchanges nothing (section 5)', async () => {
    const { access_token: subject } = await house.signIn();
    assert.equal(await house.refused(house.webClient, house.fields(subject)), 'unauthorized_client');
  });

  test('nor does one that cannot prove who it is (section 5)', async () => {
    const { access_token: subject } = await house.signIn();
    const unproven = await house.post({ ...gateway, secret: 'guessed' }, house.fields(subject));
    assert.equal(unproven.status, 401);
    const registration = {
      name: 'Public',
      authenticationMethod: 'none' as const,
      grantTypes: [TOKEN_EXCHANGE],
    };
    await assert.rejects(
      house.keyturn.services.clients.add({ ...registration, tokenExchange: { to: [ORDERS] } }),
      /confidential/,
    );
  });

  test('a token of an audience that the client does not stand for is refused, whatever its scope (section 5)', async () => {
    const { access_token: subject } = await house.signIn();
    const stranger = await newExchanger([VAULT], [ORDERS]);
    assert.equal(await house.refused(stranger, house.fields(subject)), 'invalid_request');
  });

  test('it allows no more than the subject token, the client and the target (section 2.1)', async () => {
    const { access_token: reading } = await house.signIn(house.ada, { scope: 'openid read' });
    const { access_token: writing } = await house.signIn(house.ada, { scope: 'openid write' });
    assert.equal((await house.served(gateway, house.fields(reading))).scope, 'read');
    for (const [token, scope] of [
      [reading, 'ship'],
      [reading, 'read ship'],
      [reading, 'write'],
      [reading, 'openid'],
      [reading, 'read offline_access'],
      [reading, 'nothing'],
      [reading, 'x'.repeat(129)],
      [writing, undefined],
      [writing, 'write'],
      [writing, 'read'],
    ] as const)
      assert.equal(await house.refused(gateway, house.fields(token, { scope })), 'invalid_scope', scope);
    const narrow = await newExchanger([API], [ORDERS], { scope: 'ship' });
    assert.equal(await house.refused(narrow, house.fields(reading)), 'invalid_scope');
  });

  test('it ends no later than the subject token, though tokens for its target live longer', async () => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const { access_token: subject } = await house.signIn();
    mock.timers.setTime(Date.now() + TWO_MINUTES_MS);
    const answer = await house.served(gateway, house.fields(subject));
    assert.equal(decodeJwt(answer.access_token).exp, decodeJwt(subject).exp);
    assert.equal(answer.expires_in, 180);
    const opaque = await house.served(gateway, house.fields(subject, { resource: VAULT }));
    assert.equal((await house.introspect(gateway, opaque.access_token)).exp, decodeJwt(subject).exp);
  });

  test('nor does it where the subject token ends while it is being exchanged', async () => {
    const { access_token: subject } = await house.signIn();
    const end = decodeJwt(subject).exp as number;
    const opaque = await house.served(gateway, house.fields(subject, { resource: VAULT }));
    for (const [token, resource] of [
      [subject, ORDERS],
      [subject, VAULT],
      [opaque.access_token, ORDERS],
    ] as const) {
      const outcomes = new Set<number>();
      // Its last second is over when the clock has been looked at so often.
      for (let looks = 0; looks < CLOCK_LOOKS_MAX; looks += 1) {
        let left = looks;
        mock.method(Date, 'now', () => (left-- > 0 ? end - 1 : end) * 1000);
        const response = await house.post(gateway, house.fields(token, { resource }));
        mock.restoreAll();
        outcomes.add(response.status);
        if (response.status !== 200) continue;
        const { access_token, expires_in } = (await response.json()) as Exchanged;
        assert.equal(expires_in, 1);
        const { exp } =
          resource === VAULT ? await house.introspect(gateway, access_token) : decodeJwt(access_token);
        assert.equal(exp, end, `after ${looks} looks`);
      }
      assert.deepEqual([...outcomes].toSorted(), [200, 400]);
    }
  });

  test('a client may exchange its own token for one that allows less', async () => {
    const desktop = await deskParty.signIn(new Person(), house.ada, { scope: 'openid read', resource: API });
    const answer = await house.served(desk, house.fields(desktop.access_token, { resource: API }));
    const claims = decodeJwt(answer.access_token);
    assert.equal(claims.aud, API);
    assert.equal(claims.act, undefined, 'a client that may impersonate and sends no actor token does');
    assert.equal(claims.sub, decodeJwt(desktop.access_token).sub);
  });

  test('who acted before stays within who acts now (section 4.1)', async () => {
    const backend = await newExchanger([ORDERS_AUDIENCE], [ORDERS, VAULT]);
    const { access_token: subject } = await house.signIn();
    const once = await house.served(gateway, house.fields(subject));
    const acted = { sub: backend.client.clientId, act: { sub: gateway.client.clientId } };
    const twice = await house.served(backend, house.fields(once.access_token));
    assert.deepEqual(decodeJwt(twice.access_token).act, acted);
    assert.equal(decodeJwt(twice.access_token).sub, decodeJwt(subject).sub);
    assert.equal(decodeJwt(twice.access_token).client_id, backend.client.clientId);
    const opaque = await house.served(backend, house.fields(once.access_token, { resource: VAULT }));
    assert.deepEqual((await house.introspect(backend, opaque.access_token)).act, acted);
    const thrice = await house.served(gateway, house.fields(opaque.access_token));
    assert.deepEqual(decodeJwt(thrice.access_token).act, { sub: gateway.client.clientId, act: acted });
  });

  test('a person may act for another through a client that knows them both (sections 1.1 and 2.1)', async () => {
    const [ada, bob] = await Promise.all([
      house.signIn(),
      deskParty.signIn(new Person(), house.bob, { scope: 'openid' }),
    ]);
    const actor = { actor_token: bob.id_token, actor_token_type: `${TYPE}id_token` };
    const answer = await house.served(desk, house.fields(ada.access_token, actor));
    const claims = decodeJwt(answer.access_token);
    assert.equal(claims.sub, decodeJwt(ada.access_token).sub);
    assert.deepEqual(claims.act, { sub: bob.claims()?.sub });
    assert.ok(await house.isActive(desk, answer.access_token));
    await house.keyturn.services.accounts.signOutEverywhere(bob.claims()?.sub ?? '');
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 1000 });
    assert.equal(
      await house.isActive(desk, answer.access_token),
      false,
      'it rests on the sign-in of who acts',
    );
  });

  test('an actor token that is of another client, not what it is said to be, or ended is refused (section 2.2.2)', async () => {
    const ada = await house.signIn();
    const bob = await deskParty.signIn(new Person(), house.bob, { scope: 'openid' });
    const acting = (actor_token: string | undefined, type = 'access_token') =>
      house.refused(desk, house.fields(ada.access_token, { actor_token, actor_token_type: TYPE + type }));
    assert.equal(await acting(ada.access_token), 'invalid_request', 'issued to another client');
    assert.equal(await acting(ada.id_token, 'id_token'), 'invalid_request', 'issued to another client');
    assert.equal(await acting(bob.id_token), 'invalid_request', 'an ID token as an access token');
    assert.equal(await acting('nonsense'), 'invalid_request');
    await deskParty.revoke(bob.access_token);
    assert.equal(await acting(bob.access_token), 'invalid_request', 'revoked');
  });

  test('a client that may only impersonate cannot act with an actor token, nor the other way round', async () => {
    const { access_token: subject } = await house.signIn();
    const double = await newExchanger([API], [ORDERS], {
      grantTypes: ['client_credentials', TOKEN_EXCHANGE],
      tokenExchange: { from: [API], to: [ORDERS], semantics: ['impersonation'] },
    });
    const own = await house.served(double, {
      grant_type: 'client_credentials',
      scope: 'read',
      resource: API,
    });
    const actor = { actor_token: own.access_token, actor_token_type: `${TYPE}access_token` };
    assert.equal(await house.refused(double, house.fields(subject, actor)), 'invalid_request');
    const alone = decodeJwt((await house.served(double, house.fields(subject))).access_token);
    assert.equal(alone.act, undefined);
    assert.equal(alone.sub, decodeJwt(subject).sub);
  });

  test('a subject token that names who may act is good for that party alone (section 4.4)', async () => {
    const { access_token: token } = await house.signIn();
    await using keys = new KeyHolder({
      rotation: house.keyturn.services.rotation,
      clock: systemClock,
      onFault: (error) => assert.fail(String(error)),
    });
    const naming = (may_act: object) =>
      signJwt(keys.signer('ES256'), { typ: ACCESS_TOKEN_TYPE }, { ...decodeJwt(token), may_act });
    const { clientId } = gateway.client;
    const named = await naming({ sub: clientId, iss: house.keyturn.issuer });
    const answer = await house.served(gateway, house.fields(named));
    assert.deepEqual(decodeJwt(answer.access_token).act, { sub: clientId });
    const other = await naming({ sub: desk.client.clientId });
    assert.equal(await house.refused(gateway, house.fields(other)), 'invalid_request');
  });

  test("a service's own token can be exchanged too, and then the subject is that service", async () => {
    const backend = await newExchanger([API], [ORDERS]);
    const subject = await ofGateway('read', API);
    const answer = await house.served(backend, house.fields(subject));
    const claims = decodeJwt(answer.access_token);
    assert.equal(claims.sub, gateway.client.clientId);
    assert.equal(claims.client_id, backend.client.clientId);
    assert.deepEqual(claims.act, { sub: backend.client.clientId });
    assert.equal((await house.introspect(backend, answer.access_token)).sub, gateway.client.clientId);
    await house.keyturn.services.clients.remove(backend.client.clientId);
  });

  test('an ID token is exchanged by the client that it was issued to, for what the person has allowed it there', async () => {
    const tokens = await deskParty.signIn(new Person(), house.ada, {
      scope: 'openid read',
      resource: ORDERS,
    });
    const asIdToken = { subject_token_type: `${TYPE}id_token` };
    const answer = await house.served(desk, house.fields(tokens.id_token ?? '', asIdToken));
    assert.equal(answer.scope, 'read');
    assert.equal(decodeJwt(answer.access_token).sub, tokens.claims()?.sub);
    assert.equal(decodeJwt(answer.access_token).auth_time, decodeJwt(tokens.access_token).auth_time);
    // Consent to another application is no consent to this one.
    const elsewhere = await house.signIn();
    const foreign = house.fields(elsewhere.id_token ?? '', asIdToken);
    assert.equal(await house.refused(gateway, foreign), 'invalid_request');
    assert.equal(await house.refused(desk, foreign), 'invalid_request');
    const bob = await deskParty.signIn(new Person(), house.bob, { scope: 'openid' });
    const unasked = house.fields(bob.id_token ?? '', asIdToken);
    assert.equal(await house.refused(desk, unasked), 'invalid_target', 'never asked about the API');
    await deskParty.revoke(tokens.refresh_token ?? '');
    assert.equal(await house.isActive(desk, answer.access_token), false, 'it ends with the sign-in');
    assert.equal(
      await house.refused(desk, house.fields(tokens.id_token ?? '', asIdToken)),
      'invalid_request',
      'and the ID token can be exchanged no more',
    );
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 601_000 });
    assert.equal(await house.refused(desk, unasked), 'invalid_request', 'an expired one');
  });

  test('it falls with the token that it was exchanged for, along the whole chain (RFC 7009 section 2.1)', async () => {
    const backend = await newExchanger([ORDERS_AUDIENCE], [ORDERS, VAULT]);
    const { access_token: subject } = await house.signIn();
    const once = await house.served(gateway, house.fields(subject));
    const twice = await house.served(backend, house.fields(once.access_token));
    const opaque = await house.served(backend, house.fields(once.access_token, { resource: VAULT }));
    const other = await house.served(gateway, house.fields((await house.signIn()).access_token));
    for (const { access_token } of [twice, opaque]) assert.ok(await house.isActive(backend, access_token));
    await house.web.revoke(subject);
    assert.equal(await house.isActive(gateway, once.access_token), false);
    for (const { access_token } of [twice, opaque])
      assert.equal(await house.isActive(backend, access_token), false);
    assert.ok(await house.isActive(gateway, other.access_token));
    assert.equal(await house.refused(backend, house.fields(once.access_token)), 'invalid_request');
  });

  test('it falls with an opaque subject token too, whose text it does not tell', async () => {
    const { access_token: subject } = await house.signIn();
    const opaque = await house.served(gateway, house.fields(subject, { resource: VAULT }));
    const answer = await house.served(gateway, house.fields(opaque.access_token));
    assert.equal(JSON.stringify(decodeJwt(answer.access_token)).includes(opaque.access_token), false);
    assert.ok(await house.isActive(gateway, answer.access_token));
    await house.post(gateway, { token: opaque.access_token }, {}, '/revoke');
    assert.equal(await house.isActive(gateway, opaque.access_token), false);
    assert.equal(await house.isActive(gateway, answer.access_token), false);
  });

  test('revoking it ends it alone', async () => {
    const { access_token: subject } = await house.signIn();
    const answer = await house.served(gateway, house.fields(subject));
    await house.post(gateway, { token: answer.access_token }, {}, '/revoke');
    assert.equal(await house.isActive(gateway, answer.access_token), false);
    assert.equal((await house.web.introspect(subject)).active, true);
  });

  test('it ends with the sign-in, at once: signing out, revoking the refresh token, locking the account', async () => {
    const ends: Record<
      string,
      (person: Person, tokens: Awaited<ReturnType<ExchangeHouse['signIn']>>) => unknown
    > = {
      'signing out': async (person, { id_token = '' }) => {
        const page = await person.visit(`${house.keyturn.issuer}/logout?id_token_hint=${id_token}`);
        await person.submit(page, '/logout/confirm');
      },
      'revoking the refresh token': (_person, { refresh_token = '' }) => house.web.revoke(refresh_token),
      'locking the account': (_person, tokens) =>
        house.keyturn.services.accounts.lock(tokens.claims()?.sub ?? ''),
    };
    for (const [what, end] of Object.entries(ends)) {
      const person = new Person();
      const tokens = await house.signIn(house.bob, {}, person);
      const jwt = await house.served(gateway, house.fields(tokens.access_token));
      const opaque = await house.served(gateway, house.fields(tokens.access_token, { resource: VAULT }));
      for (const { access_token } of [jwt, opaque])
        assert.ok(await house.isActive(gateway, access_token), what);
      await end(person, tokens);
      for (const { access_token } of [jwt, opaque])
        assert.equal(await house.isActive(gateway, access_token), false, what);
    }
  });

  test('it ends with either client that is removed', async () => {
    for (const which of ['exchanger', 'application'] as const) {
      const application = await house.keyturn.addClient({ scope: 'openid read' });
      const party = await RelyingParty.discover(house.keyturn, application);
      const tokens = await party.signIn(new Person(), house.ada, { scope: 'openid read', resource: API });
      const exchanger = await newExchanger([API], [ORDERS]);
      const { resourceServer, secret } = await house.keyturn.addResourceServer({
        identifier: `https://${which}.example.com`,
        scope: ['read'],
      });
      const between = await newExchanger([API], [resourceServer.identifier]);
      const answer = await house.served(
        which === 'exchanger' ? exchanger : between,
        house.fields(tokens.access_token, {
          resource: which === 'exchanger' ? ORDERS : resourceServer.identifier,
        }),
      );
      const asking = { client: { ...gateway.client, clientId: resourceServer.clientId }, secret };
      if (which === 'application') assert.ok(await house.isActive(asking, answer.access_token));
      const gone = which === 'exchanger' ? exchanger : application;
      await house.keyturn.services.clients.remove(gone.client.clientId);
      assert.equal(await house.isActive(asking, answer.access_token), false, which);
    }
  });

  test('the target and the client that holds it may ask about it, and userinfo is not for it (RFC 7662 section 4)', async () => {
    const { access_token: subject } = await house.signIn();
    const answer = await house.served(gateway, house.fields(subject));
    assert.equal(
      await house.isActive(house.webClient, answer.access_token),
      false,
      'not who gave the subject',
    );
    const told = await house.introspect(gateway, answer.access_token);
    assert.equal(told.client_id, gateway.client.clientId);
    assert.equal(told.sub, decodeJwt(subject).sub);
    assert.deepEqual(told.act, { sub: gateway.client.clientId }, 'RFC 8693 section 4.1');
    const { status } = await fetch(`${house.keyturn.issuer}/userinfo`, {
      headers: { authorization: `Bearer ${answer.access_token}` },
    });
    assert.equal(status, 403);
  });

  test('every exchange is in the log: who, for whom, whose token, at what', async () => {
    const { access_token: subject } = await house.signIn();
    await house.served(gateway, house.fields(subject));
    const logged = house.keyturn.logged
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .findLast(({ msg }) => msg === 'token exchanged');
    const { requestId, clientId, semantics, actor, subjectClientId, resource, scope } = logged ?? {};
    assert.ok(requestId);
    assert.deepEqual(
      { clientId, semantics, actor, subjectClientId, resource, scope, subject: logged?.subject },
      {
        clientId: gateway.client.clientId,
        semantics: 'delegation',
        actor: gateway.client.clientId,
        subjectClientId: house.webClient.client.clientId,
        resource: ORDERS,
        scope: 'read',
        subject: decodeJwt(subject).sub,
      },
    );
    assert.equal(
      house.keyturn.logged.some((line) => line.includes(subject)),
      false,
    );
  });
});

describe('exchanging tokens that are bound to a key (RFC 9449)', () => {
  let house: ExchangeHouse;
  before(async () => {
    house = await ExchangeHouse.open();
  });
  after(() => house[Symbol.asyncDispose]());

  type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;
  const newPair = () => generateKeyPair('ES256', { extractable: true });

  async function proof(pair: KeyPair): Promise<string> {
    return new SignJWT({ htm: 'POST', htu: `${house.keyturn.issuer}/token`, jti: crypto.randomUUID() })
      .setIssuedAt()
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: await exportJWK(pair.publicKey) })
      .sign(pair.privateKey);
  }

  async function boundToken(pair: KeyPair): Promise<string> {
    const fields = { grant_type: 'client_credentials', scope: 'read', resource: VAULT };
    const answer = await house.served(house.gateway, fields, { dpop: await proof(pair) });
    assert.equal(answer.token_type, 'DPoP');
    return answer.access_token;
  }

  test('an exchanged token is bound to the key whose proof came with the request (section 5)', async () => {
    const pair = await newPair();
    const { access_token: subject } = await house.signIn();
    const answer = await house.served(house.gateway, house.fields(subject), { dpop: await proof(pair) });
    assert.equal(answer.token_type, 'DPoP');
    const jkt = await calculateJwkThumbprint(await exportJWK(pair.publicKey));
    assert.deepEqual(decodeJwt(answer.access_token).cnf, { jkt });
  });

  test('a proof is good for one exchange (section 11.1)', async () => {
    const { access_token: subject } = await house.signIn();
    const dpop = await proof(await newPair());
    await house.served(house.gateway, house.fields(subject), { dpop });
    assert.equal(await house.refused(house.gateway, house.fields(subject), { dpop }), 'invalid_grant');
  });

  test('a bound token is exchanged only with a proof by its key, and stays bound', async () => {
    const pair = await newPair();
    for (const subject of [
      await boundToken(pair),
      (await house.served(house.gateway, house.fields(await boundToken(pair)), { dpop: await proof(pair) }))
        .access_token,
    ]) {
      const fields = house.fields(subject, { scope: 'read' });
      assert.equal(await house.refused(house.gateway, fields), 'invalid_request', 'no proof');
      assert.equal(
        await house.refused(house.gateway, fields, { dpop: await proof(await newPair()) }),
        'invalid_request',
        'a proof by another key',
      );
      const answer = await house.served(house.gateway, fields, { dpop: await proof(pair) });
      assert.equal(answer.token_type, 'DPoP');
    }
  });

  test('an actor token that is bound is taken only with a proof by its key', async () => {
    const pair = await newPair();
    const { access_token: subject } = await house.signIn();
    const actor = {
      actor_token: await boundToken(pair),
      actor_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    };
    const fields = house.fields(subject, actor);
    assert.equal(await house.refused(house.gateway, fields), 'invalid_request');
    assert.ok((await house.served(house.gateway, fields, { dpop: await proof(pair) })).access_token);
  });
});

describe('exchanging tokens that are bound to a certificate (RFC 8705)', () => {
  let house: ExchangeHouse;
  let bound: Added;
  let own: Record<string, string>;
  let thumbprint: string;
  let foreign: Record<string, string>;
  let subject: string;

  before(async () => {
    house = await ExchangeHouse.open({
      KEYTURN_TRUST_PROXY: '127.0.0.1',
      KEYTURN_MUTUAL_TLS_FROM: 'header',
    });
    bound = await house.keyturn.addClient({
      name: 'Bound',
      redirectUris: [],
      grantTypes: ['client_credentials', TOKEN_EXCHANGE],
      scope: 'read',
      tokenExchange: { from: [API], to: [ORDERS] },
      metadata: { tls_client_certificate_bound_access_tokens: true },
    });
    const [first, second] = await Promise.all([certify({}), certify({})]);
    own = shown(first);
    thumbprint = first.thumbprint;
    foreign = shown(second);
    const fields = { grant_type: 'client_credentials', scope: 'read', resource: API };
    subject = (await house.served(bound, fields, own)).access_token;
  });
  after(() => house[Symbol.asyncDispose]());

  /** What the proxy passes on: RFC 9440 section 2. */
  const shown = ({ x509 }: Certified) => ({ 'client-cert': `:${x509.raw.toString('base64')}:` });

  test('what comes of an exchange is bound to the certificate that the client shows (section 3)', async () => {
    const { access_token: ofAda } = await house.signIn();
    for (const token of [subject, ofAda]) {
      const answer = await house.served(bound, house.fields(token), own);
      assert.deepEqual(decodeJwt(answer.access_token).cnf, { 'x5t#S256': thumbprint });
    }
  });

  test('a bound token is exchanged only by who shows its certificate', async () => {
    assert.equal(await house.refused(bound, house.fields(subject), foreign), 'invalid_request');
    assert.equal(await house.refused(bound, house.fields(subject)), 'invalid_grant', 'none shown');
    assert.equal(await house.refused(house.gateway, house.fields(subject)), 'invalid_request');
    assert.equal(
      await house.refused(house.gateway, house.fields(subject), own),
      'invalid_request',
      'whose tokens would not be bound',
    );
  });
});
