import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import { LIVE_SECRETS_MAX } from '#src/clients/client-secret.ts';
import { minutes } from '#src/units.ts';
import { resourcesOn } from '#test/resources/resources-on.ts';
import { refusal } from '#test/support/refusal.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

const API = 'https://api.example.com';

async function openResources() {
  const store = await openTemporaryStore();
  const { records, clock } = store;
  const { secrets, resources } = resourcesOn(store, 'https://login.example.com', 'ES256');
  return {
    records,
    clock,
    resources,
    matches: async (identifier: string, presented: string) =>
      secrets.matches((await resources.find(identifier))?.value.secrets ?? [], presented),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe('a resource server that was added', () => {
  test('is found by its identifier, its indicator and the client identifier of its credentials', async () => {
    await using store = await openResources();
    const { resourceServer } = await store.resources.add({ identifier: API });
    assert.match(resourceServer.clientId, /^rs_[\w-]{22}$/);
    assert.deepEqual((await store.resources.find(API))?.value, resourceServer);
    assert.deepEqual((await store.resources.findByClientId(resourceServer.clientId))?.value, resourceServer);
    assert.deepEqual(await store.resources.findByIndicator(API), resourceServer);
    for (const stranger of [
      'https://other.example.com',
      '',
      `client:${resourceServer.clientId}`,
      `indicator:${API}/`,
    ]) {
      assert.equal(await store.resources.find(stranger), null);
      assert.equal(await store.resources.findByIndicator(stranger), null);
      assert.equal(await store.resources.findByClientId(stranger), null);
    }
  });

  test('keeps of its credentials a digest only', async () => {
    await using store = await openResources();
    const { secret } = await store.resources.add({ identifier: API });
    assert.equal(await store.matches(API, secret.reveal()), true);
    const stored = JSON.stringify(await store.records.find('resource-server', API));
    assert.ok(!stored.includes(secret.reveal().slice('keyturn_cs_'.length)));
  });

  test('is found with and without an empty path, whichever was registered (RFC 3986 section 6.2.3)', async () => {
    await using store = await openResources();
    const added = ['https://one.example.com', 'https://two.example.com/', 'https://three.example.com/v1'];
    for (const identifier of added) await store.resources.add({ identifier });
    const found = async (indicator: string) => (await store.resources.findByIndicator(indicator))?.identifier;
    assert.equal(await found('https://one.example.com/'), added[0]);
    assert.equal(await found('https://two.example.com'), added[1]);
    assert.equal(await found('https://two.example.com/'), added[1]);
    assert.equal(await found('https://three.example.com/v1'), added[2]);
    assert.equal(await found('https://three.example.com/v1/'), undefined, 'only an empty path is no path');
    assert.equal(await found('https://one.example.com?'), undefined);
    assert.equal(await found('https://ONE.example.com'), undefined);
  });

  test('keeps identifier, in either spelling, and audience from others', async () => {
    await using store = await openResources();
    await store.resources.add({ identifier: API, audience: 'orders' });
    await assert.rejects(store.resources.add({ identifier: API }), refusal('identifier_taken'));
    await assert.rejects(store.resources.add({ identifier: `${API}/` }), refusal('identifier_taken'));
    const twin = { identifier: 'https://twin.example.com', audience: 'orders' };
    await assert.rejects(store.resources.add(twin), refusal('audience_taken'));
    assert.equal(await store.resources.findByIndicator(twin.identifier), null);
    assert.equal((await Array.fromAsync(store.resources.list())).length, 1);
  });

  test('is the only one when twenty ask for its identifier at once', async () => {
    await using store = await openResources();
    const identifiers = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? API : `${API}/`));
    const outcomes = await Promise.allSettled(
      identifiers.map((identifier, index) =>
        store.resources.add({ identifier, audience: `audience-${index}` }),
      ),
    );
    const lost = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.equal(lost.length, 19);
    assert.ok(lost.every(({ reason }) => refusal('identifier_taken')(reason)));
  });

  test('is listed until it is removed, and then leaves its names to others', async () => {
    await using store = await openResources();
    const { resourceServer } = await store.resources.add({ identifier: API, audience: 'orders' });
    await store.resources.add({ identifier: 'urn:example:other' });
    const listed = await Array.fromAsync(store.resources.list(), ({ identifier }) => identifier);
    assert.deepEqual(listed.toSorted(), [API, 'urn:example:other']);
    assert.equal(await store.resources.remove(API), true);
    assert.equal(await store.resources.remove(API), false);
    assert.equal(await store.resources.findByClientId(resourceServer.clientId), null);
    assert.equal(await store.resources.findByIndicator(API), null);
    await store.resources.add({ identifier: `${API}/`, audience: 'orders' });
  });

  test('that is refused leaves nothing behind', async () => {
    await using store = await openResources();
    await assert.rejects(store.resources.add({ identifier: 'api' }), refusal('invalid_resource_server'));
    assert.deepEqual(await Array.fromAsync(store.resources.list()), []);
  });
});

