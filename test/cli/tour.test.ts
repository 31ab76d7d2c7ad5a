import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { makeKeyturnDirectory, startKeyturn } from '#test/support/running-server.ts';

interface TourDocument {
  readonly ok: boolean;
  readonly issuer: string;
  readonly steps: readonly { step: number; title: string; ok: boolean; held: string[]; problem?: string }[];
}

describe('keyturn tour', () => {
  test('passes against a running server, twice, shows what it does, and leaves nothing behind', async () => {
    await using keyturn = await startKeyturn();

    const told = await keyturn.cli(['tour']);
    assert.equal(told.code, 0, told.stdout + told.stderr);
    for (const part of [
      /\/\.well-known\/openid-configuration/,
      /code_challenge_method +S256/,
      /page +Sign in/,
      /page +Allow access/,
      /"typ": "at\+jwt"/,
      /"typ": "rt\+jwt"/,
      /active +true/,
      /outcome +signs-now/,
      /\{"active":false\}/,
      /All 16 steps held\./,
    ]) {
      assert.match(told.stdout, part);
    }
    assert.doesNotMatch(told.stdout, /keyturn_cs_|\beyJ/, 'a secret or a whole token is shown');

    const again = (await keyturn.cli(['tour', '--json'])).json<TourDocument>();
    assert.equal(again.ok, true);
    assert.equal(again.issuer, keyturn.issuer);
    assert.deepEqual(
      again.steps.map(({ step, ok }) => [step, ok]),
      again.steps.map((_, place) => [place + 1, true]),
    );
    assert.equal(again.steps.length, 16);
    for (const kind of ['clients', 'resources', 'accounts']) {
      assert.deepEqual((await keyturn.cli([kind, 'list', '--json'])).json(), [], kind);
    }
  });

  test('says what to do when no server runs, and makes no store', async () => {
    await using directory = await makeKeyturnDirectory();
    const { code, stdout, stderr } = await directory.cli(['tour']);
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /no server answers at http:\/\/localhost:\d+\nhint: .*npm start/);
    assert.deepEqual(await readdir(directory.path), []);
  });

  test('fails at the step that does not hold, and cleans up all the same', async () => {
    await using keyturn = await startKeyturn();
    // The server that answers works on another store, so it knows nobody of the tour.
    await using other = await makeKeyturnDirectory({
      env: { KEYTURN_PORT: String(keyturn.env.KEYTURN_PORT) },
    });
    const { code, stdout } = await other.cli(['tour', '--json']);
    assert.equal(code, 1);
    const { ok, steps } = JSON.parse(stdout) as TourDocument;
    assert.equal(ok, false);
    assert.deepEqual(
      steps.filter((step) => !step.ok).map(({ title, problem }) => [title, problem]),
      [
        [
          'Send the person to the server',
          'this is not the sign-in page: does the server run on the same store, with the same settings?',
        ],
      ],
    );
    assert.equal(steps.at(-1)?.title, 'Clean up');
    for (const kind of ['clients', 'resources', 'accounts']) {
      assert.deepEqual((await other.cli([kind, 'list', '--json'])).json(), [], kind);
    }
  });
});
