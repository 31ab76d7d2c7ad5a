import assert from 'node:assert/strict';
import { readdir, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CALLBACK } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { allAtOnce, exchange, rawRequest } from '#test/support/raw-http.ts';
import { rawRedemption } from '#test/support/raw-redemption.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import {
  type KeyturnDirectory,
  makeKeyturnDirectory,
  type ServingKeyturn,
} from '#test/support/running-server.ts';
import { aliveOf, ended, workersOf } from '#test/support/worker-processes.ts';

const PASSWORD = 'the quick brown fox of tests';
const PARALLEL = 16;
const REQUESTS = 1000;

const CHEAP = {
  KEYTURN_PASSWORDS_ARGON2_MEMORY_KIB: '7168',
  KEYTURN_PASSWORDS_ARGON2_ITERATIONS: '5',
};

describe('two workers behind one port', () => {
  let directory: KeyturnDirectory;
  let keyturn: ServingKeyturn;
  let service: string;
  let web: { id: string; secret: string; party: RelyingParty };

  before(async () => {
    directory = await makeKeyturnDirectory({
      env: { ...CHEAP, KEYTURN_CONFIG: 'keyturn.yaml', KEYTURN_HTTP_KEEP_ALIVE_TIMEOUT: '2s' },
    });
    await settings({ workers: 2 });
    const added = async (...args: string[]) =>
      (await directory.cli([...args, '--json'], { stdin: PASSWORD })).json<Record<string, string>>();
    const machine = await added(
      'clients',
      'add',
      '--name',
      'Job',
      '--grant',
      'client_credentials',
      '--scope',
      'read',
    );
    await added('resources', 'add', '--identifier', 'https://api.example.com', '--scope', 'read');
    await added('accounts', 'add', '--username', 'ada', '--password-stdin');
    const client = await added(
      'clients',
      'add',
      '--name',
      'Web',
      '--redirect-uri',
      CALLBACK,
      '--scope',
      'openid',
    );
    service = btoa(`${machine.client_id}:${machine.client_secret}`);
    keyturn = await directory.serve();
    const { client_id: id = '', client_secret: secret = '' } = client;
    const registered = { clientId: id, authenticationMethod: 'client_secret_basic' } as const;
    web = { id, secret, party: await RelyingParty.discover(directory, { client: registered, secret }) };
  });

  after(() => directory[Symbol.asyncDispose]());

  const settings = (values: Record<string, unknown>) =>
    writeFile(join(directory.path, 'keyturn.yaml'), JSON.stringify(values));

  const post = async (path: string, form: Record<string, string>) => {
    const response = await fetch(directory.issuer + path, {
      method: 'POST',
      headers: { Authorization: `Basic ${service}` },
      body: new URLSearchParams(form),
    });
    const body = (await response.json()) as Record<string, unknown>;
    assert.equal(response.status, 200, JSON.stringify(body));
    return body;
  };
  const newToken = () =>
    post('/token', { grant_type: 'client_credentials', resource: 'https://api.example.com' });

  const lines = () =>
    keyturn
      .output()
      .stdout.trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const told = (msg: string) => lines().filter((line) => line.msg === msg);

  test('are announced once, share what the first has made, and their supervisor has neither the store nor a key open', async () => {
    assert.deepEqual([told('ready').length, told('ready')[0]?.workers], [1, 2]);
    const pids = told('a worker is ready').map(({ pid }) => pid);
    assert.deepEqual((await workersOf(keyturn.pid)).toSorted(), pids.toSorted());
    const open = await readdir(`/proc/${keyturn.pid}/fd`);
    const files = await Promise.all(
      open.map((fd) => readlink(`/proc/${keyturn.pid}/fd/${fd}`).catch(() => '')),
    );
    assert.deepEqual(
      files.filter((file) => /keyturn\.db|\.kek/.test(file)),
      [],
    );
    const keys = (await readdir(join(directory.path, 'keys'))).filter((name) => name.endsWith('.kek'));
    assert.equal(keys.length, 1);
    const nodes = (await directory.cli(['nodes', '--json'])).json<{ name: string }[]>();
    assert.deepEqual(nodes.map(({ name }) => name.replace(/^.*:\d+ /, '')).toSorted(), [
      'worker 1',
      'worker 2',
    ]);
  });

  test('redeem a code once, of fifty attempts at both at once (RFC 6749 section 4.1.2)', async () => {
    const answeredBy = new Set<unknown>();
    // Which of them takes a connection is up to the kernel.
    for (let round = 0; round < 50 && answeredBy.size < 2; round += 1) {
      const { url, checks } = await web.party.request();
      const callback = await new Person().authorize(url, { login: 'ada', password: PASSWORD });
      const request = rawRedemption(callback, checks.pkceCodeVerifier, web);
      const answers = await allAtOnce(`http://127.0.0.1:${directory.env.KEYTURN_PORT}`, request, 50);
      const refused = answers.filter(({ status }) => status !== 200);
      assert.deepEqual([answers.length, refused.length], [50, 49]);
      for (const answer of refused) assert.equal(JSON.parse(answer.body).error, 'invalid_grant');
      for (const { path, worker } of lines()) if (path === '/token') answeredBy.add(worker);
    }
    assert.deepEqual([...answeredBy].toSorted(), [1, 2]);
  });

  test('when one is killed in the middle of a thousand requests, only what it was serving fails, nothing acknowledged is lost, and another takes its place', async () => {
    const before = await workersOf(keyturn.pid);
    const active: string[] = [];
    const revoked: string[] = [];
    const failed: unknown[] = [];
    let left = REQUESTS;
    let victim: number | null = null;
    const work = async () => {
      while (left > 0) {
        left -= 1;
        if (left === REQUESTS / 2) {
          victim = before[0] as number;
          process.kill(victim, 'SIGKILL');
        }
        try {
          const token = String((await newToken()).access_token);
          if (left % 10 === 0) {
            await post('/revoke', { token });
            revoked.push(token);
          } else active.push(token);
        } catch (problem) {
          failed.push(problem);
        }
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, work));
    // What was under way when it was killed, and no more: one for each that asked.
    assert.ok(failed.length <= PARALLEL, `${failed.length} requests failed`);
    for (const problem of failed) assert.match(String(problem), /fetch failed/, 'an answer of an error');
    const standing = (tokens: readonly string[]) =>
      Promise.all(tokens.map(async (token) => (await post('/introspect', { token })).active));
    assert.deepEqual(new Set(await standing(revoked)), new Set([false]));
    assert.deepEqual(new Set(await standing(active.slice(0, 100))), new Set([true]));

    await keyturn.printed(/was ended by SIGKILL[\s\S]*a worker is ready/);
    const now = await workersOf(keyturn.pid);
    assert.equal(now.length, 2);
    assert.equal(now.includes(before[1] as number) && !now.includes(victim as unknown as number), true);
  });

  test('on SIGHUP each gives way to one that reads the settings anew, and no request fails', async () => {
    const before = await workersOf(keyturn.pid);
    await settings({ workers: 2, lifetimes: { accessToken: '2m' } });
    assert.equal((await newToken()).expires_in, 300);
    let over = false;
    let served = 0;
    const steady = async (ask: () => Promise<unknown>) => {
      while (!over) {
        await ask();
        served += 1;
      }
    };
    const origin = `http://127.0.0.1:${directory.env.KEYTURN_PORT}`;
    const onNewConnection = async () => {
      const [answer] = await exchange(origin, rawRequest('GET /readyz'));
      assert.equal(answer?.status, 200, 'a connection was refused or reset');
    };
    const traffic = Promise.all([
      ...Array.from({ length: 4 }, () => steady(newToken)),
      ...Array.from({ length: 4 }, () => steady(onNewConnection)),
    ]);
    process.kill(keyturn.pid, 'SIGHUP');
    const rolled = keyturn.printed(/all workers have been replaced/).then(() => {
      over = true;
    });
    await Promise.race([traffic, rolled]);
    await traffic;
    await rolled;
    assert.ok(served > 0);
    assert.equal((await newToken()).expires_in, 120);
    const now = await workersOf(keyturn.pid);
    assert.deepEqual([now.length, now.filter((pid) => before.includes(pid))], [2, []]);
    await Promise.all(before.map(ended));
  });

  test('on SIGHUP with settings that are wrong, or with which no worker can serve, go on as they are, and the log says why', async () => {
    const before = await workersOf(keyturn.pid);
    await settings({ workers: 0 });
    process.kill(keyturn.pid, 'SIGHUP');
    await keyturn.printed(/"problems":\[\{"setting":"workers".*the settings cannot be used/);
    await settings({ workers: 2, tls: { certificate: 'nowhere.pem', key: 'nowhere.pem' } });
    process.kill(keyturn.pid, 'SIGHUP');
    await keyturn.printed(/nowhere\.pem cannot be read.*a new worker could not serve/);
    const now = await workersOf(keyturn.pid);
    assert.deepEqual(
      before.filter((pid) => !now.includes(pid)),
      [],
    );
    assert.equal((await newToken()).expires_in, 120);
    assert.equal(keyturn.output().stderr, '');
  });

  test('end with their supervisor on SIGTERM, and with 0', async () => {
    const pids = await workersOf(keyturn.pid);
    assert.deepEqual(await keyturn.stop(), { code: 0, signal: null });
    assert.deepEqual(aliveOf(pids), []);
    assert.equal(told('stopping: requests that are under way may finish').length, 1);
  });
});
