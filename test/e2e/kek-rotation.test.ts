import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { systemClock } from '#src/clock.ts';
import { systemRandom } from '#src/random.ts';
import type { ResealProgress } from '#src/sealing/resealing.ts';
import { openStore, type Store } from '#src/storage/open-store.ts';
import { after, hours } from '#src/units.ts';
import { CALLBACK } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { type KeyturnDirectory, type RunningKeyturn, startKeyturn } from '#test/support/running-server.ts';
import { addWebClient } from '#test/support/web-client.ts';

const PASSWORD = 'the quick brown fox of tests';
const SETTINGS = {
  KEYTURN_PASSWORDS_ARGON2_MEMORY_KIB: '7168',
  KEYTURN_PASSWORDS_ARGON2_ITERATIONS: '5',
  KEYTURN_NODES_HEARTBEAT: '1s',
  KEYTURN_KEY_ENCRYPTION_ROTATE_WAIT: '30s',
};
const RECORDS = 800;

/** After how many records of those that are to be sealed anew the server that does so is killed. */
const KILLED_AT = [70, 333, 600];

interface Listed {
  keks: { id: string; state: string; records: number; servers: string[] }[];
  resealing: { finished_at: number | null } | null;
}

type CommandRunner = Pick<KeyturnDirectory, 'cli'>;

const listed = async (keyturn: CommandRunner) =>
  (await keyturn.cli(['kek', 'list', '--json'])).json<Listed>();

test('the key-encryption key is replaced under traffic, with a server killed time and again while it seals anew, and nobody notices', async () => {
  // So slow that there is time to kill it.
  const slowly = { KEYTURN_KEY_ENCRYPTION_RESEAL_BATCH: '20', KEYTURN_KEY_ENCRYPTION_RESEAL_PAUSE_MS: '20' };
  await using keyturn = await startKeyturn({ env: { ...SETTINGS, ...slowly } });
  await using store = await storeOf(keyturn);
  for (let i = 0; i < RECORDS; i += 1) {
    const expiresAt = i % 2 ? null : after(systemClock.now(), hours(1));
    await store.records.put({
      kind: 'sector',
      id: `${i}`,
      value: { i },
      expiresAt,
      aliases: [`alias ${i}`],
    });
  }
  const before = await sectorsOf(store);
  const refreshed = await signIn(keyturn);
  const [{ id: old } = assert.fail()] = (await listed(keyturn)).keks;

  const { kek, outcome } = (await keyturn.cli(['kek', 'rotate', '--json'])).json();
  assert.equal(outcome, 'current');
  await using traffic = writeUntilStopped(store);
  for (const looked of KILLED_AT) {
    await until(async () => ((await progressOf(store))?.looked ?? 0) >= looked);
    assert.equal((await progressOf(store))?.finishedAt, null, 'it is in the middle of it');
    await keyturn.kill();
    await keyturn.restart();
    assert.ok(isDeepStrictEqual(await sectorsOf(store), before), 'no record has changed');
  }
  await until(async () => (await progressOf(store))?.finishedAt != null);
  const written = await traffic.stop();
  assert.ok(written.length > 0);
  for (const [id, value] of written) assert.equal((await store.records.find('session', id))?.value, value);
  assert.ok(isDeepStrictEqual(await sectorsOf(store), before), 'no record has changed');
  await refreshed();

  const { keks } = await listed(keyturn);
  assert.deepEqual(
    keks.map(({ id, state, records }) => [id, state, records > 0]),
    [
      [kek, 'current', true],
      [old, 'former', false],
    ],
  );
  assert.equal((await keyturn.cli(['kek', 'retire', old, '--delete-file'])).code, 0);
  assert.deepEqual(await readdir(join(keyturn.path, 'keys')), [`${kek}.kek`]);
  await keyturn.stop();
  await keyturn.restart();
  await refreshed();
  assert.ok(isDeepStrictEqual(await sectorsOf(store), before), 'no record has changed');
});

