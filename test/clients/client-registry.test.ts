import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { registrationOf } from '#src/clients/client.ts';
import { ClientRegistry } from '#src/clients/client-registry.ts';
import { ClientSecrets, LIVE_SECRETS_MAX } from '#src/clients/client-secret.ts';
import { systemRandom } from '#src/random.ts';
import { minutes } from '#src/units.ts';
import { PLAIN_METHODS } from '#test/clients/plain-methods.ts';
import { ANSWERS } from '#test/support/authorization-answers.ts';
import { refusal } from '#test/support/refusal.ts';
import { algorithmsWith } from '#test/support/response-algorithms.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

const web = { name: 'Web', redirectUris: ['https://app.example.com/cb'] };
const TOS = 'https://app.example.com/tos';
const spa = { ...web, clientId: 'spa', authenticationMethod: 'none' };

async function openClients() {
  const store = await openTemporaryStore();
  const { records, clock } = store;
  const secrets = new ClientSecrets({
    digestKey: store.derive('client secrets'),
    clock,
    random: systemRandom,
  });
  const registry = () =>
    new ClientRegistry({
      records,
      secrets,
      clock,
      random: systemRandom,
      algorithms: algorithmsWith('ES256'),
      answers: ANSWERS,
      authenticationMethods: PLAIN_METHODS,
      profile: null,
      longestToken: minutes(60),
    });
  return {
    records,
    clock,
    clients: registry(),
    /** The registry of another process on the same store. */
    another: registry,
    matches: async (clientId: string, presented: string | undefined) =>
      secrets.matches((await registry().find(clientId))?.value.secrets ?? [], presented ?? ''),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe('a client that was added', () => {
  test('is found as it was described, by every process on the store', async () => {
    await using store = await openClients();
    const { client } = await store.clients.add(web);
    assert.deepEqual((await store.another().find(client.clientId))?.value, client);
    assert.equal(await store.clients.find('nobody'), null);
  });

  test('has a secret exactly where its method needs one, shown once and kept as a digest', async () => {
    await using store = await openClients();
    for (const authenticationMethod of PLAIN_METHODS) {
      const jwksUri = authenticationMethod === 'private_key_jwt' ? 'https://app.example.com/jwks' : null;
      const { client, secret } = await store.clients.add({ ...web, authenticationMethod, jwksUri });
      assert.equal(secret !== null, authenticationMethod.startsWith('client_secret_'));
      if (secret === null) continue;
      assert.equal(await store.matches(client.clientId, secret.reveal()), true);
      const stored = JSON.stringify(await store.records.find('client', client.clientId));
      assert.equal(stored.includes(secret.reveal()), authenticationMethod === 'client_secret_jwt');
    }
  });

  test('keeps its identifier to itself when twenty ask for it at once', async () => {
    await using store = await openClients();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, index) => store.clients.add({ ...spa, name: `SPA ${index}` })),
    );
    const lost = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.equal(lost.length, 19);
    assert.ok(lost.every(({ reason }) => refusal('client_id_taken')(reason)));
    const won = outcomes.find((outcome) => outcome.status === 'fulfilled')?.value.client;
    assert.deepEqual((await store.clients.find('spa'))?.value, won);
  });

  test('that is refused leaves nothing behind', async () => {
    await using store = await openClients();
    await assert.rejects(store.clients.add({ ...spa, name: '' }), refusal('invalid_client_metadata'));
    assert.deepEqual(await Array.fromAsync(store.clients.list()), []);
  });

  test('is listed once, among however many', async () => {
    await using store = await openClients();
    const added = await Promise.all(Array.from({ length: 230 }, () => store.clients.add(web)));
    const listed = await Array.fromAsync(store.another().list(), ({ clientId }) => clientId);
    assert.deepEqual(listed.toSorted(), added.map(({ client }) => client.clientId).toSorted());
  });

  test('is gone once it is removed, and its identifier is free', async () => {
    await using store = await openClients();
    await store.clients.add(spa);
    assert.equal(await store.clients.remove('spa'), true);
    assert.equal(await store.clients.remove('spa'), false);
    assert.equal(await store.clients.find('spa'), null);
    await store.clients.add(spa);
  });
});

