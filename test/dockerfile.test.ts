import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '#src/config/load.ts';
import { isIgnored, parseDockerfile } from '#test/support/dockerfile.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

/** How long the server may take until it is healthy, in milliseconds; it is far quicker where nothing else runs. */
const START_MS_MAX = 60_000;

const root = fileURLToPath(new URL('..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const dockerignore = readFileSync(join(root, '.dockerignore'), 'utf8');
const instructions = parseDockerfile(readFileSync(join(root, 'Dockerfile'), 'utf8'));

const textsOf = (keyword: string) =>
  instructions.filter((each) => each.keyword === keyword).map((each) => each.text);

/** The only instruction of its kind. */
function textOf(keyword: string): string {
  const [only, ...others] = textsOf(keyword);
  assert.ok(only !== undefined && others.length === 0, `${keyword} stands in the Dockerfile once`);
  return only;
}

/** The words of a command that is run without a shell. */
function execForm(command: string): [string, ...string[]] {
  const words: unknown = JSON.parse(command);
  assert.ok(Array.isArray(words) && words.length > 0 && words.every((word) => typeof word === 'string'));
  return words as [string, ...string[]];
}

/** What each COPY brings: source and target, as absolute paths of the image. */
const copies = textsOf('COPY').flatMap((copy) => {
  const words = copy.split(/\s+/);
  const target = words.pop() ?? '';
  return words.map((source) => ({
    source,
    target: join(textOf('WORKDIR'), target.endsWith('/') ? join(target, source) : target),
  }));
});

const environment = Object.fromEntries(
  textsOf('ENV').flatMap((line) =>
    [...line.matchAll(/(\w+)=(?:"([^"]*)"|(\S+))/g)].map(([, name, quoted, plain]) => [
      name,
      quoted ?? plain,
    ]),
  ),
);
const healthCheck = execForm(textOf('HEALTHCHECK').replace(/^.*?CMD\s+/, ''));
const volumes = execForm(textOf('VOLUME'));

describe('the image', () => {
  test('is made on the slim image of the pinned Node', () => {
    const pinned = Number.parseInt(manifest.devDependencies.node, 10);
    assert.equal(textOf('FROM'), `node:${pinned}-slim`);
  });

  test('copies only what exists and reaches the build', () => {
    for (const { source } of copies) {
      assert.ok(existsSync(join(root, source)), `${source} exists`);
      assert.ok(!isIgnored(dockerignore, source), `${source} is let through by .dockerignore`);
    }
    const left = globSync('{src,views}/**', { cwd: root, withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.md'))
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length))
      .filter((path) => isIgnored(dockerignore, path));
    assert.deepEqual(left, []);
  });

  test('takes in no key, datum, secret, history or development file', () => {
    const out = [
      'keys/kek-1.key',
      'data/keyturn.db',
      'data/keyturn.db-wal',
      '.env',
      '.git/config',
      'node_modules/koa/package.json',
      'test/dockerfile.test.ts',
    ];
    assert.deepEqual(
      out.filter((path) => !isIgnored(dockerignore, path)),
      [],
    );
    assert.deepEqual(
      copies.map(({ source }) => source),
      ['package.json', 'package-lock.json', 'src', 'views'],
    );
    assert.deepEqual(textsOf('ADD'), []);
  });

  test('installs what the lock file says, and runs no install script', () => {
    const [install] = textsOf('RUN').filter((run) => run.includes('npm '));
    assert.match(install ?? '', /^npm ci --omit=dev --ignore-scripts /);
  });

  test('runs as a user that is not root and cannot change the program', () => {
    const [uid, gid] = textOf('USER').split(':');
    assert.match(uid ?? '', /^[1-9]\d*$/);
    const last = instructions.findLast(({ keyword }) => ['RUN', 'COPY'].includes(keyword));
    const user = instructions.find(({ keyword }) => keyword === 'USER');
    assert.ok(last && user && last.line < user.line, 'nothing is installed after USER');
    assert.ok(!textsOf('COPY').some((copy) => copy.includes('--chown')));

    const [folders] = textsOf('RUN').filter((run) => run.includes('install -d'));
    assert.match(folders ?? '', new RegExp(`install -d -o ${uid} -g ${gid} -m 0700 ${volumes.join(' ')}$`));
  });

  test('brings compiled code that its user can read and not change, and nothing else of the server that compiled it', () => {
    const uid = textOf('USER').split(':')[0];
    const compiled = instructions.find(
      ({ keyword, text }) => keyword === 'RUN' && / keyturn serve\b/.test(text),
    );
    const copied = instructions.findLast(({ keyword }) => keyword === 'COPY');
    assert.ok(compiled !== undefined && copied !== undefined && compiled.line > copied.line);
    const [, folder] = /KEYTURN_STORE=sqlite:(\/tmp\/\w+)\//.exec(compiled.text) ?? [];
    assert.ok(compiled.text.includes(` KEYTURN_KEYS_DIR=${folder}/`));
    // Node keeps it for each user apart, in files that only this one may read.
    assert.match(compiled.text, new RegExp(` --reuid=${uid} .* keyturn serve +&& rm -rf ${folder} && `));
    assert.match(compiled.text, / chown -R root:root (\S+) && chmod -R a\+rX \1$/);
  });

  test('sets settings that the server understands, and keeps all that lasts in volumes', () => {
    const config = loadConfig({ env: environment, cwd: textOf('WORKDIR') });
    assert.deepEqual(config.host, ['0.0.0.0']);
    assert.equal(config.port, Number(textOf('EXPOSE')));
    assert.deepEqual(
      [...volumes].sort(),
      [dirname(config.store.replace('sqlite:', '')), config.keysDir].sort(),
    );
  });

  test('has the bounds of memory that `npm start` has', () => {
    const [, bounds] = / node ((?:--max-\S+ )+)/.exec(manifest.scripts.start) ?? [];
    assert.equal(environment.NODE_OPTIONS, bounds?.trim());
  });

  test('runs a command that is there, without a shell in between', () => {
    assert.equal(textOf('STOPSIGNAL'), 'SIGTERM');
    const [command] = execForm(textOf('ENTRYPOINT'));
    const [, target = ''] =
      new RegExp(`ln -s (\\S+) /usr/local/bin/${command}\\b`).exec(textsOf('RUN').join(' ')) ?? [];
    const file = join(root, target.replace(textOf('WORKDIR'), ''));
    assert.match(readFileSync(file, 'utf8'), /^#!\/usr\/bin\/env node\n/);
    assert.ok(statSync(file).mode & 0o001, `${command} is executable by the image's user`);
    assert.equal(healthCheck[0], 'node');
  });

  test('serves, is found healthy by its own check, and stops when told to', async () => {
    await using image = await makeTemporaryDirectory();
    for (const { source, target } of copies) {
      cpSync(join(root, source), join(image.path, target), { recursive: true });
    }
    const home = join(image.path, textOf('WORKDIR'));
    symlinkSync(join(root, 'node_modules'), join(home, 'node_modules'));
    for (const volume of volumes) mkdirSync(join(image.path, volume));
    const env = {
      ...environment,
      PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
      KEYTURN_HOST: '127.0.0.1',
      KEYTURN_PORT: String(await freePort()),
      KEYTURN_STORE: String(environment.KEYTURN_STORE).replace(':', `:${image.path}`),
      KEYTURN_KEYS_DIR: join(image.path, String(environment.KEYTURN_KEYS_DIR)),
    };

    const command = join(home, 'src/keyturn.js');
    const server = spawn(command, execForm(textOf('CMD')), {
      cwd: home,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = Promise.all([text(server.stdout), text(server.stderr)]);
    const ended = once(server, 'exit');
    const [program, ...args] = healthCheck;
    const isHealthy = () => spawnSync(program, args, { cwd: home, env }).status === 0;
    const giveUpAt = Date.now() + START_MS_MAX;
    while (server.exitCode === null && !isHealthy() && Date.now() < giveUpAt) await pause(100);

    const served = server.exitCode === null && isHealthy();
    server.kill('SIGTERM');
    const [code] = await ended;
    assert.ok(served, `the server does not become healthy:\n${(await output).join('\n')}`);
    assert.equal(code, 0, (await output).join('\n'));
    assert.ok(!isHealthy(), 'a server that is gone is not healthy');
  });
});

describe('.dockerignore is read as Docker does:', () => {
  for (const [sentence, file, path, ignored] of [
    ['a name at the root only', 'keys', 'src/keys', false],
    ['what lies in an ignored folder', 'keys', 'keys/a/b', true],
    ['a star within one level', '*.md', 'docs/a.md', false],
    ['two stars over any number of levels', '**/*.md', 'a.md', true],
    ['two stars over any number of levels', '**/*.md', 'a/b/c.md', true],
    ['the last pattern decides', '*\n!src\nsrc/a.ts', 'src/a.ts', true],
    ['an exception brings a folder back whole', '*\n!src', 'src/a/b.ts', false],
    ['a star takes in files with a leading dot', '*', '.env', true],
    ['comments and empty lines are nothing', '# *\n\n', 'a', false],
  ] as const) {
    test(`${sentence} (${JSON.stringify(file)} on ${path})`, () =>
      assert.equal(isIgnored(file, path), ignored));
  }
});

/** A port of the loopback address that was free a moment ago. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  assert.ok(address !== null && typeof address === 'object');
  return address.port;
}
