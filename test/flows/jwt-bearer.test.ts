import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { parseEmailAddress } from '#src/accounts/email-address.ts';
import { parseUsername } from '#src/accounts/username.ts';
import type { ClientRegistration } from '#src/clients/client.ts';
import type { TrustedIssuerRegistration } from '#src/federation/trusted-issuer.ts';
import { Secret } from '#src/secret.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { later } from '#test/support/later.ts';
import { refusalOf } from '#test/support/refused.ts';

const API = 'https://api.example.com';
const OTHER_API = 'https://other.example.com';
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** A build service whose workloads act for themselves, and a company's sign-in whose assertions are about people. */
const CI = 'https://ci.example.com';
const COMPANY = 'https://sso.example.com';

type Added = Awaited<ReturnType<Keyturn['addClient']>>;
type Fields = Record<string, string | undefined>;

describe('JWTs as authorization grants (RFC 7523 section 2.1)', () => {
  let keyturn: Keyturn;
  let pair: Awaited<ReturnType<typeof generateKeyPair>>;
  let publicJwk: Record<string, unknown>;
  let deploy: Added;
  let mobile: Added;
  /** Her subject. */
  let ada: string;

  before(async () => {
    keyturn = await startKeyturnHere();
    pair = await generateKeyPair('ES256', { extractable: true });
    publicJwk = { ...(await exportJWK(pair.publicKey)), kid: 'one', alg: 'ES256', use: 'sig' };
    await keyturn.addResourceServer();
    await keyturn.addResourceServer({ identifier: OTHER_API, scope: ['look', 'read'] });
    await trust({ issuer: CI });
    await trust({ issuer: COMPANY, subjects: 'email', scope: 'read', accessTokenLifetimeSeconds: 60 });
    deploy = await register({
      scope: 'read write look',
      jwtBearer: { issuer: CI, claims: { sub: ['repo:acme/site'] } },
    });
    mobile = await register({ jwtBearer: { issuer: COMPANY } });
    ada = await addPerson('ada');
  });
  afterEach(() => mock.timers.reset());
  after(() => stopFaultless(keyturn));

  const trust = (more: Partial<TrustedIssuerRegistration>) =>
    keyturn.services.trustedIssuers.add({ jwks: { keys: [publicJwk] }, ...more });

  /** Someone with an account whose address has been seen to be theirs. */
  async function addPerson(username: string): Promise<string> {
    const account = await keyturn.services.accounts.add({
      username: parseUsername(username),
      email: parseEmailAddress(`${username}@example.com`),
      emailVerified: true,
      password: new Secret('the quick brown fox of tests'),
    });
    return account.subject;
  }

  const register = (more: Partial<ClientRegistration>) =>
    keyturn.addClient({ redirectUris: [], grantTypes: [GRANT], scope: 'read write', ...more });

  const now = () => Math.floor(Date.now() / 1000);

  /** An assertion of the build service, with anything about it changed. */
  function assertion(claims: object = {}, header: object = {}, key = pair.privateKey): Promise<string> {
    const says = {
      iss: CI,
      sub: 'repo:acme/site',
      aud: keyturn.issuer,
      iat: now(),
      exp: now() + 300,
      jti: crypto.randomUUID(),
      ...claims,
    };
    return new SignJWT(JSON.parse(JSON.stringify(says)))
      .setProtectedHeader({ alg: 'ES256', kid: 'one', ...header })
      .sign(key);
  }

  const aboutAda = (claims: object = {}) =>
    assertion({ iss: COMPANY, sub: '4711', email: 'ada@example.com', email_verified: true, ...claims });

  function post(by: Added, fields: Fields): Promise<Response> {
    const given = Object.entries({ grant_type: GRANT, resource: API, ...fields });
    const body = new URLSearchParams(
      given.filter((entry): entry is [string, string] => entry[1] !== undefined),
    );
    const isPublic = by.client.authenticationMethod === 'none';
    if (isPublic) body.set('client_id', by.client.clientId);
    const credentials = Buffer.from(`${by.client.clientId}:${by.secret}`).toString('base64');
    return fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      body,
      ...(isPublic ? undefined : { headers: { authorization: `Basic ${credentials}` } }),
    });
  }

  async function served(
    by: Added,
    fields: Fields,
  ): Promise<Record<string, unknown> & { access_token: string }> {
    const response = await post(by, fields);
    assert.equal(response.status, 200, await response.clone().text());
    return (await response.json()) as Record<string, unknown> & { access_token: string };
  }

  async function refused(by: Added, fields: Fields): Promise<string> {
    const { status, error } = await refusalOf(await post(by, fields));
    assert.equal(status, 400);
    return error;
  }

  async function introspect(by: Added, token: string): Promise<Record<string, unknown>> {
    const credentials = Buffer.from(`${by.client.clientId}:${by.secret}`).toString('base64');
    const response = await fetch(`${keyturn.issuer}/introspect`, {
      method: 'POST',
      headers: { authorization: `Basic ${credentials}` },
      body: new URLSearchParams({ token }),
    });
    return (await response.json()) as Record<string, unknown>;
  }

  test('a workload gets a token for itself by an assertion of the issuer that it is registered for', async () => {
    const answer = await served(deploy, { assertion: await assertion(), scope: 'write' });
    assert.equal(answer.scope, 'write');
    assert.equal(answer.refresh_token, undefined);
    const claims = decodeJwt(answer.access_token);
    assert.equal(claims.sub, deploy.client.clientId);
    assert.equal(claims.client_id, deploy.client.clientId);
    assert.equal(claims.aud, API);
    assert.equal(claims.grant_id, undefined);
    assert.equal((await introspect(deploy, answer.access_token)).active, true);
  });

  test('it needs no secret of its own then: a public client may bring assertions', async () => {
    const keyless = await register({
      authenticationMethod: 'none',
      jwtBearer: { issuer: CI, claims: { sub: ['repo:acme/site'] } },
    });
    assert.ok((await served(keyless, { assertion: await assertion() })).access_token);
    assert.equal(
      await refused(keyless, { assertion: await assertion({ sub: 'repo:evil/site' }) }),
      'invalid_grant',
    );
  });

  test('an assertion that RFC 7523 section 3 has refused is refused, whichever its fault', async () => {
    const other = await generateKeyPair('ES256');
    const time = now();
    const wrong: Record<string, string> = {
      'item 1: no issuer': await assertion({ iss: undefined }),
      'item 1: another issuer': await assertion({ iss: COMPANY }),
      'item 1: an unknown issuer': await assertion({ iss: 'https://evil.example.com' }),
      'item 1: almost the issuer': await assertion({ iss: `${CI}/` }),
      'item 2: no subject': await assertion({ sub: undefined }),
      'item 2: an empty subject': await assertion({ sub: '' }),
      'item 2: no text as subject': await assertion({ sub: ['repo:acme/site'] }),
      'item 3: no audience': await assertion({ aud: undefined }),
      'item 3: for another server': await assertion({ aud: 'https://elsewhere.example.com' }),
      'item 3: for an API': await assertion({ aud: API }),
      'item 3: almost for this server': await assertion({ aud: `${keyturn.issuer}/` }),
      'item 4: without an end': await assertion({ exp: undefined }),
      'item 4: expired': await assertion({ iat: time - 400, exp: time - 31 }),
      'item 4: an end that is no number': await assertion({ exp: 'tomorrow' }),
      'item 4: far in the future': await assertion({ exp: time + 3_700 }),
      'item 5: not yet': await assertion({ nbf: time + 60 }),
      'item 5: nbf that is no number': await assertion({ nbf: 'now' }),
      'item 6: from the future': await assertion({ iat: time + 60 }),
      'item 6: made too long ago': await assertion({ iat: time - 3_700 }),
      'item 6: iat that is no number': await assertion({ iat: 'now' }),
      'item 7: no identifier': await assertion({ jti: undefined }),
      'item 7: an identifier that is no text': await assertion({ jti: 7 }),
      'item 8: by another key': await assertion({}, {}, other.privateKey),
      'item 8: by an unknown key': await assertion({}, { kid: 'two' }),
      'item 8: by no key': await assertion({}, { kid: undefined }),
      'item 8: without a signature': (await assertion()).replace(/[^.]+$/, ''),
      'item 8: with the key inside': await assertion(
        {},
        { jwk: await exportJWK(other.publicKey) },
        other.privateKey,
      ),
      'item 8: unsigned': `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await assertion()).split('.')[1]}.`,
      'item 8: a shared key': await new SignJWT(decodeJwt(await assertion()))
        .setProtectedHeader({ alg: 'HS256', kid: 'one' })
        .sign(Buffer.from(JSON.stringify(publicJwk))),
      'item 9: an extension': await assertion({}, { crit: ['b64'], b64: true }),
      'item 9: no JWT': 'nonsense',
      'item 9: an encrypted one': `${await assertion()}.a.b`,
      'RFC 8725 section 3.11: an access token': await assertion({}, { typ: 'at+jwt' }),
      'RFC 8725 section 3.11: a logout token': await assertion({}, { typ: 'logout+jwt' }),
    };
    for (const [what, each] of Object.entries(wrong))
      assert.equal(await refused(deploy, { assertion: each }), 'invalid_grant', what);
    assert.equal(await refused(deploy, { assertion: undefined }), 'invalid_request');
    assert.equal(await refused(deploy, { assertion: '' }), 'invalid_request');
  });

  test('one that is within what section 3 allows is taken', async () => {
    const time = now();
    for (const right of [
      await assertion({ aud: `${keyturn.issuer}/token` }),
      await assertion({ aud: ['https://elsewhere.example.com', keyturn.issuer] }),
      await assertion({ iat: time - 100, exp: time - 5 }),
      await assertion({ nbf: time + 5, iat: time + 5 }),
      await assertion({ iat: undefined }),
      await assertion({ exp: time + 60.5 }),
      await assertion({}, { typ: 'JWT' }),
      await assertion({ anything: { more: true } }),
    ])
      await served(deploy, { assertion: right });
  });

  test('an assertion is taken once, of any number at once by one alone (section 3 item 7)', async () => {
    const once = await assertion();
    const racers = await Promise.all(Array.from({ length: 50 }, () => post(deploy, { assertion: once })));
    assert.equal(racers.filter(({ status }) => status === 200).length, 1);
    assert.equal(await refused(deploy, { assertion: once }), 'invalid_grant');
  });

  test('a request that is wrong in something else does not use it up', async () => {
    const kept = await assertion();
    assert.equal(await refused(deploy, { assertion: kept, scope: 'nothing' }), 'invalid_scope');
    assert.equal(
      await refused(deploy, { assertion: kept, resource: 'https://nobody.example' }),
      'invalid_target',
    );
    const unproven = await post({ ...deploy, secret: 'guessed' }, { assertion: kept });
    assert.equal(unproven.status, 401);
    await served(deploy, { assertion: kept });
  });

  test('what an issuer hands out for a while may be brought again, if the administrator says so', async () => {
    const issuer = 'https://cluster.example.com';
    await trust({ issuer, singleUse: false });
    const pod = await register({
      jwtBearer: { issuer, claims: { sub: ['system:serviceaccount:shop:api'] } },
    });
    const mounted = await assertion({ iss: issuer, sub: 'system:serviceaccount:shop:api', jti: undefined });
    await served(pod, { assertion: mounted });
    await served(pod, { assertion: mounted });
  });

  test('an assertion must say what the client is registered for, each of the claims', async () => {
    const picky = await register({
      jwtBearer: {
        issuer: CI,
        claims: { repository: ['acme/site', 'acme/shop'], protected: ['true'], groups: ['release'] },
      },
    });
    const right = { repository: 'acme/shop', protected: true, groups: ['dev', 'release'] };
    await served(picky, { assertion: await assertion(right) });
    for (const change of [
      { repository: 'acme/other' },
      { repository: undefined },
      { repository: { 'acme/site': true } },
      { protected: false },
      { groups: ['dev'] },
      { groups: 'releases' },
    ])
      assert.equal(
        await refused(picky, { assertion: await assertion({ ...right, ...change }) }),
        'invalid_grant',
        JSON.stringify(change),
      );
  });

  test('a client that names no claim cannot act by just any assertion of a build service', async () => {
    const careless = await register({ jwtBearer: { issuer: CI } });
    assert.equal(await refused(careless, { assertion: await assertion() }), 'invalid_grant');
  });

  test('a client of another issuer, or of none, is refused', async () => {
    assert.equal(await refused(mobile, { assertion: await assertion() }), 'invalid_grant');
    const service = await keyturn.addClient({
      redirectUris: [],
      grantTypes: ['client_credentials'],
      scope: 'read',
    });
    assert.equal(await refused(service, { assertion: await assertion() }), 'unauthorized_client');
  });

  test('the scope is within the client, the API and what the issuer is trusted with', async () => {
    const first = await served(deploy, { assertion: await assertion() });
    assert.equal(first.scope, 'read write');
    for (const scope of ['look', 'read look', 'openid', 'offline_access', 'nothing'])
      assert.equal(await refused(deploy, { assertion: await assertion(), scope }), 'invalid_scope', scope);
    assert.equal((await served(mobile, { assertion: await aboutAda() })).scope, 'read');
    assert.equal(
      await refused(mobile, { assertion: await aboutAda(), scope: 'read write' }),
      'invalid_scope',
    );
  });

  test('without a resource the scope says which API is meant; where that is none or several, it must be named', async () => {
    const answer = await served(deploy, { assertion: await assertion(), resource: undefined, scope: 'look' });
    assert.equal(decodeJwt(answer.access_token).aud, OTHER_API);
    for (const scope of ['read', 'look write', undefined])
      assert.equal(
        await refused(deploy, { assertion: await assertion(), resource: undefined, scope }),
        'invalid_target',
      );
  });

  test('an assertion about a person gets a token for the account with that verified address', async () => {
    await keyturn.addAccount('unseen');
    for (const odd of [
      { email: 'unseen@example.com' },
      { email_verified: false },
      { email_verified: 'true' },
      { email_verified: undefined },
      { email: 'nobody@example.com' },
      { email: 'ada' },
      { email: 7 },
      { email: undefined, sub: 'ada@example.com' },
    ])
      assert.equal(
        await refused(mobile, { assertion: await aboutAda(odd) }),
        'invalid_grant',
        JSON.stringify(odd),
      );
    const answer = await served(mobile, { assertion: await aboutAda() });
    const claims = decodeJwt(answer.access_token);
    assert.equal(claims.sub, ada);
    assert.equal(claims.client_id, mobile.client.clientId);
    assert.equal(answer.expires_in, 60, 'as long as the issuer is trusted with');
    assert.equal(answer.refresh_token, undefined);
    assert.deepEqual(
      (({ active, sub, scope }) => ({ active, sub, scope }))(await introspect(mobile, answer.access_token)),
      { active: true, sub: ada, scope: 'read' },
    );
  });

  test('or with that subject or username, if the issuer is trusted with those', async () => {
    for (const [by, sub] of [
      ['subject', ada],
      ['username', 'ada'],
    ] as const) {
      const issuer = `https://${by}.example.com`;
      await trust({ issuer, subjects: by });
      const client = await register({ jwtBearer: { issuer } });
      const about = (subject: string) =>
        assertion({ iss: issuer, sub: subject, email: 'ada@example.com', email_verified: true });
      const answer = await served(client, { assertion: await about(sub) });
      assert.equal(decodeJwt(answer.access_token).sub, ada);
      for (const odd of ['nobody', 'ada@example.com', by === 'subject' ? 'ada' : ada])
        assert.equal(await refused(client, { assertion: await about(odd) }), 'invalid_grant', odd);
    }
  });

  test('such a token ends with the account, with signing out everywhere, and with its client', async () => {
    const { accounts, clients } = keyturn.services;
    const grace = await addPerson('grace');
    const aboutGrace = () => aboutAda({ email: 'grace@example.com' });
    const brief = await register({ jwtBearer: { issuer: COMPANY } });
    const before = await aboutGrace();
    const { access_token: first } = await served(mobile, { assertion: await aboutGrace() });
    const { access_token: second } = await served(brief, { assertion: await aboutGrace() });
    const isActive = async (token: string, by = mobile) => (await introspect(by, token)).active;
    await accounts.lock(grace);
    assert.equal(await isActive(first), false);
    assert.equal(await refused(mobile, { assertion: await aboutGrace() }), 'invalid_grant');
    await accounts.unlock(grace);
    assert.equal(await isActive(first), true);
    await clients.remove(brief.client.clientId);
    assert.equal(await isActive(second), false);
    await accounts.signOutEverywhere(grace);
    assert.equal(await isActive(first), false);
    assert.equal(await refused(mobile, { assertion: before }), 'invalid_grant', 'made before');
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 2_000 });
    await served(mobile, { assertion: await aboutGrace() });
  });

  test('an assertion about a person says when it was made, as nobody knows otherwise what it was made before', async () => {
    for (const iat of [undefined, null])
      assert.equal(await refused(mobile, { assertion: await aboutAda({ iat }) }), 'invalid_grant');
    await served(deploy, { assertion: await assertion({ iat: undefined }) });
  });

  test('an assertion that was made for whoever had a name before is not for who has it now', async () => {
    const { accounts } = keyturn.services;
    const first = await addPerson('heir');
    const aboutHeir = (claims: object = {}) => aboutAda({ email: 'heir@example.com', ...claims });
    const before = await aboutHeir();
    await accounts.remove(first);
    later(60);
    const second = await addPerson('heir');
    assert.equal(await refused(mobile, { assertion: before }), 'invalid_grant');
    // The issuer's clock may be behind, and people sign in as soon as they have an account.
    const { access_token } = await served(mobile, { assertion: await aboutHeir({ iat: now() - 10 }) });
    assert.equal(decodeJwt(access_token).sub, second);
  });

  test('an issuer that is trusted no more is refused at once', async () => {
    const issuer = 'https://former.example.com';
    await trust({ issuer });
    const client = await register({ jwtBearer: { issuer, claims: { sub: ['repo:acme/site'] } } });
    await served(client, { assertion: await assertion({ iss: issuer }) });
    await keyturn.services.trustedIssuers.remove(issuer);
    assert.equal(await refused(client, { assertion: await assertion({ iss: issuer }) }), 'invalid_grant');
  });

  test('the token is bound to the key whose proof came with the request (RFC 9449 section 5)', async () => {
    const own = await generateKeyPair('ES256', { extractable: true });
    const dpop = await new SignJWT({ htm: 'POST', htu: `${keyturn.issuer}/token`, jti: crypto.randomUUID() })
      .setIssuedAt()
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: await exportJWK(own.publicKey) })
      .sign(own.privateKey);
    const credentials = Buffer.from(`${deploy.client.clientId}:${deploy.secret}`).toString('base64');
    const response = await fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${credentials}`, dpop },
      body: new URLSearchParams({ grant_type: GRANT, assertion: await assertion(), resource: API }),
    });
    const { token_type, access_token } = (await response.json()) as Record<string, string>;
    assert.equal(token_type, 'DPoP');
    assert.deepEqual(decodeJwt(access_token ?? '').cnf, {
      jkt: await calculateJwkThumbprint(await exportJWK(own.publicKey)),
    });
  });

  test('what was taken is in the log, and the assertion is not', async () => {
    const text = await aboutAda();
    await served(mobile, { assertion: text });
    const logged = keyturn.logged
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .findLast(({ msg }) => msg === 'assertion taken for a token');
    const { clientId, issuer, asserted, subject, scope } = logged ?? {};
    assert.deepEqual(
      { clientId, issuer, asserted, subject, scope },
      { clientId: mobile.client.clientId, issuer: COMPANY, asserted: '4711', subject: ada, scope: 'read' },
    );
    assert.equal(
      keyturn.logged.some((line) => line.includes(text.split('.')[2] as string)),
      false,
    );
  });
});

describe('the keys that a trusted issuer publishes', () => {
  const ISSUER = 'https://published.example.com';

  /** The issuer's key set on the loopback interface, a server that trusts it, and a client of that. */
  async function open(settings: Record<string, string> = { KEYTURN_ALLOW_PRIVATE_NETWORK: 'true' }) {
    const keys: object[] = [];
    const state = { asked: 0, status: 200 };
    const publisher = createServer((_request, response) => {
      state.asked += 1;
      response.writeHead(state.status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ keys }));
    }).listen(0, '127.0.0.1');
    await once(publisher, 'listening');
    const { port } = publisher.address() as AddressInfo;
    const keyturn = await startKeyturnHere(settings);
    await keyturn.addResourceServer();
    await keyturn.services.trustedIssuers.add({
      issuer: ISSUER,
      jwksUri: `http://127.0.0.1:${port}/jwks`,
    });
    const { client, secret } = await keyturn.addClient({
      redirectUris: [],
      grantTypes: [GRANT],
      scope: 'read',
      jwtBearer: { issuer: ISSUER, claims: { sub: ['job'] } },
    });
    const credentials = Buffer.from(`${client.clientId}:${secret}`).toString('base64');
    return {
      keys,
      state,
      /** Publishes a new key, and answers with what presents an assertion signed by it. */
      async newKey(kid: string, alg = 'ES256') {
        const pair = await generateKeyPair(alg, { extractable: true });
        keys.push({ ...(await exportJWK(pair.publicKey)), kid, use: 'sig' });
        return async () => {
          const time = Math.floor(Date.now() / 1000);
          const assertion = await new SignJWT({ iss: ISSUER, sub: 'job', aud: keyturn.issuer, iat: time })
            .setExpirationTime(time + 60)
            .setJti(crypto.randomUUID())
            .setProtectedHeader({ alg, kid })
            .sign(pair.privateKey);
          const response = await fetch(`${keyturn.issuer}/token`, {
            method: 'POST',
            headers: { authorization: `Basic ${credentials}` },
            body: new URLSearchParams({ grant_type: GRANT, assertion, resource: API }),
          });
          if (response.status === 200) return 'served';
          return (await refusalOf(response)).error;
        };
      },
      async [Symbol.asyncDispose]() {
        await keyturn[Symbol.asyncDispose]();
        publisher.closeAllConnections();
        publisher.close();
        await once(publisher, 'close');
      },
    };
  }
  afterEach(() => mock.timers.reset());

  test('are fetched once, and again for a key that is new, but not for every made-up name', async () => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    await using house = await open();
    const first = await house.newKey('first');
    assert.deepEqual(await Promise.all([first(), first(), first()]), ['served', 'served', 'served']);
    assert.equal(house.state.asked, 1);
    const second = await house.newKey('second');
    assert.equal(await second(), 'invalid_grant', 'asked a moment ago');
    assert.equal(house.state.asked, 1);
    mock.timers.setTime(Date.now() + 61_000);
    assert.equal(await second(), 'served');
    assert.equal(await first(), 'served');
    assert.equal(house.state.asked, 2);
    const made = await house.newKey('made-up');
    house.keys.pop();
    assert.equal(await made(), 'invalid_grant');
    assert.equal(house.state.asked, 2);
  });

  test('are fetched anew after a while, so that a key that was withdrawn is worth nothing then', async () => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    await using house = await open();
    const withdrawn = await house.newKey('withdrawn');
    assert.equal(await withdrawn(), 'served');
    house.keys.pop();
    await house.newKey('other');
    mock.timers.setTime(Date.now() + 3_599_000);
    assert.equal(await withdrawn(), 'served');
    mock.timers.setTime(Date.now() + 1_000);
    assert.equal(await withdrawn(), 'invalid_grant');
  });

  test('that cannot be had make a refusal, and are asked for again soon', async () => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    await using house = await open();
    const job = await house.newKey('job');
    house.state.status = 500;
    assert.equal(await job(), 'invalid_grant');
    house.state.status = 200;
    assert.equal(await job(), 'invalid_grant', 'not at once');
    assert.equal(house.state.asked, 1);
    mock.timers.setTime(Date.now() + 10_000);
    assert.equal(await job(), 'served');
  });

  test('are not fetched from a private network, unless the settings say so', async () => {
    await using house = await open({});
    const job = await house.newKey('job');
    assert.equal(await job(), 'invalid_grant');
    assert.equal(house.state.asked, 0);
  });

  test('work for RSA, PSS and Edwards curves as well', async () => {
    await using house = await open();
    const jobs = [];
    for (const alg of ['RS256', 'PS256', 'ES384', 'EdDSA']) jobs.push(await house.newKey(alg, alg));
    for (const job of jobs) assert.equal(await job(), 'served');
  });
});
