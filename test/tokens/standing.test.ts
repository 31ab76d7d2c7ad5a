import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { keyRevocationEntry } from '#src/signing/rotation.ts';
import type { AccessTokenClaims } from '#src/tokens/access-token.ts';
import { type Authorization, Authorizations } from '#src/tokens/authorization.ts';
import { revokeAccessToken, type StandingSources, standingOf } from '#src/tokens/standing.ts';
import { after, days, epochSeconds, minutes, seconds } from '#src/units.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

const authorization: Authorization = {
  subject: 'ada',
  clientId: 'web',
  signedInAt: epochSeconds(1_784_024_130),
  grant: {},
  family: null,
  sessionUid: null,
};

/** An authorization that stands in a store, whose client is there and whose person is active until a test says otherwise. */
async function openStanding() {
  const store = await openTemporaryStore();
  const { records, clock } = store;
  const refresh = { idle: days(14), absolute: days(90), grace: seconds(10) };
  const authorizations = new Authorizations({
    records,
    clock,
    lifetimes: { refresh, longestToken: minutes(60) },
  });
  await authorizations.open('authorization', authorization);
  const clients = new Set(['web', 'service']);
  const active = new Set(['ada']);
  const sources: StandingSources = {
    records,
    authorizations,
    clientStands: async (clientId) => clients.has(clientId),
    accountStands: async (subject) => active.has(subject),
  };
  const exp = after(clock.now(), minutes(5));
  const ofPerson: AccessTokenClaims = {
    iss: 'https://login.example.com',
    sub: 'ada',
    aud: 'https://api.example.com',
    client_id: 'web',
    iat: clock.now(),
    exp,
    jti: 'of-person',
    grant_id: 'authorization',
  };
  const { grant_id: _, ...withoutGrant } = ofPerson;
  const ofClient: AccessTokenClaims = {
    ...withoutGrant,
    sub: 'service',
    client_id: 'service',
    jti: 'of-client',
  };
  const reasonFor = async (claims: AccessTokenClaims, kid = 'key') => {
    const standing = await standingOf(sources, kid, claims);
    return standing.stands ? 'stands' : standing.reason;
  };
  return {
    records,
    clock,
    authorizations,
    clients,
    active,
    sources,
    ofPerson,
    ofClient,
    reasonFor,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe('an access token stands', () => {
  test('together with its authorization, or on its own where a client acts for itself', async () => {
    await using store = await openStanding();
    assert.deepEqual(await standingOf(store.sources, 'key', store.ofPerson), { stands: true, authorization });
    assert.deepEqual(await standingOf(store.sources, 'key', store.ofClient), {
      stands: true,
      authorization: null,
    });
  });

  test('until it is revoked, and then it alone falls (RFC 7009)', async () => {
    await using store = await openStanding();
    await revokeAccessToken(store.records, store.ofPerson);
    assert.equal(await store.reasonFor(store.ofPerson), 'revoked');
    assert.equal(await store.reasonFor({ ...store.ofPerson, jti: 'another' }), 'stands');
    assert.equal(await store.reasonFor(store.ofClient), 'stands');
    store.clock.move(seconds(minutes(5) - 1));
    assert.equal(await store.reasonFor(store.ofPerson), 'revoked', 'to its last second');
  });

  test('until its key is revoked, and then all that the key signed fall', async () => {
    await using store = await openStanding();
    await store.records.revoke([keyRevocationEntry('key')], store.ofPerson.exp);
    assert.equal(await store.reasonFor(store.ofPerson), 'key_revoked');
    assert.equal(await store.reasonFor(store.ofClient), 'key_revoked');
    assert.equal(await store.reasonFor(store.ofPerson, 'other-key'), 'stands');
  });

  test('until its authorization ends, while those of clients themselves go on', async () => {
    await using store = await openStanding();
    await store.authorizations.end('authorization');
    assert.equal(await store.reasonFor(store.ofPerson), 'authorization_ended');
    assert.equal(await store.reasonFor(store.ofClient), 'stands');
  });

  test('for the client of its authorization only', async () => {
    await using store = await openStanding();
    assert.equal(await store.reasonFor({ ...store.ofPerson, client_id: 'service' }), 'authorization_ended');
  });

  test('until its client is removed', async () => {
    await using store = await openStanding();
    store.clients.clear();
    assert.equal(await store.reasonFor(store.ofPerson), 'client_removed');
    assert.equal(await store.reasonFor(store.ofClient), 'client_removed');
  });

  test('until the account is locked or removed, and again once it is unlocked', async () => {
    await using store = await openStanding();
    store.active.delete('ada');
    assert.equal(await store.reasonFor(store.ofPerson), 'account_unavailable');
    assert.equal(await store.reasonFor(store.ofClient), 'stands', 'a client has no account');
    store.active.add('ada');
    assert.equal(await store.reasonFor(store.ofPerson), 'stands');
  });

  test('if it was exchanged, until any token, sign-in or client ends that it was exchanged from (RFC 8693)', async () => {
    const ends: Record<string, [string, (store: Awaited<ReturnType<typeof openStanding>>) => unknown]> = {
      'the subject token': [
        'revoked',
        ({ records, ofPerson }) => revokeAccessToken(records, { ...ofPerson, jti: 'before' }),
      ],
      'the sign-in': ['authorization_ended', ({ authorizations }) => authorizations.end('authorization')],
      'the sign-in of who acts': [
        'authorization_ended',
        ({ authorizations }) => authorizations.end('acting'),
      ],
      'the account of who acts': ['account_unavailable', ({ active }) => active.delete('grace')],
      'the client of the sign-in': ['client_removed', ({ clients }) => clients.delete('web')],
      'the client itself': ['client_removed', ({ clients }) => clients.delete('service')],
    };
    for (const [what, [reason, end]] of Object.entries(ends)) {
      await using store = await openStanding();
      store.active.add('grace');
      await store.authorizations.open('acting', {
        ...authorization,
        subject: 'grace',
        clientId: 'service',
      });
      const exchanged = {
        ...store.ofPerson,
        client_id: 'service',
        rests_on: { jti: ['first', 'before'], grant_id: ['acting'], client_id: ['web'] },
      };
      assert.equal(await store.reasonFor(exchanged), 'stands');
      await end(store);
      assert.equal(await store.reasonFor(exchanged), reason, what);
    }
  });

  test('not for what the revocation set holds under another name', async () => {
    await using store = await openStanding();
    await revokeAccessToken(store.records, { ...store.ofPerson, jti: 'key', exp: store.ofPerson.exp });
    await store.records.revoke([keyRevocationEntry('of-person')], store.ofPerson.exp);
    assert.equal(await store.reasonFor(store.ofPerson), 'stands');
  });
});
