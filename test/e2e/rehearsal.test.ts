import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import { type RunningKeyturn, startKeyturn } from '#test/support/running-server.ts';

const PROGRAM = fileURLToPath(import.meta.resolve('#src/keyturn.js'));

type Accepts = (token: string) => Promise<boolean>;

/** Where resource servers answer, each under a path of its own. */
class Apis implements AsyncDisposable {
  readonly #accepts = new Map<string, Accepts>();
  readonly #server = createServer((request, response) => {
    const [, token = ''] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '') ?? [];
    const accepts = this.#accepts.get(request.url ?? '') ?? assert.fail(request.url);
    void accepts(token)
      .catch(() => false)
      .then((good) => response.writeHead(good ? 200 : 401).end());
  });

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  /** The address at which tokens are accepted like that. */
  add(name: string, accepts: Accepts): string {
    this.#accepts.set(`/${name}`, accepts);
    return `http://127.0.0.1:${(this.#server.address() as { port: number }).port}/${name}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

interface Rehearsed {
  readonly finished: boolean;
  readonly keys: readonly { alg: string; kid: string }[];
  readonly resource_servers: readonly {
    identifier: string;
    verdict: string;
    knew: string | null;
    fetched_keys: boolean | null;
    with_new_key: { status: number | null; ms: number } | null;
    with_key_in_use: { status: number | null; problem?: string };
    with_forged_token: { status: number | null };
  }[];
  readonly left_out: readonly { identifier: string; why: string }[];
}

describe('keyturn keys rotate --rehearse', () => {
  let keyturn: RunningKeyturn;
  const apis = new Apis();

  before(async () => {
    await apis.listen();
    keyturn = await startKeyturn({
      env: { KEYTURN_ALLOW_PRIVATE_NETWORK: 'true', KEYTURN_KEYS_READERS_WRITE_EVERY: '1s' },
    });
  });
  after(async () => {
    await keyturn[Symbol.asyncDispose]();
    await apis[Symbol.asyncDispose]();
  });

  const identifierOf = (name: string) => `https://${name}.example.com`;
  const add = async (name: string, accepts: Accepts | null, ...more: string[]) => {
    const canary = accepts === null ? [] : ['--canary-url', apis.add(name, accepts)];
    const added = await keyturn.cli([
      'resources',
      'add',
      '--identifier',
      identifierOf(name),
      ...canary,
      ...more,
      '--json',
    ]);
    return added.json<{ client_id: string; client_secret: string }>();
  };
  const jwksOf = (name: string) => new URL(`${keyturn.issuer}/jwks?rs=${identifierOf(name)}`);
  const verifying =
    (name: string, keys: JWTVerifyGetKey): Accepts =>
    async (token) => {
      const about = { issuer: keyturn.issuer, audience: identifierOf(name), typ: 'at+jwt' };
      await jwtVerify(token, keys, about);
      return true;
    };
  /** Fetches the keys again for a kid that it does not know. */
  const refetching = (name: string) =>
    verifying(name, (header, token) => {
      remotes.set(name, remotes.get(name) ?? createRemoteJWKSet(jwksOf(name), { cooldownDuration: 500 }));
      return remotes.get(name)?.(header, token) ?? assert.fail();
    });
  const remotes = new Map<string, ReturnType<typeof createRemoteJWKSet>>();
  /** Fetches the keys once. */
  const cachingForEver = (name: string) => {
    let keys: Promise<ReturnType<typeof createLocalJWKSet>> | undefined;
    return verifying(name, async (header, token) => {
      keys ??= fetch(jwksOf(name)).then(async (answer) =>
        createLocalJWKSet((await answer.json()) as JSONWebKeySet),
      );
      return (await keys)(header, token);
    });
  };
  const asking =
    (credentials: () => string): Accepts =>
    async (token) => {
      const answer = await fetch(`${keyturn.issuer}/introspect`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(credentials()).toString('base64')}` },
        body: new URLSearchParams({ token }),
      });
      const { active, scope, keyturn_canary } = (await answer.json()) as Record<string, unknown>;
      return active === true && scope === undefined && keyturn_canary === true;
    };
  const published = async () => {
    const { keys } = (await (await fetch(`${keyturn.issuer}/jwks`)).json()) as { keys: { kid: string }[] };
    return keys.map(({ kid }) => kid).toSorted();
  };
  const until = async (holds: () => Promise<boolean>) => {
    while (!(await holds())) await pause(50);
  };
  const spawned = () => {
    const args = [PROGRAM, 'keys', 'rotate', '--rehearse', '--patience', '1m'];
    const child = spawn(process.execPath, args, { cwd: keyturn.path, env: keyturn.env });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (chunk: string) => {
        output[name] += chunk;
      });
    const told = (pattern: RegExp) =>
      until(async () => pattern.test(output.stderr) || child.exitCode !== null);
    return { child, output, told };
  };
  const ended = async (child: ChildProcessWithoutNullStreams) =>
    (await once(child, 'close'))[0] as number | null;

  test('is refused with nobody to ask', async () => {
    await add('silent', null);
    const refused = await keyturn.cli(['keys', 'rotate', '--rehearse', '--json']);
    assert.equal(refused.code, 1);
    assert.equal(JSON.parse(refused.stderr).error, 'nobody_to_rehearse');
  });

  test('goes well where everyone takes the new key: by fetching it, or by asking', async () => {
    await add('refetching', refetching('refetching'));
    let credentials = '';
    const { client_id, client_secret } = await add(
      'asking',
      asking(() => credentials),
    );
    credentials = `${client_id}:${client_secret}`;
    const before = await published();
    const rehearsed = await keyturn.cli(['keys', 'rotate', '--rehearse', '--json']);
    const { finished, keys, resource_servers, left_out } = rehearsed.json<Rehearsed>();
    assert.equal(finished, true);
    assert.deepEqual(
      keys.map(({ alg }) => alg),
      ['ES256'],
    );
    assert.deepEqual(
      resource_servers.map(({ identifier, verdict, knew, fetched_keys }) => [
        identifier,
        verdict,
        knew,
        fetched_keys,
      ]),
      [
        ['https://asking.example.com', 'accepted', 'new', null],
        ['https://refetching.example.com', 'accepted', 'new', true],
      ],
    );
    for (const { with_new_key, with_key_in_use, with_forged_token } of resource_servers) {
      assert.deepEqual(
        [with_new_key?.status, with_key_in_use.status, with_forged_token.status],
        [200, 200, 401],
      );
      assert.ok(Number.isSafeInteger(with_new_key?.ms));
    }
    assert.deepEqual(left_out, [{ identifier: 'https://silent.example.com', why: 'no_canary_url' }]);
    await until(async () => JSON.stringify(await published()) === JSON.stringify(before));
  });

  test('finds an API that caches the keys for ever, and says what is wrong with it', async () => {
    await add('forever', cachingForEver('forever'));
    const rehearsed = await keyturn.cli([
      'keys',
      'rotate',
      '--rehearse',
      '--alg',
      'ES256',
      '--patience',
      '3s',
    ]);
    assert.equal(rehearsed.code, 1);
    const line = (name: string) =>
      new RegExp(`^${identifierOf(name)} .*$`, 'm').exec(rehearsed.stdout)?.[0] ?? '';
    assert.match(line('forever'), /401, \d+ ms +200, \d+ ms +401, \d+ ms +no +only the old one$/);
    assert.match(line('refetching'), /200, \d+ ms +200, \d+ ms +401, \d+ ms +yes +the new key$/);
    assert.match(
      rehearsed.stdout,
      /forever\.example\.com refused the new key \d times.*has not fetched the keys meanwhile/,
    );
    assert.match(
      rehearsed.stdout,
      /^2 of 3 took the new key\. A rotation now can break those that refused\. Everything was taken back\.$/m,
    );
    assert.match(rehearsed.stderr, /^Published the ES256 key \S+, which signs nothing but canaries$/m);
    assert.match(rehearsed.stderr, /^Took back the ES256 key \S+$/m);
    assert.ok(!/eyJ/.test(rehearsed.stdout + rehearsed.stderr), 'no token is shown');
  });

  test('is interrupted by Control-C, and takes everything back', async () => {
    const before = await published();
    const { child, output, told } = spawned();
    const end = ended(child);
    await told(/forever\S* with the new key: 401/);
    assert.equal((await published()).length, before.length + 1);
    child.kill('SIGINT');
    assert.equal(await end, 1);
    assert.match(output.stdout, /^Interrupted\. Everything was taken back\.$/m);
    await until(async () => JSON.stringify(await published()) === JSON.stringify(before));
  });

  test('is killed, and the ring ends it at a time that is set; until then its key signs nothing', async () => {
    const { child, told } = spawned();
    const end = ended(child);
    await told(/^Published/m);
    child.kill('SIGKILL');
    await end;
    type Key = {
      alg: string;
      kid: string;
      state: string;
      removed_at: number | null;
      signs_from: number | null;
    };
    const keys = (await keyturn.cli(['keys', 'list', '--json'])).json<Key[]>();
    const [left, ...more] = keys.filter(({ state }) => state === 'rehearsal');
    assert.ok(left !== undefined && more.length === 0);
    assert.equal(left.signs_from, null);
    const now = Date.now() / 1000;
    assert.ok(left.removed_at !== null && left.removed_at > now && left.removed_at < now + 60 + 180);
    const rotated = (await keyturn.cli(['keys', 'rotate', '--anyway', '--json'])).json<Key[]>();
    assert.ok(rotated.every(({ kid }) => kid !== left.kid));
  });

  test('reaches no private network unless the settings allow it', async () => {
    const env = { ...keyturn.env, KEYTURN_ALLOW_PRIVATE_NETWORK: 'false' };
    const child = spawn(
      process.execPath,
      [PROGRAM, 'keys', 'rotate', '--rehearse', '--patience', '1s', '--json'],
      { cwd: keyturn.path, env },
    );
    const chunks: string[] = [];
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => void chunks.push(chunk));
    assert.equal(await ended(child), 1);
    const { resource_servers } = JSON.parse(chunks.join('')) as Rehearsed;
    for (const { verdict, with_key_in_use } of resource_servers) {
      assert.equal(verdict, 'unusable');
      assert.match(with_key_in_use.problem ?? '', /private network/);
    }
  });

  test('goes with no option that rotates', async () => {
    for (const option of [
      ['--wait'],
      ['--anyway'],
      ['--break-glass', '--reason', 'x'],
      ['--patience', 'long'],
    ])
      assert.equal(
        (await keyturn.cli(['keys', 'rotate', '--rehearse', ...option])).code,
        2,
        option.join(' '),
      );
    const unknown = await keyturn.cli(['keys', 'rotate', '--rehearse', '--alg', 'ES384', '--json']);
    assert.equal(JSON.parse(unknown.stderr).error, 'unknown_algorithm');
  });
});
