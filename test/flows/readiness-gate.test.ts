import assert from 'node:assert/strict';
import { after, describe, mock, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { type RunningKeyturn, startKeyturn } from '#test/support/running-server.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;

/** Waits for what a server does in the background. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(20);
}

describe('a rotation by the schedule', () => {
  after(() => mock.timers.reset());

  const later = (seconds: number) => {
    const now = Date.now() + seconds * 1000;
    mock.timers.reset();
    mock.timers.enable({ apis: ['Date'], now });
  };
  /** A server that rotates every 30 days, one rotation after an API said for the first time who it is. */
  const lagging = async (env: Record<string, string> = {}) => {
    const keyturn = await startKeyturnHere({
      KEYTURN_KEYS_ALGORITHMS: 'ES256',
      KEYTURN_KEYS_ROTATE_EVERY: '30d',
      KEYTURN_KEYS_JITTER_PERCENT: '0',
      KEYTURN_KEYS_READERS_WRITE_EVERY: '1s',
      KEYTURN_KEYS_READINESS_WAIT_MAX: '7d',
      ...env,
    });
    const { resourceServer } = await keyturn.addResourceServer();
    const fetchKeys = async () => {
      await (await fetch(`${keyturn.issuer}/jwks?rs=${resourceServer.identifier}`)).body?.cancel();
      const at = Math.floor(Date.now() / 1000);
      await until(async () => {
        const seen = (await keyturn.services.jwksReaders.all()).known.get(resourceServer.clientId)?.said;
        return seen !== undefined && seen !== null && seen.lastAt >= at - 1;
      });
    };
    await fetchKeys();
    await keyturn.services.rotation.rotate({ alg: 'ES256' });
    return { keyturn, fetchKeys };
  };
  const es256 = async ({ services }: Keyturn, state: string) =>
    (await services.rotation.list()).find((key) => key.alg === 'ES256' && key.state === state)?.kid;
  /** Lets time go by as a server does that looks at its keys now and then. */
  const pass = async ({ services }: Keyturn, seconds: number, step: number) => {
    for (let passed = 0; passed < seconds; passed += step) {
      later(step);
      await services.rotation.maintain();
    }
  };
  const lackedIn = ({ logged }: Keyturn) =>
    logged.map((line) => JSON.parse(line)).filter(({ lackedBy }) => lackedBy !== undefined);

  test('waits for an API that has not fetched the next key, and goes on when it has', async () => {
    const { keyturn, fetchKeys } = await lagging();
    await using _keyturn = keyturn;
    const [active, next] = [await es256(keyturn, 'active'), await es256(keyturn, 'next')];
    await pass(keyturn, 29 * DAY, DAY);
    await pass(keyturn, 2 * DAY, 60);
    assert.equal(await es256(keyturn, 'active'), active);
    const [told, ...more] = lackedIn(keyturn);
    assert.deepEqual([told.kid, told.lackedBy, more], [next, ['https://api.example.com'], []]);
    assert.match(told.msg, /waits for resource servers/);

    await fetchKeys();
    await pass(keyturn, 120, 10);
    assert.equal(await es256(keyturn, 'active'), next);
  });

  test('waits no longer than keys.readinessWaitMax', async () => {
    const { keyturn } = await lagging({ KEYTURN_KEYS_READINESS_WAIT_MAX: '2d' });
    await using _keyturn = keyturn;
    const [active, next] = [await es256(keyturn, 'active'), await es256(keyturn, 'next')];
    await pass(keyturn, 29 * DAY, DAY);
    await pass(keyturn, 2 * DAY, 60);
    assert.equal(await es256(keyturn, 'active'), active);
    await pass(keyturn, DAY + HOUR, 60);
    assert.equal(await es256(keyturn, 'active'), next);
    assert.match(lackedIn(keyturn).at(-1).msg, /is due, although/);
  });

  test('only warns, or does not even look, where the settings say so', async () => {
    for (const [policy, warnings] of [
      ['warn', 1],
      ['proceed', 0],
    ] as const) {
      const { keyturn } = await lagging({ KEYTURN_KEYS_READINESS: policy });
      await using _keyturn = keyturn;
      const next = await es256(keyturn, 'next');
      await pass(keyturn, 29 * DAY, DAY);
      await pass(keyturn, DAY + HOUR, 60);
      assert.equal(await es256(keyturn, 'active'), next);
      assert.equal(lackedIn(keyturn).length, warnings);
    }
  });
});

