import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { EventStream } from '#test/support/event-stream.ts';
import { statusOf } from '#test/support/status-list.ts';
import { ExchangeHouse, ORDERS } from '#test/support/token-exchange.ts';

const LISTED = 'https://listed.example.com';

/** An exchanged token is for another resource server than what it was exchanged for, and falls with that. */
describe('a resource server with exchanged tokens (RFC 8693) is told', () => {
  let house: ExchangeHouse;
  let orders: string;

  before(async () => {
    house = await ExchangeHouse.open();
    const { resources } = house.keyturn.services;
    const { resourceServer, secret } = await resources.rollSecret(ORDERS);
    orders = `Basic ${btoa(`${resourceServer.clientId}:${secret.reveal()}`)}`;
  });
  after(() => house[Symbol.asyncDispose]());

  async function live() {
    const stream = await EventStream.open(`${house.keyturn.issuer}/revocations`, { authorization: orders });
    await stream.until('ready');
    return stream;
  }
  /** What the application got, and what the gateway made of it. */
  async function exchanged() {
    const tokens = await house.signIn();
    const { access_token } = await house.served(house.gateway, house.fields(tokens.access_token));
    return { tokens, before: decodeJwt(tokens.access_token), claims: decodeJwt(access_token) };
  }

  test('of the end of the token that it was exchanged for', async () => {
    await using stream = await live();
    const { tokens, before, claims } = await exchanged();
    await house.web.revoke(tokens.access_token);
    const told = await stream.next();
    assert.deepEqual([told?.event, told?.data.jti], ['token_revoked', before.jti]);
    const { jti } = claims.rests_on as { jti: string[] };
    assert.ok(jti.includes(String(told?.data.jti)), 'as the token says');
  });

  test('of the end of the authorization, and of nothing about those that were not exchanged', async () => {
    await using stream = await live();
    const other = await house.signIn();
    const { tokens, claims } = await exchanged();
    await house.web.revoke(other.refresh_token ?? '');
    await house.web.revoke(tokens.refresh_token ?? '');
    const told = await stream.next();
    assert.deepEqual([told?.event, told?.data.grant_id], ['authorization_ended', claims.grant_id]);
  });

  test('of what ends the sign-ins of the person', async () => {
    await using stream = await live();
    const { claims } = await exchanged();
    const { accounts } = house.keyturn.services;
    const subject = (await accounts.findByLogin('ada'))?.subject ?? '';
    await accounts.lock(subject);
    const told = await stream.next();
    assert.deepEqual([told?.event, told?.data.sub], ['signed_out', claims.sub]);
    await accounts.unlock(subject);
  });

  test('in the status list too, if its tokens are in one', async () => {
    const { keyturn } = house;
    await keyturn.addResourceServer({ identifier: LISTED, scope: ['read'], statusList: true });
    const gateway = await keyturn.addClient({
      name: 'Another gateway',
      redirectUris: [],
      grantTypes: ['urn:ietf:params:oauth:grant-type:token-exchange'],
      scope: 'read',
      tokenExchange: { from: ['https://api.example.com'], to: [LISTED] },
    });
    const [kept, ended] = [await house.signIn(), await house.signIn()];
    const [standing, falling] = await Promise.all(
      [kept, ended].map(async ({ access_token }) =>
        house.served(gateway, house.fields(access_token, { resource: LISTED })),
      ),
    );
    await house.web.revoke(ended.access_token);
    while ((await statusOf(keyturn.issuer, falling?.access_token ?? '')) === 0)
      await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(await statusOf(keyturn.issuer, standing?.access_token ?? ''), 0);
  });
});
