import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '#src/clock.ts';
import { type Commands, type Document, errorOf, makeCommands } from '#test/cli/in-process.ts';

const API = 'https://api.example.com';
const CALLBACK = 'https://web.example.com/cb';

let keyturn: Commands;

before(async () => {
  keyturn = await makeCommands();
  const add = async (...args: string[]) => assert.equal((await keyturn.run([...args, '--json'])).code, 0);
  await add('resources', 'add', '--identifier', API, '--scope', 'read', '--signing-algorithm', 'RS256');
  for (const id of ['web', 'shop'])
    await add(
      ...['clients', 'add', '--client-id', id, '--name', id, '--redirect-uri', CALLBACK],
      ...['--id-token-alg', 'RS256'],
    );
});

after(() => keyturn[Symbol.asyncDispose]());

const runJson = (command: string) => keyturn.runJson(command);
const withAlgorithms = (command: string, KEYTURN_KEYS_ALGORITHMS: string) =>
  keyturn.runWithEnv([...command.split(' '), '--json'], { KEYTURN_KEYS_ALGORITHMS });
const registeredFor = async (alg: string) => {
  const all = (await runJson('keys algorithms')).json<(Document & { clients: Document[] })[]>();
  return all.find((each) => each.alg === alg)?.clients.map(({ client_id }) => client_id);
};

describe('keyturn keys migrate', () => {
  test('moves whom it names and nobody else, and may be given again', async () => {
    const moved = (await runJson('keys migrate RS256 ES256 --client shop')).json<{ moved: Document[] }>();
    assert.deepEqual(moved.moved, [
      { kind: 'client', id: 'shop', name: 'shop', members: ['id_token_signed_response_alg'], problem: null },
    ]);
    assert.deepEqual(await registeredFor('RS256'), ['web']);
    const again = (await runJson('keys migrate RS256 ES256 --client shop')).json<{ moved: Document[] }>();
    assert.deepEqual(again.moved, []);
    await runJson('keys migrate ES256 RS256 --client shop');
    assert.deepEqual((await registeredFor('RS256'))?.toSorted(), ['shop', 'web']);
  });

  test('refuses names that nobody has, algorithms that are not on, and to guess who is meant', async () => {
    assert.equal(
      errorOf(await runJson('keys migrate RS256 ES256 --client nobody')).error,
      'client_not_found',
    );
    const noApi = await runJson('keys migrate RS256 ES256 --resource https://no.example.com');
    assert.equal(errorOf(noApi).error, 'resource_server_not_found');
    assert.equal(errorOf(await runJson('keys migrate RS256 ES384 --all')).error, 'unknown_algorithm');
    for (const wrong of [
      'RS256 ES256',
      'RS256 ES256 --all --client web',
      'RS256 RS256 --all',
      'RS1 ES256 --all',
    ])
      assert.equal(errorOf(await runJson(`keys migrate ${wrong}`), 2).error, 'usage');
    assert.deepEqual((await registeredFor('RS256'))?.toSorted(), ['shop', 'web']);
  });

  test('waits until every cache has the key of an algorithm that is new', async () => {
    // A key that was made in the second of the first ring counts as one of that ring.
    const [first] = (await runJson('keys list')).json<Document[]>();
    while (systemClock.now() <= (first?.published_at as number)) await pause(20);
    const fresh = await withAlgorithms('keys migrate RS256 ES384 --all', 'ES256,RS256,ES384');
    assert.equal(errorOf(fresh).error, 'key_not_known');
    assert.deepEqual((await registeredFor('RS256'))?.toSorted(), ['shop', 'web']);
    const dry = await withAlgorithms('keys migrate RS256 ES384 --all --dry-run', 'ES256,RS256,ES384');
    assert.equal(dry.json<{ moved: Document[] }>().moved.length, 3);
  });
});

describe('keyturn keys retire-algorithm', () => {
  test('refuses while the settings name the algorithm, or somebody is registered for it, naming them', async () => {
    assert.equal(errorOf(await runJson('keys retire-algorithm RS256')).error, 'algorithm_in_use');
    const registered = errorOf(await withAlgorithms('keys retire-algorithm RS256', 'ES256'));
    assert.equal(registered.error, 'algorithm_in_use');
    assert.deepEqual((registered.problems as string[]).toSorted(), [API, 'shop', 'web']);
    assert.equal((await withAlgorithms('keys migrate RS256 ES256 --all', 'ES256')).code, 0);
    const retire = async () => (await withAlgorithms('keys retire-algorithm RS256', 'ES256')).json();
    assert.deepEqual(await retire(), { alg: 'RS256', ended: true });
    assert.deepEqual(await retire(), { alg: 'RS256', ended: false }, 'nothing signs with it any more');
    const [, rs256] = (await withAlgorithms('keys algorithms', 'ES256')).json<Document[]>();
    assert.deepEqual([rs256?.standing, rs256?.active_kid], ['ended', null]);
  });
});

test('revoking the last key of an algorithm that the settings do not name says who gets errors, and so does doctor', async () => {
  await using old = await makeCommands();
  const add = `resources add --identifier ${API} --signing-algorithm RS256`;
  assert.equal((await old.runJson(add)).code, 0);
  const without = (command: string) =>
    old.runWithEnv(command.split(' '), { KEYTURN_KEYS_ALGORITHMS: 'ES256' });
  const keys = (await old.runJson('keys list')).json<Document[]>().filter(({ alg }) => alg === 'RS256');
  assert.equal(keys.length, 2);
  let said = '';
  for (const { kid } of keys) said = (await without(`keys revoke ${kid} --reason stolen`)).stdout;
  const move = 'keyturn keys migrate RS256 ES256 --all';
  assert.match(said, new RegExp(`resource servers +${API} \\(never\\)`));
  assert.match(said, new RegExp(`signs now +RS256 {2}nothing\\. Whoever .* gets errors: ${move}$`, 'm'));
  const ill = await without('doctor');
  assert.equal(ill.code, 1);
  assert.match(ill.stdout, /keys RS256 +no key signs, and 1 that are registered for it get errors/);
  assert.equal((await without(move.replace('keyturn ', ''))).code, 0);
  assert.equal((await without('doctor')).code, 0);
});
