import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { appendFile, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Commands, type Document, errorOf, isEpochSeconds, makeCommands } from '#test/cli/in-process.ts';

interface Listed {
  keks: (Document & { id: string; state: string; records: number; kinds: Record<string, number> })[];
  servers: string[];
  resealing: Document | null;
}

const listed = async (keyturn: Commands) => (await keyturn.runJson('kek list')).json<Listed>();

const statesOf = ({ keks }: Listed) =>
  keks.map(({ id, state, records }) => ({ id, state, empty: records === 0 }));

describe('keyturn kek', () => {
  test('list shows the key of a new store, what is sealed under it, and where it lies', async () => {
    await using keyturn = await makeCommands();
    (await keyturn.runJson('accounts list')).json();
    const { keks, ...rest } = await listed(keyturn);
    assert.equal(keks.length, 1);
    const { id, since, records, kinds, ...kek } = keks[0] ?? assert.fail();
    const sum = Object.values(kinds).reduce((all, count) => all + count);
    assert.match(id, /^\d{8}-\d{6}-[0-9a-f]{6}$/);
    assert.ok(isEpochSeconds(since));
    assert.equal(records, sum);
    assert.deepEqual([kinds.root, kinds['kek-register'], kinds['key-ring']], [1, 1, 1]);
    assert.deepEqual(kek, { state: 'current', servers: [], file: join(keyturn.path, 'keys', 'first.kek') });
    assert.deepEqual(rest, { servers: [], resealing: null });
    const { stdout } = await keyturn.run(['kek', 'list']);
    assert.match(stdout, new RegExp(`current +${sum} +.* UTC +- +first\\.kek +${id}`));
  });

  test('rotate makes a key that is current at once where no server runs; reseal and retire end the old', async () => {
    await using keyturn = await makeCommands();
    const [{ id: old, records, kinds } = assert.fail()] = (await listed(keyturn)).keks;
    const rotated = (await keyturn.runJson('kek rotate')).json();
    const file = join(keyturn.path, 'keys', `${rotated.kek}.kek`);
    assert.deepEqual(rotated, { outcome: 'current', kek: rotated.kek, file, lacking: [] });
    assert.ok(existsSync(file));
    const refused = errorOf(await keyturn.runJson(`kek retire ${old}`));
    assert.equal(refused.error, 'kek_in_use');
    for (const kind of Object.keys(kinds).filter((each) => each !== 'kek-register')) {
      assert.match(
        String(refused.message),
        new RegExp(`still sealed under ${old}: .*${kinds[kind]} ${kind}`),
      );
    }
    const resealed = (await keyturn.runJson('kek reseal')).json();
    assert.deepEqual(resealed, {
      outcome: 'finished',
      kek: rotated.kek,
      resealed: records - 1,
      unreadable: 0,
    });
    const after = await listed(keyturn);
    assert.deepEqual(statesOf(after), [
      { id: rotated.kek, state: 'current', empty: false },
      { id: old, state: 'former', empty: true },
    ]);
    assert.equal(after.resealing?.kek, rotated.kek);
    const { stdout } = await keyturn.run(['kek', 'list']);
    assert.match(stdout, new RegExp(`Nothing is sealed under ${old} any more: keyturn kek retire ${old}`));
    const first = join(keyturn.path, 'keys', 'first.kek');
    const retired = (await keyturn.runJson(`kek retire ${old}`)).json();
    assert.deepEqual(retired, { outcome: 'retired', id: old, file: first, deleted: false });
    assert.deepEqual(statesOf(await listed(keyturn))[1], { id: old, state: 'retired', empty: true });
    (await keyturn.runJson(`kek retire ${old} --delete-file`)).json();
    assert.ok(!existsSync(first));
    (await keyturn.runJson('accounts list')).json();
  });

  test('rotate --wait also seals what is under the old key', async () => {
    await using keyturn = await makeCommands();
    const [old = assert.fail()] = (await listed(keyturn)).keks;
    const { kek, outcome, resealed } = (await keyturn.runJson('kek rotate --wait')).json();
    // All but the register, which is under the new key since it says so.
    assert.deepEqual([outcome, resealed], ['current', old.records - 1]);
    const { keks } = await listed(keyturn);
    assert.deepEqual(
      keks.map(({ id, kinds }) => [id, kinds]),
      [
        [kek, { ...old.kinds, resealing: 1 }],
        [old.id, {}],
      ],
    );
    const again = await keyturn.run(['kek', 'reseal']);
    assert.match(again.stdout, /Everything is under/);
  });

  test('reseal has nothing to do where there has been one key only', async () => {
    await using keyturn = await makeCommands();
    assert.deepEqual((await keyturn.runJson('kek reseal')).json(), { outcome: 'not_needed' });
  });

  test('retire refuses the current key and one that is not there, and asks before it deletes a file', async () => {
    await using keyturn = await makeCommands();
    const [{ id: old } = assert.fail()] = (await listed(keyturn)).keks;
    assert.equal(errorOf(await keyturn.runJson(`kek retire ${old}`)).error, 'kek_in_use');
    assert.equal(errorOf(await keyturn.runJson('kek retire 20200101-000000-abcdef')).error, 'kek_not_found');
    (await keyturn.runJson('kek rotate --wait')).json();
    const kept = await keyturn.runAtTerminal(['kek', 'retire', old, '--delete-file'], 'n\n');
    assert.equal(kept.code, 1);
    assert.match(kept.stderr, /Retire .*, and delete .*first\.kek for good\?/);
    assert.ok(existsSync(join(keyturn.path, 'keys', 'first.kek')));
    assert.equal(statesOf(await listed(keyturn))[1]?.state, 'former', 'nothing was changed');
  });

  test('retire deletes no file that holds other keys too', async () => {
    await using keyturn = await makeCommands();
    const [{ id: old } = assert.fail()] = (await listed(keyturn)).keks;
    const { kek } = (await keyturn.runJson('kek rotate --wait')).json();
    const keys = join(keyturn.path, 'keys');
    const text = await readFile(join(keys, `${kek}.kek`), 'utf8');
    await appendFile(join(keys, 'first.kek'), text);
    const retired = await keyturn.run(['kek', 'retire', old, '--delete-file']);
    assert.match(retired.stdout, /Its line can be deleted in .*first\.kek, which holds other keys too\./);
    assert.ok(existsSync(join(keys, 'first.kek')));
  });

  test('rotate prints a new key once where the keys come by a setting, which may hold several lines', async () => {
    await using keyturn = await makeCommands();
    (await keyturn.runJson('accounts list')).json();
    const first = await readFile(join(keyturn.path, 'keys', 'first.kek'), 'utf8');
    const printed = await keyturn.runWithEnv(['kek', 'rotate'], { KEYTURN_KEK: first });
    assert.equal(printed.code, 0);
    const [text = ''] = printed.stdout.split('\n');
    assert.match(text, /^keyturn_kek_/);
    assert.match(printed.stdout, /Add it to KEYTURN_KEK as a further line\./);
    assert.deepEqual(await readdir(join(keyturn.path, 'keys')), ['first.kek']);
    const both = { KEYTURN_KEK: `${first.trim()}\n${text}` };
    const rotated = await keyturn.runWithEnv(['kek', 'rotate', '--wait', '--json'], both);
    assert.equal(rotated.json().kek, text.split('_')[2]);
    const alone = await keyturn.runWithEnv(['accounts', 'list', '--json'], { KEYTURN_KEK: first });
    assert.match(String(errorOf(alone).message), new RegExp(`${text.split('_')[2]}.*the setting`));
  });

  test('every command says which key is missing, and where it was looked for', async () => {
    await using keyturn = await makeCommands();
    const [{ id: old } = assert.fail()] = (await listed(keyturn)).keks;
    (await keyturn.runJson('kek rotate')).json();
    await rename(join(keyturn.path, 'keys', 'first.kek'), join(keyturn.path, 'mislaid'));
    for (const command of [
      'accounts list',
      'clients list',
      'keys list',
      'kek list',
      'nodes',
      'doctor',
      'serve',
    ]) {
      const { error, message, hint } = errorOf(await keyturn.runJson(command));
      assert.equal(error, 'setup_fault', command);
      assert.ok(
        String(message).includes(old) && String(message).includes(join(keyturn.path, 'keys')),
        command,
      );
      assert.match(String(hint), /backup/);
    }
  });
});

describe('keyturn nodes', () => {
  test('says that no server runs where none does', async () => {
    await using keyturn = await makeCommands();
    assert.deepEqual((await keyturn.runJson('nodes')).json(), []);
    assert.match((await keyturn.run(['nodes'])).stdout, /No server runs on this store\./);
  });
});
