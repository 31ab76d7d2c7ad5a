import assert from 'node:assert/strict';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';
import { RelyingParty, type Tokens } from '#test/support/relying-party.ts';

const API = 'https://api.example.com';
const ORDERS = 'https://orders.example.com';
const VAULT = 'https://vault.example.com';
const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const TYPE = 'urn:ietf:params:oauth:token-type:';

type Added = Awaited<ReturnType<Keyturn['addClient']>>;
type Fields = Record<string, string | string[] | undefined>;

/** What a token endpoint answers: RFC 8693 section 2.2.1. */
interface Answer {
  readonly access_token: string;
  readonly issued_token_type: string;
  readonly token_type: string;
  readonly expires_in: number;
  readonly scope?: string;
  readonly refresh_token?: string;
}

describe('token exchange (RFC 8693)', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let gateway: Added;
  let double: Added;
  const ada = { login: 'ada', password: '' };
  const bob = { login: 'bob', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    for (const who of [ada, bob]) who.password = (await keyturn.addAccount(who.login)).password;
    await keyturn.addResourceServer();
    await keyturn.addResourceServer({
      identifier: ORDERS,
      audience: 'urn:orders',
      scope: ['read', 'ship'],
      accessTokenLifetimeSeconds: 600,
    });
    await keyturn.addResourceServer({ identifier: VAULT, scope: ['read'], tokenFormat: 'opaque' });
    web = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ scope: 'openid offline_access read write' }),
    );
    const exchanging = { redirectUris: [], scope: 'read ship write' };
    gateway = await keyturn.addClient({
      ...exchanging,
      name: 'Gateway',
      grantTypes: ['client_credentials', GRANT],
      tokenExchange: { from: [API, VAULT], to: [ORDERS, VAULT] },
    });
    double = await keyturn.addClient({
      ...exchanging,
      name: 'Double',
      grantTypes: [GRANT],
      tokenExchange: { from: [API, 'urn:orders'], to: [ORDERS], semantics: ['impersonation'] },
    });
  });
  afterEach(() => mock.timers.reset());
  after(async () => {
    const faults = keyturn.logged.filter((line) => (JSON.parse(line) as { level: number }).level >= 50);
    await keyturn[Symbol.asyncDispose]();
    assert.deepEqual(faults, []);
  });

  const basic = ({ client, secret }: Added) =>
    `Basic ${Buffer.from(`${client.clientId}:${secret}`).toString('base64')}`;

  function post(by: Added, fields: Fields, headers: Record<string, string> = {}): Promise<Response> {
    const body = new URLSearchParams();
    for (const [name, value] of Object.entries(fields))
      for (const each of [value ?? []].flat()) body.append(name, each);
    return fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      headers: { authorization: basic(by), ...headers },
      body,
    });
  }

  const request = (token: string, fields: Fields = {}): Fields => ({
    grant_type: GRANT,
    subject_token: token,
    subject_token_type: `${TYPE}access_token`,
    resource: ORDERS,
    ...fields,
  });

  async function exchanged(by: Added, fields: Fields, headers?: Record<string, string>): Promise<Answer> {
    const response = await post(by, fields, headers);
    assert.equal(response.status, 200, await response.clone().text());
    assert.match(response.headers.get('cache-control') ?? '', /no-store/);
    return (await response.json()) as Answer;
  }

  async function refused(by: Added, fields: Fields): Promise<string> {
    return (await refusalOf(await post(by, fields))).error;
  }

  const signIn = (who = ada, parameters: Record<string, string> = {}): Promise<Tokens> =>
    web.signIn(
      new Person(),
      who,
      { scope: 'openid read write', resource: API, ...parameters },
      { resource: API },
    );

  const subjectOf = (tokens: Tokens) => tokens.claims()?.sub as string;

  async function introspected(token: string, by = gateway): Promise<Record<string, unknown>> {
    const response = await fetch(`${keyturn.issuer}/introspect`, {
      method: 'POST',
      headers: { authorization: basic(by) },
      body: new URLSearchParams({ token }),
    });
    return (await response.json()) as Record<string, unknown>;
  }

  test('an API gets a token for the API behind it, which tells for whom and who acts (sections 2.2.1 and 4.1)', async () => {
    const tokens = await signIn();
    const answer = await exchanged(gateway, request(tokens.access_token));
    assert.equal(answer.issued_token_type, `${TYPE}access_token`);
    assert.equal(answer.token_type.toLowerCase(), 'bearer');
    assert.equal(answer.scope, 'read');
    assert.equal(answer.refresh_token, undefined);
    const claims = decodeJwt(answer.access_token);
    const subject = decodeJwt(tokens.access_token);
    assert.equal(decodeProtectedHeader(answer.access_token).typ, 'at+jwt');
    assert.equal(claims.sub, subject.sub);
    assert.equal(claims.aud, 'urn:orders');
    assert.equal(claims.client_id, gateway.client.clientId);
    assert.equal(claims.scope, 'read');
    assert.deepEqual(claims.act, { sub: gateway.client.clientId });
    assert.equal(claims.auth_time, subject.auth_time);
    assert.equal((await introspected(answer.access_token)).active, true);
  });

  test("what comes of it is the target's kind of token: JWT, or opaque where the target asks for that (section 2.2.1)", async () => {
    const { access_token: subject } = await signIn();
    const asJwt = await exchanged(gateway, request(subject, { requested_token_type: `${TYPE}jwt` }));
    assert.equal(asJwt.issued_token_type, `${TYPE}jwt`);
    assert.equal(decodeJwt(asJwt.access_token).aud, 'urn:orders');
    const opaque = await exchanged(gateway, request(subject, { resource: VAULT }));
    assert.equal(opaque.access_token.includes('.'), false);
    const told = await introspected(opaque.access_token);
    assert.equal(told.active, true);
    assert.equal(told.sub, decodeJwt(subject).sub);
    assert.equal(told.aud, VAULT);
    assert.deepEqual(told.act, { sub: gateway.client.clientId });
    assert.equal(
      await refused(gateway, request(subject, { resource: VAULT, requested_token_type: `${TYPE}jwt` })),
      'invalid_request',
    );
  });

  test('the target is named by resource, by audience, or by both if they agree; without either the only one counts (section 2.1)', async () => {
    const { access_token: subject } = await signIn();
    for (const target of [
      { resource: ORDERS, audience: undefined },
      { resource: undefined, audience: 'urn:orders' },
      { resource: ORDERS, audience: 'urn:orders' },
      { resource: [ORDERS, `${ORDERS}/`], audience: undefined },
    ]) {
      const answer = await exchanged(gateway, request(subject, target));
      assert.equal(decodeJwt(answer.access_token).aud, 'urn:orders');
    }
    const only = await exchanged(double, request(subject, { resource: undefined }));
    assert.equal(decodeJwt(only.access_token).aud, 'urn:orders');
  });

  test('a target that is unknown, not one, not an absolute URI or not allowed is refused (sections 2.1 and 2.2.2)', async () => {
    const { access_token: subject } = await signIn();
    for (const target of [
      { resource: undefined },
      { resource: 'https://nobody.example' },
      { resource: 'orders' },
      { resource: `${ORDERS}#fragment` },
      { resource: '', audience: '' },
      { resource: API },
      { resource: undefined, audience: 'urn:nobody' },
      { resource: undefined, audience: gateway.client.clientId },
      { resource: ORDERS, audience: VAULT },
      { resource: [ORDERS, VAULT] },
      { resource: undefined, audience: ['urn:orders', VAULT] },
      { resource: keyturn.issuer },
      { resource: undefined, audience: keyturn.issuer },
    ]) {
      assert.equal(
        await refused(gateway, request(subject, target)),
        'invalid_target',
        JSON.stringify(target),
      );
    }
  });

  test('a request that lacks what it must have, or repeats what it must not, is invalid (section 2.1)', async () => {
    const { access_token: subject } = await signIn();
    for (const wrong of [
      { subject_token: undefined },
      { subject_token: '' },
      { subject_token_type: undefined },
      { subject_token: [subject, subject] },
      { subject_token_type: [`${TYPE}access_token`, `${TYPE}access_token`] },
      { requested_token_type: [`${TYPE}access_token`, `${TYPE}jwt`] },
      { scope: ['read', 'ship'] },
      { actor_token: subject },
      { actor_token_type: `${TYPE}access_token` },
      { actor_token: subject, actor_token_type: 'nonsense' },
    ]) {
      assert.equal(await refused(gateway, request(subject, wrong)), 'invalid_request', JSON.stringify(wrong));
    }
  });

  test('only access tokens and JWTs are issued (sections 2.1 and 3)', async () => {
    const { access_token: subject } = await signIn();
    for (const type of ['refresh_token', 'id_token', 'saml1', 'saml2', 'nonsense'])
      assert.equal(
        await refused(gateway, request(subject, { requested_token_type: TYPE + type })),
        'invalid_request',
        type,
      );
  });

  test('each token is accepted as what it is, and as nothing else (section 2.1; RFC 8725 section 3.11)', async () => {
    const tokens = await signIn(ada, { scope: 'openid read offline_access', prompt: 'consent' });
    const { access_token: access, id_token: id = '', refresh_token: refresh = '' } = tokens;
    for (const [token, type] of [
      [access, 'id_token'],
      [access, 'refresh_token'],
      [access, 'saml2'],
      [access, ''],
      [id, 'access_token'],
      [id, 'jwt'],
      [refresh, 'access_token'],
      [refresh, 'jwt'],
      [refresh, 'refresh_token'],
      ['opaque', 'access_token'],
      ['opaque', 'jwt'],
      ['a.b.c', 'access_token'],
      ['a.b.c', 'id_token'],
      [access.replaceAll('.', '~'), 'access_token'],
    ] as const) {
      const fields = request(token, { subject_token_type: TYPE + type });
      assert.equal(await refused(gateway, fields), 'invalid_request', `${token.slice(0, 10)} as ${type}`);
    }
    const asJwt = request(access, { subject_token_type: `${TYPE}jwt` });
    assert.ok((await exchanged(gateway, asJwt)).access_token);
  });

  test('a subject token that is forged, expired, revoked or of an ended sign-in is refused (section 2.2.2)', async () => {
    const [forged, revoked, ended, locked] = await Promise.all([signIn(), signIn(), signIn(), signIn(bob)]);
    const parts = forged.access_token.split('.');
    const claims = Buffer.from(JSON.stringify({ ...decodeJwt(forged.access_token), scope: 'read ship' }));
    const changed = [parts[0], claims.toString('base64url'), parts[2]].join('.');
    await web.revoke(revoked.access_token);
    await web.revoke(ended.refresh_token ?? '');
    await keyturn.services.accounts.lock(subjectOf(locked));
    for (const token of [changed, revoked.access_token, ended.access_token, locked.access_token])
      assert.equal(await refused(gateway, request(token)), 'invalid_request');
    await keyturn.services.accounts.unlock(subjectOf(locked));
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 301_000 });
    assert.equal(await refused(gateway, request(forged.access_token)), 'invalid_request');
  });
});
