import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AdapterPayload } from 'oidc-provider';
import { DecidedAlready, PendingRequestAdapter } from '#src/oidc/pending-request-adapter.ts';
import { authorizationGroup } from '#src/tokens/authorization.ts';
import { after, minutes, seconds } from '#src/units.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

async function openAdapter() {
  const store = await openTemporaryStore();
  const { records, clock } = store;
  const adapter = new PendingRequestAdapter({ records, clock, kind: 'device-code' });
  return { adapter, records, clock, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

const WAITING: AdapterPayload = { kind: 'DeviceCode', jti: 'id', userCode: 'BCDFGHJK', clientId: 'tv' };
const CLAIMED = { ...WAITING, inFlight: true };
const APPROVED = { ...CLAIMED, grantId: 'grant', accountId: 'ada' };
const REFUSED = { ...CLAIMED, error: 'access_denied' };

/** The ways that a decision can go; every other is refused. */
const WAYS = new Map([
  [WAITING, [CLAIMED, APPROVED, REFUSED]],
  [CLAIMED, [APPROVED, REFUSED]],
  [APPROVED, []],
  [REFUSED, []],
] as [AdapterPayload, AdapterPayload[]][]);

describe('what waits for a person to decide', () => {
  for (const [from, ways] of WAYS) {
    for (const to of WAYS.keys()) {
      const may = ways.includes(to);
      const name = `${JSON.stringify(from)} ${may ? 'becomes' : 'never becomes'} ${JSON.stringify(to)}`;
      test(name, async () => {
        await using store = await openAdapter();
        await store.adapter.upsert('id', from, 600);
        const changing = store.adapter.upsert('id', to, 600);
        if (may) await changing;
        else await assert.rejects(changing, DecidedAlready);
        assert.deepEqual(await store.adapter.find('id'), may ? to : from);
      });
    }
  }

  test('of fifty who take up a code at once one does', async () => {
    await using store = await openAdapter();
    await store.adapter.upsert('id', WAITING, 600);
    const claims = await Promise.allSettled(
      Array.from({ length: 50 }, () => store.adapter.upsert('id', CLAIMED, 600)),
    );
    assert.equal(claims.filter(({ status }) => status === 'fulfilled').length, 1);
  });

  test('of fifty answers at once, each another, one counts', async () => {
    await using store = await openAdapter();
    await store.adapter.upsert('id', CLAIMED, 600);
    const answers = Array.from({ length: 50 }, (_, place) =>
      place % 2 === 0 ? { ...APPROVED, grantId: `grant-${place}` } : REFUSED,
    );
    const decided = await Promise.allSettled(
      answers.map((answer) => store.adapter.upsert('id', answer, 600)),
    );
    const counted = answers.filter((_, place) => decided[place]?.status === 'fulfilled');
    assert.deepEqual([await store.adapter.find('id')], counted);
  });

  test('is used once, says afterwards that it was, and is never decided anew', async () => {
    await using store = await openAdapter();
    await store.adapter.upsert('id', APPROVED, 600);
    const uses = await Promise.allSettled(Array.from({ length: 50 }, () => store.adapter.consume('id')));
    assert.equal(uses.filter(({ status }) => status === 'fulfilled').length, 1);
    assert.equal((await store.adapter.find('id'))?.consumed, store.clock.now());
    await assert.rejects(store.adapter.upsert('id', APPROVED, 600), DecidedAlready);
  });

  test('is found by its user code, which no other may have meanwhile', async () => {
    await using store = await openAdapter();
    await store.adapter.upsert('id', WAITING, 600);
    assert.deepEqual(await store.adapter.findByUserCode('BCDFGHJK'), WAITING);
    assert.equal(await store.adapter.findByUserCode('BCDFGHJL'), undefined);
    await assert.rejects(store.adapter.upsert('other', WAITING, 600), { error: 'temporarily_unavailable' });
  });

  test('is still known for a while after its time, so that its client can be told', async () => {
    await using store = await openAdapter();
    await store.adapter.upsert('id', WAITING, 600);
    store.clock.move(seconds(600 + minutes(5) - 1));
    assert.deepEqual(await store.adapter.find('id'), WAITING);
    store.clock.move(seconds(1));
    assert.equal(await store.adapter.find('id'), undefined);
  });

  test('ends with the authorization that it carries', async () => {
    await using store = await openAdapter();
    await store.adapter.upsert('id', APPROVED, 600);
    await store.records.endGroup(authorizationGroup('grant'), after(store.clock.now(), minutes(10)));
    assert.equal(await store.adapter.find('id'), undefined);
    await assert.rejects(store.adapter.upsert('id', APPROVED, 600), { error: 'invalid_grant' });
  });
});
