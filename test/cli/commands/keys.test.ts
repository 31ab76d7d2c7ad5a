import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Commands, type Document, errorOf, isEpochSeconds, makeCommands } from '#test/cli/in-process.ts';

let keyturn: Commands;

before(async () => {
  keyturn = await makeCommands();
});

after(() => keyturn[Symbol.asyncDispose]());

const runJson = (command: string, stdin?: string) => keyturn.runJson(command, stdin);

describe('keyturn keys', () => {
  test('list shows an active key and its successor for each algorithm', async () => {
    const keys = (await runJson('keys list')).json<Document[]>();
    assert.deepEqual(
      keys.map(({ alg, state, purpose }) => `${alg} ${state} ${purpose}`),
      ['ES256', 'RS256', 'HS256'].flatMap((alg) => {
        const purpose = alg === 'HS256' ? 'refresh' : 'jwks';
        return [`${alg} active ${purpose}`, `${alg} next ${purpose}`];
      }),
    );
    const [active, next] = keys;
    assert.equal(active?.retired_at, next?.signs_from);
    assert(isEpochSeconds(active?.published_at));
  });

  test('list says what is alive of each key, and when each algorithm rotates next', async () => {
    const keys = (await runJson('keys list')).json<Document[]>();
    const nothing = { access_tokens: 0, id_tokens: 0, counted_at: null, last_expires_at: null };
    const nobody = { sign_ins: 0, people: 0, complete: true, last_expires_at: null };
    for (const { purpose, alive } of keys) assert.deepEqual(alive, purpose === 'jwks' ? nothing : nobody);
    const { stdout } = await keyturn.run(['keys', 'list']);
    for (const alg of ['ES256', 'RS256', 'HS256'])
      assert.match(stdout, new RegExp(`^next rotation of ${alg}: in (8[5-9]|90) days, \\d{4}-`, 'm'));
    assert.match(stdout, /^No server has counted yet/m);
  });

  test('rotate lets the successor sign, revoke ends a key with all that it signed', async () => {
    const [active, next] = (await runJson('keys list')).json<Document[]>();
    const rotated = (await runJson('keys rotate --alg ES256')).json<Document[]>();
    assert.equal(rotated.length, 1);
    const [{ signs_from, touches, ...outcome } = {}] = rotated;
    assert.deepEqual(outcome, { outcome: 'signs_now', alg: 'ES256', kid: next?.kid, readers: [] });
    assert(isEpochSeconds(signs_from));

    const states = async () =>
      new Map(
        (await runJson('keys list'))
          .json<Document[]>()
          .map(({ kid, state, reason }) => [kid, [state, reason]]),
      );
    assert.deepEqual((await states()).get(active?.kid), ['retired', null]);
    const revoked = await keyturn.run([
      'keys',
      'revoke',
      String(next?.kid),
      '--reason',
      'found in a paste',
      '--json',
    ]);
    const { successor, outcome: what, kid } = revoked.json<{ successor: Document } & Document>();
    assert.deepEqual([what, kid], ['revoked', next?.kid]);
    assert.equal(successor.caches_may_lack_it, true);
    assert.deepEqual((await states()).get(next?.kid), ['revoked', 'found in a paste']);
    assert.deepEqual((await states()).get(successor.kid), ['active', null]);
    const again = (await runJson(`keys revoke ${next?.kid} --reason again`)).json();
    assert.deepEqual(again, { outcome: 'already_revoked', kid: next?.kid, successor: null });
  });

  test('undo calls off a rotation that has not begun, and says so', async () => {
    const keysOf = async (state: string) =>
      (await runJson('keys list'))
        .json<Document[]>()
        .filter((key) => key.alg === 'ES256' && key.state === state)
        .map(({ kid }) => kid);
    const [[active], [next]] = [await keysOf('active'), await keysOf('next')];
    const [rotated] = (await runJson('keys rotate --alg ES256')).json<Document[]>();
    assert.deepEqual([rotated?.outcome, rotated?.kid], ['scheduled', next]);
    const { stdout, code } = await keyturn.run(['keys', 'undo', '--alg', 'ES256']);
    assert.equal(code, 0);
    const said = `^ES256  key ${next} does not sign yet: the rotation is called off, .* in 8[4-9] days|90 days$`;
    assert.match(stdout, new RegExp(said, 'm'));
    assert.deepEqual([await keysOf('active'), await keysOf('next')], [[active], [next]]);
  });

  test('an option that would do nothing is refused, and before anything else is said', async () => {
    for (const option of ['--reason hurry', '--patience 5s', '--wait soon', '--wait 5s --anyway']) {
      const { code, stdout, stderr } = await keyturn.run(['keys', 'rotate', ...option.split(' ')]);
      assert.deepEqual([code, stdout], [2, ''], option);
      assert.match(stderr, new RegExp(`^keyturn: ${option.split(' ')[0]}`));
    }
  });

  test('keys and algorithms that are not there are refused', async () => {
    assert.equal(errorOf(await runJson('keys rotate --alg ES384')).error, 'unknown_algorithm');
    assert.equal(errorOf(await runJson('keys revoke nothing --reason none')).error, 'key_not_found');
  });
});
