import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { DEVICE_CODE_GRANT } from '#src/clients/client.ts';
import { answerTo } from '#test/support/answer.ts';
import { Device, type DeviceAuthorization } from '#test/support/device.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty, type Tokens } from '#test/support/relying-party.ts';
import {
  type Added,
  API,
  ExchangeHouse,
  type Fields,
  ORDERS,
  TOKEN_EXCHANGE,
  TYPE,
} from '#test/support/token-exchange.ts';

/** An API without scopes, which looks at the audience alone. */
const BARE = 'https://bare.example.com';

describe('what an ID token is exchanged for (RFC 8693 section 2.1)', () => {
  let house: ExchangeHouse;
  let desk: Added;
  let party: RelyingParty;

  before(async () => {
    house = await ExchangeHouse.open({ KEYTURN_REQUESTS_OTHER_RESPONSE_TYPES: 'id_token token' });
    await house.keyturn.addResourceServer({ identifier: BARE, scope: [] });
    desk = await house.keyturn.addClient({
      name: 'Support desk',
      redirectUris: ['https://desk.example.com/callback'],
      grantTypes: ['authorization_code', 'refresh_token', 'implicit', DEVICE_CODE_GRANT, TOKEN_EXCHANGE],
      scope: 'openid offline_access read ship write',
      tokenExchange: { from: [API], to: [API, ORDERS, BARE], semantics: ['impersonation'] },
      metadata: { response_types: ['code', 'id_token token'] },
    });
    party = await RelyingParty.discover(house.keyturn, desk);
    // All that ada will ever have consented to, at one sign-in.
    await signIn('openid offline_access read ship', [ORDERS, BARE]);
  });
  after(() => house[Symbol.asyncDispose]());

  async function signIn(scope: string, resources: readonly string[] = [], person = new Person()) {
    const { url, checks } = await party.request({
      scope,
      redirect_uri: 'https://desk.example.com/callback',
      ...(scope.includes('offline_access') ? { prompt: 'consent' } : undefined),
    });
    for (const each of resources) url.searchParams.append('resource', each);
    const callback = await person.authorize(url, house.ada);
    return party.redeem(callback, checks, resources[0] === undefined ? {} : { resource: resources[0] });
  }

  const ofIdToken = ({ id_token = '' }: Pick<Tokens, 'id_token'>, changes: Fields = {}) =>
    house.fields(id_token, { subject_token_type: `${TYPE}id_token`, ...changes });

  test('for a target that its own sign-in asked for, and for no other that the person has ever allowed', async () => {
    const tokens = await signIn('openid');
    for (const resource of [ORDERS, BARE, API])
      assert.equal(await house.refused(desk, ofIdToken(tokens, { resource })), 'invalid_target', resource);
    const atOrders = await signIn('openid read', [ORDERS]);
    assert.equal((await house.served(desk, ofIdToken(atOrders))).scope, 'read');
    for (const resource of [BARE, API])
      assert.equal(await house.refused(desk, ofIdToken(atOrders, { resource })), 'invalid_target', resource);
    const atBoth = await signIn('openid read', [ORDERS, BARE]);
    const bare = await house.served(desk, ofIdToken(atBoth, { resource: BARE }));
    assert.equal(decodeJwt(bare.access_token).aud, BARE);
    assert.equal(bare.scope, undefined);
  });

  test('for the scope that its own sign-in asked for, though the person has allowed more before', async () => {
    const all = await signIn('openid read ship', [ORDERS]);
    assert.equal((await house.served(desk, ofIdToken(all))).scope, 'read ship');
    const less = await signIn('openid read', [ORDERS]);
    assert.equal((await house.served(desk, ofIdToken(less))).scope, 'read');
    for (const scope of ['ship', 'read ship'])
      assert.equal(await house.refused(desk, ofIdToken(less, { scope })), 'invalid_scope', scope);
  });

  test('refreshing the sign-in makes no ID token that reaches further', async () => {
    const tokens = await signIn('openid offline_access read', [ORDERS]);
    await signIn('openid offline_access read ship', [ORDERS, BARE]);
    const refreshed = await party.refresh(tokens.refresh_token ?? '');
    assert.equal((await house.served(desk, ofIdToken(refreshed))).scope, 'read');
    assert.equal(await house.refused(desk, ofIdToken(refreshed, { scope: 'ship' })), 'invalid_scope');
    assert.equal(await house.refused(desk, ofIdToken(refreshed, { resource: BARE })), 'invalid_target');
  });

  test('the same holds of one that came without a code, and of one for a device', async () => {
    const { url } = await party.request({
      response_type: 'id_token token',
      redirect_uri: 'https://desk.example.com/callback',
      scope: 'openid read',
      resource: ORDERS,
    });
    const { fields: implicit } = await answerTo(new Person(), url, house.ada);
    const asked = await house.post(
      desk,
      { scope: 'openid read', resource: ORDERS },
      {},
      '/device_authorization',
    );
    const { device_code, user_code } = (await asked.json()) as DeviceAuthorization;
    await (await Device.register(house.keyturn)).approve(new Person(), user_code, house.ada);
    const polled = await house.served(desk, { grant_type: DEVICE_CODE_GRANT, device_code });
    for (const tokens of [implicit, polled] as readonly Pick<Tokens, 'id_token'>[]) {
      assert.equal((await house.served(desk, ofIdToken(tokens))).scope, 'read');
      assert.equal(await house.refused(desk, ofIdToken(tokens, { scope: 'ship' })), 'invalid_scope');
      assert.equal(await house.refused(desk, ofIdToken(tokens, { resource: BARE })), 'invalid_target');
    }
  });

  test('a target is the same with an empty path and without one (RFC 3986 section 6.2.3)', async () => {
    const tokens = await signIn('openid read', [`${ORDERS}/`]);
    for (const resource of [ORDERS, `${ORDERS}/`])
      assert.equal((await house.served(desk, ofIdToken(tokens, { resource }))).scope, 'read');
  });
});
