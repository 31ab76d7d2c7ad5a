import assert from 'node:assert/strict';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import {
  type Added,
  API,
  ExchangeHouse,
  ORDERS,
  TOKEN_EXCHANGE,
  TYPE,
  VAULT,
} from '#test/support/token-exchange.ts';

describe('token exchange requests (RFC 8693 section 2)', () => {
  let house: ExchangeHouse;
  let gateway: Added;

  before(async () => {
    house = await ExchangeHouse.open();
    gateway = house.gateway;
  });
  afterEach(() => mock.timers.reset());
  after(() => house[Symbol.asyncDispose]());

  test('an API gets a token for the API behind it, which tells for whom and who acts (sections 2.2.1 and 4.1)', async () => {
    const tokens = await house.signIn();
    const answer = await house.served(gateway, house.fields(tokens.access_token));
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
    assert.equal(await house.isActive(gateway, answer.access_token), true);
  });

  test("what comes of it is the target's kind of token: JWT, or opaque where the target asks for that (section 2.2.1)", async () => {
    const { access_token: subject } = await house.signIn();
    const asJwt = await house.served(gateway, house.fields(subject, { requested_token_type: `${TYPE}jwt` }));
    assert.equal(asJwt.issued_token_type, `${TYPE}jwt`);
    assert.equal(decodeJwt(asJwt.access_token).aud, 'urn:orders');
    const opaque = await house.served(gateway, house.fields(subject, { resource: VAULT }));
    assert.equal(opaque.access_token.includes('.'), false);
    const told = await house.introspect(gateway, opaque.access_token);
    assert.equal(told.active, true);
    assert.equal(told.sub, decodeJwt(subject).sub);
    assert.equal(told.aud, VAULT);
    assert.deepEqual(told.act, { sub: gateway.client.clientId });
    assert.equal(
      await house.refused(
        gateway,
        house.fields(subject, { resource: VAULT, requested_token_type: `${TYPE}jwt` }),
      ),
      'invalid_request',
    );
  });

  test('the target is named by resource, by audience, or by both if they agree; without either the only one counts (section 2.1)', async () => {
    const { access_token: subject } = await house.signIn();
    for (const target of [
      { resource: ORDERS, audience: undefined },
      { resource: undefined, audience: 'urn:orders' },
      { resource: ORDERS, audience: 'urn:orders' },
      { resource: [ORDERS, `${ORDERS}/`], audience: undefined },
    ]) {
      const answer = await house.served(gateway, house.fields(subject, target));
      assert.equal(decodeJwt(answer.access_token).aud, 'urn:orders');
    }
    const single = await house.keyturn.addClient({
      name: 'Single',
      redirectUris: [],
      grantTypes: [TOKEN_EXCHANGE],
      scope: 'read',
      tokenExchange: { from: [API], to: [ORDERS] },
    });
    const only = await house.served(single, house.fields(subject, { resource: undefined }));
    assert.equal(decodeJwt(only.access_token).aud, 'urn:orders');
  });

  test('a target that is unknown, not one, not an absolute URI or not allowed is refused (sections 2.1 and 2.2.2)', async () => {
    const { access_token: subject } = await house.signIn();
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
      { resource: house.keyturn.issuer },
      { resource: undefined, audience: house.keyturn.issuer },
    ]) {
      assert.equal(
        await house.refused(gateway, house.fields(subject, target)),
        'invalid_target',
        JSON.stringify(target),
      );
    }
  });

  test('a request that lacks what it must have, or repeats what it must not, is invalid (section 2.1)', async () => {
    const { access_token: subject } = await house.signIn();
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
      assert.equal(
        await house.refused(gateway, house.fields(subject, wrong)),
        'invalid_request',
        JSON.stringify(wrong),
      );
    }
  });

  test('only access tokens and JWTs are issued (sections 2.1 and 3)', async () => {
    const { access_token: subject } = await house.signIn();
    for (const type of ['refresh_token', 'id_token', 'saml1', 'saml2', 'nonsense'])
      assert.equal(
        await house.refused(gateway, house.fields(subject, { requested_token_type: TYPE + type })),
        'invalid_request',
        type,
      );
  });

  test('each token is accepted as what it is, and as nothing else (section 2.1; RFC 8725 section 3.11)', async () => {
    const tokens = await house.signIn(house.ada, { scope: 'openid read offline_access', prompt: 'consent' });
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
      const fields = house.fields(token, { subject_token_type: TYPE + type });
      assert.equal(
        await house.refused(gateway, fields),
        'invalid_request',
        `${token.slice(0, 10)} as ${type}`,
      );
    }
    const asJwt = house.fields(access, { subject_token_type: `${TYPE}jwt` });
    assert.ok((await house.served(gateway, asJwt)).access_token);
  });

  test('a subject token that is forged, expired, revoked or of an ended sign-in is refused (section 2.2.2)', async () => {
    const [forged, revoked, ended, locked] = await Promise.all([
      house.signIn(),
      house.signIn(),
      house.signIn(),
      house.signIn(house.bob),
    ]);
    const parts = forged.access_token.split('.');
    const claims = Buffer.from(JSON.stringify({ ...decodeJwt(forged.access_token), scope: 'read ship' }));
    const changed = [parts[0], claims.toString('base64url'), parts[2]].join('.');
    await house.web.revoke(revoked.access_token);
    await house.web.revoke(ended.refresh_token ?? '');
    const subject = locked.claims()?.sub ?? '';
    await house.keyturn.services.accounts.lock(subject);
    for (const token of [changed, revoked.access_token, ended.access_token, locked.access_token])
      assert.equal(await house.refused(gateway, house.fields(token)), 'invalid_request');
    await house.keyturn.services.accounts.unlock(subject);
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 301_000 });
    assert.equal(await house.refused(gateway, house.fields(forged.access_token)), 'invalid_request');
  });
});
