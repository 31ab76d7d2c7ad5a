import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';

/** A program in the place of `main.ts` that shows what reaches it. */
const PROGRAM = `
const [word] = process.argv.slice(2) as string[];
if (word === 'wait') {
  const timer = setInterval(() => {}, 1000);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => { process.stdout.write(signal); clearInterval(timer); });
  }
  process.stdout.write('ready ');
} else if (word === 'die') {
  process.kill(process.pid, 'SIGKILL');
} else {
  process.stdout.write(JSON.stringify(process.argv.slice(2)) + ' ');
  process.stdin.pipe(process.stdout);
  process.exitCode = 7;
}
`;

/** Makes the running Node say that it is an old one, before anything else is loaded. */
const OLD_NODE = `data:text/javascript,${encodeURIComponent(`
  Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.11.0' } });
`)}`;

describe('the command', () => {
  const root = mkdtempSync(join(tmpdir(), 'keyturn-command-'));
  const withRuntime = projectIn(join(root, 'with'));
  const withoutRuntime = projectIn(join(root, 'without'));
  mkdirSync(join(withRuntime, 'node_modules/node/bin'), { recursive: true });
  symlinkSync(process.execPath, join(withRuntime, 'node_modules/node/bin/node'));
  after(() => rmSync(root, { recursive: true }));

  for (const [runtime, project, flags] of [
    ['a Node that runs TypeScript', withoutRuntime, []],
    ['an older Node, by the pinned one', withRuntime, ['--import', OLD_NODE]],
  ] as const) {
    const run = (...args: string[]) =>
      spawn(process.execPath, [...flags, join(project, 'src/keyturn.js'), ...args]);

    test(`on ${runtime}: passes on arguments, input, output and the exit code`, async () => {
      const child = run('clients', 'a b', '--json');
      child.stdin.end('from stdin');
      const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
      assert.equal(output, '["clients","a b","--json"] from stdin');
      assert.equal(code, 7);
    });

    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
      test(`on ${runtime}: ${signal} reaches the program, which ends in its own time`, async () => {
        const child = run('wait');
        child.stdout.setEncoding('utf8');
        const [ready] = await once(child.stdout, 'data');
        assert.equal(ready, 'ready ');
        child.kill(signal);
        const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')]);
        assert.equal(output, signal);
        assert.equal(code, 0);
      });
    }
  }

  test('on an older Node: tells of a program that was killed as a shell does', async () => {
    const child = spawn(process.execPath, ['--import', OLD_NODE, join(withRuntime, 'src/keyturn.js'), 'die']);
    const [code] = await once(child, 'exit');
    assert.equal(code, 128 + 9);
  });

  test('on an older Node without the pinned one: says what to do', async () => {
    const child = spawn(process.execPath, ['--import', OLD_NODE, join(withoutRuntime, 'src/keyturn.js')]);
    const [message, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    assert.match(message, /Node 24 or later is needed.*\n.*`npm ci`/);
    assert.equal(code, 1);
  });
});

/** A project with the real launcher and the program above; returns its folder. */
function projectIn(folder: string): string {
  mkdirSync(join(folder, 'src'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'src/main.ts'), PROGRAM);
  copyFileSync(new URL('../src/keyturn.js', import.meta.url), join(folder, 'src/keyturn.js'));
  return folder;
}
