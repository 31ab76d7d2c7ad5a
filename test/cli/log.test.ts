import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, test } from 'node:test';
import { createLog } from '#src/cli/log.ts';
import { Terminal } from '#src/cli/terminal.ts';

function logged(
  options: { level?: string; forPeople: boolean },
  log: (to: ReturnType<typeof createLog>) => void,
): string {
  const stdout = new PassThrough();
  const terminal = new Terminal({ stdin: new PassThrough(), stdout, stderr: new PassThrough() });
  log(createLog({ terminal, onExit: () => {} }, { level: 'info', ...options }));
  return String(stdout.read() ?? '');
}

describe('the log', () => {
  test('is one JSON document a line', () => {
    const lines = logged({ forPeople: false }, (log) => {
      log.info({ path: '/token' }, 'request');
      log.warn('careful');
    });
    const [first, second, ...more] = lines
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual(more, []);
    assert.match(first.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual([first.level, first.path, first.msg], [30, '/token', 'request']);
    assert.deepEqual([second.level, second.msg], [40, 'careful']);
  });

  test('keeps to its level', () => {
    assert.equal(
      logged({ level: 'error', forPeople: false }, (log) => log.warn('careful')),
      '',
    );
  });

  test('is made for reading when somebody watches', () => {
    const told = logged({ forPeople: true }, (log) => {
      log.info({ requestId: 'r', method: 'GET', path: '/jwks', status: 200, ms: 0.4 }, 'request');
      log.info({ clientId: 'web', outcome: 'signed-in', steps: [1] }, 'sign-in');
      log.error({ err: new Error('the disk is full') }, 'request failed');
    });
    const [request, event, fault, ...stack] = told
      .split('\n')
      .map((line) => line.replace(/^\d\d:\d\d:\d\d /, ''));
    assert.equal(request, 'INFO  GET /jwks 200 0.4 ms');
    assert.equal(event, 'INFO  sign-in  clientId=web outcome=signed-in steps=[1]');
    assert.equal(fault, 'ERROR request failed');
    assert.match(stack.join('\n'), /^Error: the disk is full\n +at /);
  });

  test('lets nobody who asks for a path drive the terminal that watches', () => {
    const request = { method: 'GET', path: '/\u001b[2J', status: 404, ms: 1 };
    assert.match(
      logged({ forPeople: true }, (log) => log.info(request, 'request')),
      /GET \/\\u\{1b\}\[2J 404/,
    );
  });
});
