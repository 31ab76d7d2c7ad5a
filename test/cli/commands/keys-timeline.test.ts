import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Document, errorOf, makeCommands } from '#test/cli/in-process.ts';

interface TimelineDocument {
  readonly next_rotations: readonly {
    alg: string;
    signs: string;
    next: { kid: string; signs_from: number };
  }[];
  readonly keys: readonly { alg: string; kid: string; spans: readonly { state: string; from: number }[] }[];
  readonly turns: readonly { at: number; alg: string; kid: string; cause: string }[];
}

describe('keyturn keys timeline', () => {
  test('draws what every key did and will do, and says in words when the next rotations come', async () => {
    await using keyturn = await makeCommands();
    const [active, next] = (await keyturn.runJson('keys list')).json<Document[]>();
    const { code, stdout } = await keyturn.run(['keys', 'timeline']);
    assert.equal(code, 0);
    // A second may have passed since the keys were made, in which they have signed.
    for (const alg of ['ES256', 'RS256', 'HS256']) assert.match(stdout, new RegExp(`^${alg} +█?▓`, 'm'));
    assert.match(
      stdout,
      new RegExp(`^ES256 +${active?.kid} signs\\n +${next?.kid} takes over .* UTC, in (8[5-9]|90) days`, 'm'),
    );
    assert.match(stdout, /▓ will sign/);
  });

  test('knows why a key signs, and the keys that are gone', async () => {
    await using keyturn = await makeCommands();
    const [first, second] = (await keyturn.runJson('keys list')).json<Document[]>();
    await keyturn.runJson('keys rotate --alg ES256');
    await keyturn.runJson('keys undo --alg ES256');
    await keyturn.run(['keys', 'revoke', String(first?.kid), '--reason', 'a test', '--yes']);
    const { keys, turns, next_rotations } = (await keyturn.runJson('keys timeline')).json<TimelineDocument>();
    assert.deepEqual(keys.find(({ kid }) => kid === first?.kid)?.spans.at(-1)?.state, 'revoked');
    const now = Date.now() / 1000;
    const past = turns.filter(({ alg, at }) => alg === 'ES256' && at <= now);
    assert.deepEqual(
      past.slice(0, 3).map(({ kid, cause }) => [kid, cause]),
      [
        [first?.kid, 'schedule'],
        [second?.kid, 'hand'],
        [first?.kid, 'undo'],
      ],
    );
    const { next } = next_rotations.find(({ alg }) => alg === 'ES256') ?? {};
    assert.ok(next !== undefined && next.signs_from > now);
  });

  test('draws it into a file as well, or says why it cannot', async () => {
    await using keyturn = await makeCommands();
    const file = join(keyturn.path, 'keys.svg');
    assert.equal((await keyturn.run(['keys', 'timeline', '--svg', file])).code, 0);
    const svg = await readFile(file, 'utf8');
    assert.match(svg, /The next rotation comes \d{4}-\d\d-\d\d .* UTC, in \d+ days\./);
    assert.match(svg, /prefers-color-scheme:dark/);
    const nowhere = await keyturn.run([
      '--json',
      'keys',
      'timeline',
      '--svg',
      join(keyturn.path, 'none', 'keys.svg'),
    ]);
    assert.equal(errorOf(nowhere).error, 'setup_fault');
  });
});