test('a new key-encryption key waits for the server that lacks it, which is named, and is used when it has come there', async () => {
  await using one = await startKeyturn({ env: SETTINGS });
  const ownKeys = join(one.path, 'keys of the other');
  await mkdir(ownKeys);
  await copyFile(join(one.path, 'keys', 'first.kek'), join(ownKeys, 'first.kek'));
  const { KEYTURN_STORE = '' } = one.env;
  const env = { ...SETTINGS, KEYTURN_STORE, KEYTURN_KEYS_DIR: ownKeys, KEYTURN_ISSUER: one.issuer };
  await using other = await startKeyturn({ env });
  const nodes = (await one.cli(['nodes', '--json'])).json<{ id: string; name: string }[]>();
  assert.deepEqual(
    nodes.map(({ name }) => name.split(':').at(-1)),
    [one, other].map((server) => server.env.KEYTURN_PORT),
  );

  const rotating = one.cli(['kek', 'rotate', '--wait', '--json']);
  const made = await newFileIn(join(one.path, 'keys'));
  await copyFile(join(one.path, 'keys', made), join(ownKeys, made));
  const { outcome, kek } = (await rotating).json();
  assert.deepEqual([outcome, `${kek}.kek`], ['current', made]);
  await other.printed(new RegExp(`"kek":"${kek}","msg":"another key-encryption key has become current"`));
  assert.equal((await other.cli(['clients', 'add', '--name', 'New', '--redirect-uri', CALLBACK])).code, 0);
  assert.equal((await fetch(`${other.issuer}/readyz`)).status, 200);
  assert.ok((await listed(other)).keks.every(({ state, records }) => state === 'current' || records === 0));

  const impatient = await one.cli(['kek', 'rotate', '--no-wait', '--json']);
  assert.equal(impatient.code, 1);
  const waiting = JSON.parse(impatient.stdout);
  assert.equal(waiting.outcome, 'waiting');
  await until(async () => (await listed(one)).keks[0]?.servers.length === 1);
  const again = await one.cli(['kek', 'rotate', '--no-wait']);
  assert.match(
    again.stdout,
    new RegExp(`${waiting.kek} is not current yet: .*\\n.*${other.env.KEYTURN_PORT}`),
  );
  assert.match((await one.cli(['kek', 'list'])).stdout, new RegExp(`waiting +0 +- +1 of 2 .*${waiting.kek}`));
});

test('a server does not start without a key that records need, and says which it is and where it was looked for', async () => {
  await using keyturn = await startKeyturn({ env: SETTINGS });
  const [{ id: old } = assert.fail()] = (await listed(keyturn)).keks;
  await keyturn.stop();
  (await keyturn.cli(['kek', 'rotate', '--no-wait', '--json'])).json();
  const keys = join(keyturn.path, 'keys');
  await rm(join(keys, 'first.kek'));
  await assert.rejects(
    keyturn.restart(),
    (error: Error) => error.message.includes(old) && error.message.includes(keys),
  );
});

const storeOf = ({ env }: RunningKeyturn): Promise<Store> =>
  openStore({
    location: env.KEYTURN_STORE ?? '',
    keysDirectory: env.KEYTURN_KEYS_DIR ?? '',
    clock: systemClock,
    random: systemRandom,
  });

/** With versions and expiry. */
const sectorsOf = async ({ records }: Store) => (await records.list('sector', { limit: RECORDS })).records;

const progressOf = async ({ records }: Store) =>
  (await records.find<ResealProgress>('resealing', 'resealing'))?.value ?? null;

/** The name of a second file of keys, once there is one. */
async function newFileIn(directory: string): Promise<string> {
  for (;;) {
    const found = (await readdir(directory)).find((name) => name.endsWith('.kek') && name !== 'first.kek');
    if (found !== undefined) return found;
    await setTimeout(5);
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await setTimeout(5);
}

/** Puts, replaces and removes records, as another process on the store, and says at the end what must be there. */
function writeUntilStopped({ records }: Store) {
  const written = new Map<string, number>();
  let stopped = false;
  const writing = (async () => {
    for (let i = 0; !stopped; i += 1) {
      const id = `${i % 50}`;
      if (i % 3 === 2) {
        await records.remove('session', id);
        written.delete(id);
      } else {
        await records.put({ kind: 'session', id, value: i, expiresAt: null });
        written.set(id, i);
      }
    }
  })();
  const stop = async () => {
    stopped = true;
    await writing;
    return [...written];
  };
  return {
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}

/** Signs somebody in. Answers what refreshes with the newest refresh token each time, and fails if that is refused. */
async function signIn(keyturn: RunningKeyturn): Promise<() => Promise<void>> {
  const account = ['accounts', 'add', '--username', 'ada', '--password-stdin', '--json'];
  (await keyturn.cli(account, { stdin: PASSWORD })).json();
  const web = await addWebClient(keyturn);
  const { url, checks } = await web.request({ scope: 'openid offline_access', prompt: 'consent' });
  const callback = await new Person().authorize(url, { login: 'ada', password: PASSWORD });
  let { refresh_token: token = '' } = await web.redeem(callback, checks);
  return async () => {
    token = (await web.refresh(token)).refresh_token ?? assert.fail('it was refused');
  };
}
