import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Client } from '#src/clients/client.ts';
import { ClientRegistry } from '#src/clients/client-registry.ts';
import { ClientSecrets } from '#src/clients/client-secret.ts';
import { systemRandom } from '#src/random.ts';
import { Places } from '#src/registration/places.ts';
import { days, hours, seconds } from '#src/units.ts';
import { ANSWERS } from '#test/support/authorization-answers.ts';
import { refusal } from '#test/support/refusal.ts';
import { algorithmsWith } from '#test/support/response-algorithms.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

async function openPlaces(max: number) {
  const store = await openTemporaryStore();
  const { records, clock } = store;
  const secrets = new ClientSecrets({
    digestKey: store.derive('client secrets'),
    clock,
    random: systemRandom,
  });
  const clients = new ClientRegistry({
    records,
    secrets,
    clock,
    random: systemRandom,
    algorithms: algorithmsWith('ES256'),
    answers: ANSWERS,
    authenticationMethods: ['client_secret_basic'],
    profile: null,
    longestToken: hours(1),
  });
  const places = new Places({ clients, clock, random: systemRandom, max, unusedFor: days(10) });
  const newcomer = () =>
    clients.describe(
      { name: 'Web', redirectUris: ['https://app.example.com/cb'] },
      {
        by: 'registration',
        accessToken: secrets.createRegistrationAccessToken().kept,
        initialAccessToken: null,
        softwareStatement: null,
        place: null,
      },
    ).client;
  return {
    clients,
    clock,
    places,
    newcomer,
    current: async ({ clientId }: Client) => (await clients.find(clientId))?.value ?? null,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

describe('a place for a client that comes uninvited', () => {
  test('is held by one client each, however many come at once', async () => {
    await using open = await openPlaces(7);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, () => open.places.take(open.newcomer())),
    );
    const taken = outcomes.filter((each) => each.status === 'fulfilled').map(({ value }) => value);
    const refused = outcomes.filter((each) => each.status === 'rejected');
    assert.ok(refused.every(({ reason }) => refusal('registrations_full')(reason)));
    const numbers = taken.map(({ registeredBy }) =>
      registeredBy.by === 'registration' ? registeredBy.place?.number : null,
    );
    assert.deepEqual(numbers.toSorted(), [0, 1, 2, 3, 4, 5, 6]);
    assert.equal((await Array.fromAsync(open.clients.list())).length, 7);
  });

  test('is free again once its client is removed, or was not used for long enough', async () => {
    await using open = await openPlaces(1);
    const first = await open.places.take(open.newcomer());
    await assert.rejects(open.places.take(open.newcomer()), refusal('registrations_full'));
    await open.clients.remove(first.clientId);
    const second = await open.places.take(open.newcomer());
    open.clock.move(seconds(days(10) - 1));
    await assert.rejects(open.places.take(open.newcomer()), refusal('registrations_full'));
    open.clock.move(seconds(1));
    assert.equal(await open.current(second), null);
    await open.places.take(open.newcomer());
  });

  test('is kept by a client that is used, and by one that is changed, with all that is registered of it', async () => {
    await using open = await openPlaces(1);
    const client = await open.places.take(open.newcomer());
    for (let use = 0; use < 5; use += 1) {
      open.clock.move(days(7));
      const current = await open.current(client);
      assert.ok(current);
      await open.places.keep(current);
    }
    await open.clients.update(client.clientId, { name: 'Renamed' });
    open.clock.move(seconds(days(10) - 1));
    const kept = await open.current(client);
    assert.equal(kept?.name, 'Renamed');
    assert.deepEqual(kept?.secrets, client.secrets);
    open.clock.move(seconds(1));
    assert.equal(await open.current(client), null);
  });

  test('costs a write once in a while, not at every use', async () => {
    await using open = await openPlaces(1);
    const client = await open.places.take(open.newcomer());
    const before = (await open.clients.find(client.clientId))?.version;
    open.clock.move(days(4));
    await open.places.keep(client);
    assert.equal((await open.clients.find(client.clientId))?.version, before);
    open.clock.move(days(2));
    await open.places.keep(client);
    assert.notEqual((await open.clients.find(client.clientId))?.version, before);
  });

  test('is nothing that a client of an administrator has, however long it is not used', async () => {
    await using open = await openPlaces(1);
    const { client } = await open.clients.add({ name: 'Web', redirectUris: ['https://app.example.com/cb'] });
    await open.places.keep(client);
    open.clock.move(days(1000));
    assert.ok(await open.current(client));
    await open.places.take(open.newcomer());
  });
});
