import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Commands, errorOf, makeCommands } from '#test/cli/in-process.ts';

let keyturn: Commands;

before(async () => {
  keyturn = await makeCommands();
});

after(() => keyturn[Symbol.asyncDispose]());

const runJson = (command: string, stdin?: string) => keyturn.runJson(command, stdin);

describe('keyturn tokens inspect', () => {
  test('prints why a token is not active, by argument or from stdin, and that is an answer and no error', async () => {
    const told = (await runJson('tokens inspect a.b.c')).json();
    assert.deepEqual(told, {
      active: false,
      reason: 'malformed',
      kind: 'unknown',
      checks: [
        { check: 'format', outcome: 'failed', detail: 'this is no JWT that this server could have signed' },
      ],
      header: null,
      claims: null,
      client_id: null,
      sub: null,
      authorization: null,
      generation: null,
      current_generation: null,
    });
    assert.deepEqual((await runJson('tokens inspect -', 'a.b.c\n')).json(), told);
    const opaque = (await runJson('tokens inspect -yZ3wLVnG0kDj_QXDHwAAAyZ3wLVnG0kDj_QXDHwAAA')).json();
    assert.deepEqual([opaque.kind, opaque.reason], ['opaque_token', 'not_found']);
    assert.equal(errorOf(await runJson('tokens inspect -', ''), 2).message, 'stdin is empty');
  });
});
