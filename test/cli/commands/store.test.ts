import assert from 'node:assert/strict';
import { rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { errorOf, isEpochSeconds, makeCommands } from '#test/cli/in-process.ts';

describe('keyturn store copy', () => {
  test('shows what was copied, the digest of it, and what to do next; for programs one document', async () => {
    await using keyturn = await makeCommands();
    (await keyturn.runJson('clients add --name Web --redirect-uri https://a.example.com/')).json();
    const { KEYTURN_STORE: home = '' } = keyturn.env;
    const [first, second] = ['first', 'second'].map((name) => `sqlite:${join(keyturn.path, `${name}.db`)}`);
    const copied = (await keyturn.runJson(`store copy ${home} ${first}`)).json();
    const { sha256, ...rest } = copied;
    assert.match(String(sha256), /^[0-9a-f]{64}$/);
    const counts = { client: 1, 'kek-register': 1, 'key-ring': 1, 'log-entry': 1, root: 1 };
    assert.deepEqual(rest, {
      outcome: 'finished',
      source: home,
      target: first,
      written: 5,
      dropped: 0,
      counts,
    });

    const ahead = (await keyturn.runJson(`store copy ${home} ${second} --ahead`)).json();
    assert.deepEqual([ahead.outcome, ahead.written], ['ahead', 5]);
    const unfinished = await keyturn.runWithEnv(['clients', 'list', '--json'], {
      KEYTURN_STORE: second ?? '',
    });
    assert.equal(errorOf(unfinished).error, 'setup_fault');
    // What the settings name is the target where none is given.
    const { stdout } = await keyturn.runWithEnv(['store', 'copy', home], { KEYTURN_STORE: second ?? '' });
    assert.match(stdout, /^Copied .*first|second\.db, and compared both as a whole: they are the same\./);
    assert.match(stdout, new RegExp(`client +1\\n(.*\\n)+SHA-256 of it all: ${sha256}\\n`));
    assert.match(stdout, /Start none on the source any more/);
  });

  test('says what is wrong with its places', async () => {
    await using keyturn = await makeCommands();
    const { KEYTURN_STORE: home = '' } = keyturn.env;
    assert.equal(errorOf(await keyturn.runJson(`store copy mysql:nowhere ${home}`), 2).error, 'usage');
    assert.equal(errorOf(await keyturn.runJson(`store copy ${home} ${home}`), 2).error, 'usage');
    const missing = errorOf(await keyturn.runJson(`store copy sqlite:${keyturn.path}/no.db ${home}`));
    assert.equal(missing.message, `there is no store at sqlite:${keyturn.path}/no.db`);
  });
});

describe('keyturn backup and restore', () => {
  test('write one file, say which keys it needs, and bring it back with what is left to do', async () => {
    await using keyturn = await makeCommands();
    (await keyturn.runJson('clients add --name Web --redirect-uri https://a.example.com/')).json();
    const file = join(keyturn.path, 'one.backup');
    const made = (await keyturn.runJson(`backup ${file}`)).json();
    const [{ id: kek }] = (await keyturn.runJson('kek list')).json<{ keks: [{ id: string }] }>().keks;
    const counts = { client: 1, 'kek-register': 1, 'key-ring': 1, 'log-entry': 1, root: 1 };
    const bytes = (await stat(file)).size;
    assert.deepEqual(made, { outcome: 'written', file, bytes, entries: 5, counts, keks: [kek] });
    assert.equal(errorOf(await keyturn.runJson(`backup ${file}`)).error, 'file_exists');

    const { made_at, program, ...checked } = (await keyturn.runJson(`restore --check ${file}`)).json();
    assert.ok(isEpochSeconds(made_at) && typeof program === 'string');
    assert.deepEqual(checked, { outcome: 'whole', keks: [kek], counts });
    assert.equal(errorOf(await keyturn.runJson(`restore ${file}`)).error, 'store_not_empty');
    const elsewhere = { KEYTURN_STORE: `sqlite:${join(keyturn.path, 'elsewhere.db')}` };
    const { stdout, code } = await keyturn.runWithEnv(['restore', file], elsewhere);
    assert.equal(code, 0);
    assert.match(stdout, /^Restored, and compared with the backup as a whole\./);
    assert.match(stdout, /Sign-ins were left out/);
    assert.match(stdout, /the keys first:\n {2}keyturn keys revoke/);
    const clients = (await keyturn.runWithEnv(['clients', 'list', '--json'], elsewhere)).json<unknown[]>();
    assert.equal(clients.length, 1);
  });

  test('need a store, and a key', async () => {
    await using keyturn = await makeCommands();
    const file = join(keyturn.path, 'one.backup');
    assert.match(String(errorOf(await keyturn.runJson(`backup ${file}`)).message), /^there is no store at /);
    (await keyturn.runJson('clients list')).json();
    (await keyturn.runJson(`backup ${file}`)).json();
    const noKeys = { KEYTURN_KEYS_DIR: join(keyturn.path, 'no keys') };
    const refused = errorOf(await keyturn.runWithEnv(['restore', '--check', file, '--json'], noKeys));
    assert.match(String(refused.message), /needs the key-encryption key \S+, which is not in .*no keys/);

    // A server would not start without a key that nothing is under any more, until it is retired.
    (await keyturn.runJson('kek rotate')).json();
    (await keyturn.runJson('kek reseal')).json();
    const later = join(keyturn.path, 'later.backup');
    const { keks } = (await keyturn.runJson(`backup ${later}`)).json<{ keks: [string, string] }>();
    await rename(join(keyturn.path, 'keys', 'first.kek'), join(keyturn.path, 'mislaid.kek'));
    const lacking = errorOf(await keyturn.runJson(`restore --check ${later}`));
    assert.match(String(lacking.message), new RegExp(`needs the key-encryption key ${keks[0]}, which`));
  });
});