describe('a client that an administrator changes', () => {
  test('stays as it is but for what is named', async () => {
    await using store = await openClients();
    const { client } = await store.clients.add({ ...web, scope: 'openid read', metadata: { tos_uri: TOS } });
    store.clock.move(minutes(1));
    const metadata = { tos_uri: null, logo_uri: TOS };
    const updated = await store.clients.update(client.clientId, { name: 'Renamed', metadata });
    assert.equal(updated.secret, null);
    const expected = {
      ...client,
      name: 'Renamed',
      metadata: { logo_uri: TOS },
      updatedAt: store.clock.now(),
    };
    assert.deepEqual(updated.client, expected);
    assert.deepEqual((await store.another().find(client.clientId))?.value, expected);
  });

  test('asks by default for all that it may ask for, unless it was told another default', async () => {
    await using store = await openClients();
    await store.clients.add({ ...spa, scope: 'openid read' });
    assert.deepEqual((await store.clients.update('spa', { scope: 'openid' })).client.defaultScope, [
      'openid',
    ]);
    await store.clients.update('spa', { scope: 'openid read', defaultScope: 'read' });
    await assert.rejects(
      store.clients.update('spa', { scope: 'openid' }),
      refusal('invalid_client_metadata'),
    );
  });

  test('is held to the same rules as a new one, and stays as it was if it breaks them', async () => {
    await using store = await openClients();
    const { client } = await store.clients.add(web);
    for (const patch of [
      { redirectUris: [] },
      { redirectUris: ['http://app.example.com/cb'] },
      { idTokenSignedResponseAlg: 'none' },
      { metadata: { contacts: ['nobody'] } },
      { secrets: [] },
      { registeredBy: { by: 'registration' } },
    ]) {
      await assert.rejects(
        store.clients.update(client.clientId, patch),
        refusal('invalid_client_metadata'),
        JSON.stringify(patch),
      );
    }
    assert.deepEqual((await store.clients.find(client.clientId))?.value, client);
    await assert.rejects(store.clients.update('nobody', { name: 'x' }), refusal('client_not_found'));
  });

  test('keeps its secret for as long as its method can use it, and gets one where it has none', async () => {
    await using store = await openClients();
    const { client, secret } = await store.clients.add(web);
    const change = (authenticationMethod: string) =>
      store.clients.update(client.clientId, { authenticationMethod });
    assert.equal((await change('client_secret_post')).secret, null);
    assert.equal(await store.matches(client.clientId, secret?.reveal()), true);
    const signing = await change('client_secret_jwt');
    assert.ok(signing.secret, 'a digest checks no signature');
    assert.equal(await store.matches(client.clientId, secret?.reveal()), false);
    assert.equal((await change('client_secret_basic')).secret, null);
    assert.equal(JSON.stringify(await store.clients.find(client.clientId)).includes('keyturn_cs_'), false);
    assert.deepEqual((await change('none')).client.secrets, []);
    assert.ok((await change('client_secret_basic')).secret);
  });

  test('by twenty at once has the changes of all of them', async () => {
    await using store = await openClients();
    await store.clients.add(spa);
    const names = Array.from({ length: 20 }, (_, index) => `n${index}@example.com`);
    await Promise.all(
      names.map((name) =>
        store.another().replace('spa', (current) => ({
          ...registrationOf(current),
          metadata: { contacts: [...(current.metadata.contacts ?? []), name] },
        })),
      ),
    );
    const { contacts } = (await store.clients.find('spa'))?.value.metadata ?? {};
    assert.deepEqual(contacts?.toSorted(), names.toSorted());
  });
});

describe('rolling the secret of a client', () => {
  test('keeps the one before it alive, so that both work until the next roll', async () => {
    await using store = await openClients();
    const { client, secret } = await store.clients.add(web);
    const shown = [secret?.reveal()];
    for (let roll = 0; roll < 3; roll += 1) {
      store.clock.move(minutes(1));
      const rolled = await store.clients.rollSecret(client.clientId);
      shown.push(rolled.secret.reveal());
      assert.equal(rolled.client.updatedAt, store.clock.now());
      const live = await Promise.all(shown.map((each) => store.matches(client.clientId, each)));
      assert.deepEqual(
        live,
        shown.map((_, index) => index >= shown.length - LIVE_SECRETS_MAX),
      );
    }
  });

  test('ends when the old secret is retired, and the new one works on', async () => {
    await using store = await openClients();
    const { client, secret } = await store.clients.add(web);
    const rolled = await store.clients.rollSecret(client.clientId);
    await store.clients.retireOldSecret(client.clientId);
    assert.equal(await store.matches(client.clientId, secret?.reveal()), false);
    assert.equal(await store.matches(client.clientId, rolled.secret.reveal()), true);
    await store.clients.retireOldSecret(client.clientId);
    assert.equal(await store.matches(client.clientId, rolled.secret.reveal()), true);
  });

  test('changes the version of its record, so that no process goes on with the old one', async () => {
    await using store = await openClients();
    const { client } = await store.clients.add(web);
    const before = await store.clients.find(client.clientId);
    await store.another().rollSecret(client.clientId);
    assert.notEqual((await store.clients.find(client.clientId))?.version, before?.version);
  });

  test('by eight administrators at once gives eight secrets, of which the last two live', async () => {
    await using store = await openClients();
    const { client } = await store.clients.add(web);
    const rolled = await Promise.all(
      Array.from({ length: 8 }, () => store.another().rollSecret(client.clientId)),
    );
    const live = await Promise.all(
      rolled.map(({ secret }) => store.matches(client.clientId, secret.reveal())),
    );
    assert.equal(live.filter(Boolean).length, LIVE_SECRETS_MAX);
    const record = await store.clients.find(client.clientId);
    assert.equal(record?.value.secrets.length, LIVE_SECRETS_MAX);
  });

  test('is refused where there is no such client, or none with a secret', async () => {
    await using store = await openClients();
    await store.clients.add(spa);
    await assert.rejects(store.clients.rollSecret('spa'), refusal('client_has_no_secret'));
    await assert.rejects(store.clients.rollSecret('nobody'), refusal('client_not_found'));
    await assert.rejects(store.clients.retireOldSecret('nobody'), refusal('client_not_found'));
    assert.equal(await store.clients.find('nobody'), null);
  });
});
