import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { examine } from '#src/cli/doctor/examination.ts';
import { systemClock as clock } from '#src/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import { StorageFault } from '#src/fault.ts';
import { systemRandom as random } from '#src/random.ts';
import { openServices, type Services } from '#src/services.ts';
import { ownKeys } from '#src/signing/algorithm.ts';
import { KeyRotation } from '#src/signing/rotation.ts';
import { days } from '#src/units.ts';
import { type Commands, makeCommands } from '#test/cli/in-process.ts';

let keyturn: Commands;
let services: Services;

before(async () => {
  keyturn = await makeCommands({ KEYTURN_ISSUER: 'https://login.example.com' });
});

beforeEach(async () => {
  services = await openServices(loadConfig({ env: keyturn.env }), { clock, random });
});

after(() => keyturn[Symbol.asyncDispose]());

/** What is found about a subject, each with what to do. */
async function found(subject: string): Promise<string[]> {
  await using opened = services;
  const { findings } = await examine(opened, clock.now());
  return findings
    .filter((finding) => finding.subject === subject)
    .map(({ state, says, remedy }) => `${state}: ${says}${remedy === undefined ? '' : `; ${remedy}`}`);
}

/** As if such servers ran. */
async function running(...servers: { name: string; keks?: readonly string[]; ahead?: number }[]) {
  const own = services.store.keys.held.ids;
  for (const { name, keks = own, ahead = 0 } of servers) {
    const now = clock.now();
    const server = { id: name, name, version: '1.2.3', startedAt: now, beat: 1, keks, ring: 1, apart: [] };
    await services.fleet.tell({ ...server, clock: (now + ahead) as typeof now }, now);
  }
}

describe('doctor says of', () => {
  test('servers whose clocks are apart which those are, and what to do', async () => {
    assert.deepEqual(await found('servers'), ['well: none runs on this store at the moment']);
    services = await openServices(loadConfig({ env: keyturn.env }), { clock, random });
    await running({ name: 'host:1' }, { name: 'host:2', ahead: 100 });
    const [finding = ''] = await found('servers');
    assert.match(finding, /^ill: clocks are too far apart: host:2 is (9\d|100) s ahead; .* NTP/);
  });

  test('a server that lacks the current key-encryption key that records need it', async () => {
    await running({ name: 'host:1', keks: [] }, { name: 'host:2', keks: [] });
    const lacking = /^ill: host:1, host:2 lack the key \S+, which records need; put its file into/;
    assert.match((await found('kek'))[0] ?? '', lacking);
  });

  test('records that could not be sealed anew how many they are', async () => {
    const kekId = services.store.keys.register.current.id;
    const progress = { kekId, looked: 9, resealed: 7, unreadable: 2, after: null, finishedAt: clock.now() };
    const resealing = { kind: 'resealing', id: 'resealing', value: progress, expiresAt: null } as const;
    await services.store.records.put(resealing);
    const [, unreadable] = await found('kek');
    assert.match(unreadable ?? '', /^ill: 2 of the records could not be opened .*; see the log/);
  });

  test('a key-encryption key that is not retired yet which it is', async () => {
    for (const id of ['host:1', 'host:2']) await services.fleet.leave(id);
    await services[Symbol.asyncDispose]();
    const { kek } = (await keyturn.runJson('kek rotate')).json();
    services = await openServices(loadConfig({ env: keyturn.env }), { clock, random });
    const says = new RegExp(
      `^notable: everything new is sealed under ${kek}; not retired yet: \\S+; keyturn kek`,
    );
    assert.match((await found('kek')).at(-1) ?? '', says);
  });

  test('a revoked key that nobody was told of that revoking it was cut off, and once more completes it', async () => {
    const { records } = services.store;
    const cutOff = await KeyRotation.open({
      records: {
        find: records.find.bind(records),
        put: records.put.bind(records),
        readLog: records.readLog.bind(records),
        revoke: () => Promise.reject(new StorageFault('cut off')),
      },
      clock,
      source: ownKeys(random),
      policy: services.rotation.policy,
      historyKept: days(1),
    });
    const [{ kid } = assert.fail()] = await cutOff.list();
    await assert.rejects(cutOff.revoke(kid, 'lost'), StorageFault);
    const [finding] = await found('keys ES256').then((all) => all.filter((each) => each.startsWith('ill')));
    assert.match(
      finding ?? '',
      new RegExp(`^ill: ${kid} is revoked, and nobody .* was told.*keys revoke ${kid}`),
    );
    const revoked = (await keyturn.runJson(`keys revoke ${kid} --reason lost`)).json();
    assert.equal(revoked.outcome, 'already_revoked');
    services = await openServices(loadConfig({ env: keyturn.env }), { clock, random });
    assert.ok(!(await found('keys ES256')).some((each) => each.startsWith('ill')));
  });

  test('a store that does not answer that alone', async () => {
    const { store, ...rest } = services;
    const ping = () => Promise.reject(new StorageFault('the disk is gone'));
    const away = { ...rest, store: { ...store, records: { ...store.records, ping } } };
    const { findings } = await examine(away, clock.now());
    assert.deepEqual(
      findings.map(({ subject, state, says }) => [subject, state, /the disk is gone$/.test(says)]),
      [['store', 'ill', true]],
    );
    await services[Symbol.asyncDispose]();
  });
});