describe('keyturn keys rotate', () => {
  let keyturn: RunningKeyturn;
  type Turned = { outcome: string; alg: string; readers?: { identifier: string; readiness: string }[] };

  test('refuses while an API has not fetched the next key, and says who, and changes nothing', async () => {
    keyturn = await startKeyturn({
      env: {
        KEYTURN_KEYS_READERS_WRITE_EVERY: '1s',
        // A key is known to everyone after two seconds.
        KEYTURN_KEYS_JWKS_MAX_AGE: '1s',
        KEYTURN_KEYS_CLOCK_SKEW_MAX: '0s',
      },
    });
    for (const name of ['api', 'silent'])
      await keyturn.cli(['resources', 'add', '--identifier', `https://${name}.example.com`]);
    await fetchKeys();
    const [first] = (await rotate('--alg', 'ES256')).json<Turned[]>();
    assert.deepEqual(
      first?.readers?.map(({ identifier, readiness }) => [identifier, readiness]),
      [
        ['https://api.example.com', 'ready'],
        ['https://silent.example.com', 'unknown'],
      ],
    );
    const before = (await keyturn.cli(['keys', 'list', '--json'])).stdout;
    for (const args of [[], ['--alg', 'ES256'], ['--wait', '1s']]) {
      const refused = await rotate(...args);
      assert.equal(refused.code, 1);
      const { error, problems } = JSON.parse(refused.stderr);
      assert.equal(error, 'readers_behind');
      assert.equal(problems.length, 1);
      assert.match(
        problems[0],
        /^ES256 \S+: not fetched by https:\/\/api\.example\.com \(says it is\), last seen/,
      );
    }
    const told = await keyturn.cli(['keys', 'rotate']);
    assert.match(told.stderr, /not fetched by https:\/\/api\.example\.com.*\n.*--wait.*--anyway/);
    assert.equal((await keyturn.cli(['keys', 'list', '--json'])).stdout, before);
  });

  test('of an algorithm that everyone has goes ahead', async () => {
    const turned = (await rotate('--alg', 'RS256')).json<Turned[]>();
    assert.deepEqual(
      turned.map(({ alg, readers }) => [alg, readers]),
      [['RS256', []]],
    );
  });

  test('waits with --wait until the API has fetched it', async () => {
    const begun = Promise.withResolvers<void>();
    const waiting = keyturn.cli(['keys', 'rotate', '--alg', 'ES256', '--wait', '2m'], {
      onStderr: (text) => /Waiting/.test(text) && begun.resolve(),
    });
    await Promise.race([begun.promise, waiting]);
    await (await fetch(`${keyturn.issuer}/jwks?rs=https://api.example.com`)).body?.cancel();
    const { code, stdout, stderr } = await waiting;
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^Waiting until .* at most for https:\/\/api\.example\.com$/m);
    assert.match(
      stdout,
      /^ES256 {2}key \S+ signs now\n +fetched by https:\/\/api\.example\.com \(says it is\)$/m,
    );
  });

  test('waits no longer when somebody else has rotated, and does not do so once more', async () => {
    const begun = Promise.withResolvers<void>();
    const waiting = keyturn.cli(['keys', 'rotate', '--alg', 'ES256', '--wait', '2m'], {
      onStderr: (text) => /Waiting/.test(text) && begun.resolve(),
    });
    await Promise.race([begun.promise, waiting]);
    // Turns are told by the second.
    const given = Math.floor(Date.now() / 1000);
    await until(async () => Math.floor(Date.now() / 1000) > given);
    const rotating = rotate('--alg', 'ES256', '--break-glass', '--reason', 'a drill', '--yes');
    const [turned] = (await rotating).json<{ outcome: string; kid: string }[]>();
    const { code, stdout, stderr } = await waiting;
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`^ES256 {2}key ${turned?.kid} signs already: somebody else`, 'm'));
    assert.equal(turned?.outcome, 'signs_now');
  });

  test('goes ahead with --anyway, and with --break-glass, and shows who lacks the key', async () => {
    const turned = await keyturn.cli(['keys', 'rotate', '--alg', 'ES256', '--anyway']);
    assert.equal(turned.code, 0, turned.stderr);
    assert.match(turned.stdout, /^ +not fetched by https:\/\/api\.example\.com \(says it is\), last seen/m);
    const broken = await rotate('--alg', 'ES256', '--break-glass', '--reason', 'a drill', '--yes');
    assert.equal(broken.code, 0, broken.stderr);
  });

  test('takes no waiting that contradicts itself', async () => {
    for (const args of [
      ['--wait', '--anyway'],
      ['--wait', 'long'],
      ['--wait', '8d'],
      ['--wait', '--break-glass', '--reason', 'x'],
    ])
      assert.equal((await rotate(...args)).code, 2, args.join(' '));
  });

  after(() => keyturn[Symbol.asyncDispose]());

  const rotate = (...args: string[]) => keyturn.cli(['keys', 'rotate', ...args, '--json']);
  const fetchKeys = async () => {
    await (await fetch(`${keyturn.issuer}/jwks?rs=https://api.example.com`)).body?.cancel();
    type Document = { resource_servers: { next_keys: { readiness: string }[] }[] };
    const isReady = async () => {
      const { resource_servers } = (await keyturn.cli(['keys', 'readers', '--json'])).json<Document>();
      return resource_servers[0]?.next_keys[0]?.readiness === 'ready';
    };
    await until(isReady);
  };
});