describe('rolling the secret of a resource server', () => {
  test('keeps the one before it alive until it is retired', async () => {
    await using store = await openResources();
    const first = await store.resources.add({ identifier: API });
    store.clock.move(minutes(1));
    const second = await store.resources.rollSecret(API);
    assert.equal(second.resourceServer.updatedAt, store.clock.now());
    assert.equal(await store.matches(API, first.secret.reveal()), true);
    const third = await store.resources.rollSecret(API);
    const live = () =>
      Promise.all([first, second, third].map(({ secret }) => store.matches(API, secret.reveal())));
    assert.deepEqual(await live(), [false, true, true]);
    await store.resources.retireOldSecret(API);
    assert.deepEqual(await live(), [false, false, true]);
  });

  test('by eight administrators at once leaves two of theirs, and every name of the resource server', async () => {
    await using store = await openResources();
    const { resourceServer } = await store.resources.add({ identifier: API, audience: 'orders' });
    const rolled = await Promise.all(Array.from({ length: 8 }, () => store.resources.rollSecret(API)));
    const live = await Promise.all(rolled.map(({ secret }) => store.matches(API, secret.reveal())));
    assert.equal(live.filter(Boolean).length, LIVE_SECRETS_MAX);
    assert.equal((await store.resources.findByClientId(resourceServer.clientId))?.value.identifier, API);
    assert.equal((await store.resources.findByIndicator(`${API}/`))?.identifier, API);
    const twin = { identifier: 'https://twin.example.com', audience: 'orders' };
    await assert.rejects(store.resources.add(twin), refusal('audience_taken'));
  });

  test('is refused where there is no such resource server', async () => {
    await using store = await openResources();
    await assert.rejects(store.resources.rollSecret(API), refusal('resource_server_not_found'));
    await assert.rejects(store.resources.retireOldSecret(API), refusal('resource_server_not_found'));
    assert.equal(await store.resources.find(API), null);
  });
});

describe('a resource server that is changed', () => {
  test('keeps its credentials and the names that are in tokens, and is found as before', async () => {
    await using store = await openResources();
    const { resourceServer, secret } = await store.resources.add({ identifier: API, scope: ['read'] });
    store.clock.move(minutes(1));
    const changed = await store.resources.update(API, {
      name: 'Notes',
      canaryUrl: 'https://api.example.com/canary',
    });
    assert.deepEqual(changed, {
      ...resourceServer,
      name: 'Notes',
      canaryUrl: 'https://api.example.com/canary',
      updatedAt: store.clock.now(),
    });
    assert.deepEqual(await store.resources.findByIndicator(API), changed);
    assert.ok(await store.matches(API, secret.reveal()));
    for (const name of ['identifier', 'audience'])
      await assert.rejects(
        store.resources.update(API, { [name]: 'https://b.example.com' }),
        refusal('invalid_resource_server'),
      );
    await assert.rejects(
      store.resources.update('https://b.example.com', {}),
      refusal('resource_server_not_found'),
    );
  });

  test('by many at once has what each of them changed', async () => {
    await using store = await openResources();
    await store.resources.add({ identifier: API, scope: ['read'] });
    const changes = [
      { name: 'Notes' },
      { claims: ['groups'] },
      { canaryUrl: 'https://api.example.com/canary' },
      { statusList: true },
    ];
    await Promise.all(changes.map((change) => store.resources.update(API, change)));
    const { name, claims, canaryUrl, statusList } = (await store.resources.find(API))?.value ?? {};
    assert.deepEqual(changes, [{ name }, { claims }, { canaryUrl }, { statusList }]);
  });

  test('publishes its keys in one way or the other', async () => {
    await using store = await openResources();
    const jwks = { keys: [await exportJWK((await generateKeyPair('ES256')).publicKey)] };
    await store.resources.add({ identifier: API, jwks });
    const { jwks: none, jwksUri } = await store.resources.update(API, {
      jwksUri: 'https://api.example.com/jwks',
    });
    assert.deepEqual([none, jwksUri], [null, 'https://api.example.com/jwks']);
    const back = await store.resources.update(API, { jwks });
    assert.deepEqual([back.jwks, back.jwksUri], [jwks, null]);
  });
});
