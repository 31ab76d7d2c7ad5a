import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#src/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import { systemRandom } from '#src/random.ts';
import { openServices } from '#src/services.ts';
import { backUp, copyStore, restore } from '#src/store-moves.ts';
import { freePort } from '#test/support/free-port.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { startRedisServer } from '#test/support/redis-server.ts';
import { type AuthorizationRequest, RelyingParty, type Tokens } from '#test/support/relying-party.ts';
import { type KeyturnDirectory, makeKeyturnDirectory } from '#test/support/running-server.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

const PASSWORD = 'the quick brown fox of tests';
/** As `addAccount` makes them. */
const ADA = { login: 'ada', password: PASSWORD };
const SETTINGS = {
  // Reuse is told from retrying by the generation alone, not by how fast this test is.
  KEYTURN_LIFETIMES_REFRESH_GRACE: '0s',
  KEYTURN_LIFETIMES_AUTHORIZATION_CODE: '10m',
  // However busy the machine is.
  KEYTURN_REDIS_TIMEOUT_MS: '60000',
};

const redis = await startRedisServer();
after(() => redis[Symbol.asyncDispose]());
const redisAt = (database: number) => `redis://127.0.0.1:${redis.port}/${database}`;

const surroundings = { clock: systemClock, random: systemRandom };
const onProgress = () => {};

test('whoever is signed in does not notice that the server has moved to Redis and back, and what was used up or revoked stays so', async () => {
  await using directory = await makeTemporaryDirectory();
  const env = await environmentIn(directory.path);
  const on = (store: string) => ({ ...env, KEYTURN_STORE: store });
  const places = [env.KEYTURN_STORE, redisAt(0), `sqlite:${directory.path}/back.db`];
  let keyturn = await startKeyturnHere(env);
  try {
    const begun = await begin(keyturn);
    for (const [at, target] of places.slice(1).entries()) {
      const order = { source: places[at] ?? '', target, onProgress };
      const copy = (ahead: boolean) => copyStore(loadConfig({ env }), { ...order, ahead }, surroundings);
      await assert.rejects(copy(false), { code: 'servers_live' });
      assert.equal((await copy(true)).finished, false);
      const happened = await happenings(await stateOn(keyturn, begun));
      await keyturn[Symbol.asyncDispose]();
      assert.equal((await copy(false)).finished, true);
      keyturn = await startKeyturnHere(on(target));
      await check(await stateOn(keyturn, begun), happened);
    }
    // By mistake, on the store that everybody has left.
    await using left = await startKeyturnHere({ ...env, KEYTURN_PORT: String(await freePort()) });
    assert.ok(left.logged.some((line) => /"level":40.*everything was copied to redis:/.test(line)));
  } finally {
    await keyturn[Symbol.asyncDispose]();
  }
});

test('after a restoration nothing that was used or revoked since the backup is good once more, and people sign in anew', async () => {
  await using directory = await makeTemporaryDirectory();
  const env = await environmentIn(directory.path);
  const file = join(directory.path, 'one.backup');
  const keyturn = await startKeyturnHere(env);
  const state = await begin(keyturn);
  const { kept, code } = await happenings(state);
  await backUp(loadConfig({ env }), { file }, surroundings);
  // Used up after the backup, by whom it should be.
  const used = await state.web.redeem(code.callback, code.request.checks);
  const renewed = await state.web.refresh(kept.refresh_token ?? '');
  await keyturn[Symbol.asyncDispose]();

  const elsewhere = { ...env, KEYTURN_STORE: redisAt(1) };
  const order = { from: file, checkOnly: false, keepSignIns: false, onProgress };
  await restore(loadConfig({ env: elsewhere }), order, surroundings);
  await using restored = await startKeyturnHere(elsewhere);
  const { web, api, person } = await stateOn(restored, state);
  await assert.rejects(web.redeem(code.callback, code.request.checks), { error: 'invalid_grant' });
  for (const { refresh_token } of [kept, renewed, used]) {
    await assert.rejects(web.refresh(refresh_token ?? ''), { error: 'invalid_grant' });
  }
  for (const { access_token } of [kept, renewed, used]) {
    assert.equal((await api.introspect(access_token)).active, false);
  }
  assert.equal(await silently(web, person), 'login_required');
  const anew = await web.signIn(person, ADA, { scope: SCOPE });
  assert.equal((await api.introspect(anew.access_token)).active, true);
});

test('a copy that is killed is no store, and is finished by copying once more', async () => {
  await using keyturn = await makeKeyturnDirectory({ env: SETTINGS });
  await writeMuch(keyturn);
  const source = keyturn.env.KEYTURN_STORE ?? '';
  for (let database = 2; ; database += 1) {
    const target = redisAt(database);
    // It may be done before it can be killed.
    if (!(await killedCopy(keyturn, [source, target]))) continue;
    const env = { ...keyturn.env, KEYTURN_STORE: target };
    await assert.rejects(openServices(loadConfig({ env }), surroundings), { message: /unfinished/ });
    const order = { source, target, ahead: false, onProgress };
    const rest = await copyStore(loadConfig({ env }), order, surroundings);
    assert.ok(rest.finished && rest.written < rest.looked);
    await using services = await openServices(loadConfig({ env }), surroundings);
    assert.equal((await services.store.records.find('sector', '4999'))?.value, LONG);
    return;
  }
});

interface State {
  readonly clients: { readonly [name in 'web' | 'api']: Registered };
  readonly web: RelyingParty;
  readonly api: RelyingParty;
  readonly person: Person;
}

interface Registered {
  readonly clientId: string;
  readonly secret: string;
}

/** What has happened at one place, and must count at the next. */
interface Happened {
  readonly kept: Tokens;
  readonly revoked: Tokens;
  readonly reused: Tokens;
  readonly ended: Person;
  readonly spent: { readonly callback: URL; readonly request: AuthorizationRequest };
  readonly code: { readonly callback: URL; readonly request: AuthorizationRequest };
}

const SCOPE = 'openid offline_access read';

/** A place for a server and its keys, and an address that it keeps. */
async function environmentIn(path: string) {
  return {
    ...SETTINGS,
    KEYTURN_PORT: String(await freePort()),
    KEYTURN_STORE: `sqlite:${path}/keyturn.db`,
    KEYTURN_KEYS_DIR: `${path}/keys`,
  };
}

async function begin(keyturn: Keyturn): Promise<State> {
  await keyturn.addAccount('ada');
  const { client, secret } = await keyturn.addClient({ scope: SCOPE });
  const { resourceServer, secret: apiSecret } = await keyturn.addResourceServer({ scope: ['read'] });
  const clients = {
    web: { clientId: client.clientId, secret },
    api: { clientId: resourceServer.clientId, secret: apiSecret },
  };
  const person = new Person();
  const state = await stateOn(keyturn, { clients, person });
  await state.web.signIn(person, ADA, { scope: SCOPE });
  return state;
}

/** The same clients and people at a server at the same address. */
async function stateOn(
  keyturn: Pick<Keyturn, 'issuer'>,
  { clients, person }: Pick<State, 'clients' | 'person'>,
): Promise<State> {
  const [web, api] = await Promise.all(
    [clients.web, clients.api].map(({ clientId, secret }) =>
      RelyingParty.discover(keyturn, {
        client: { clientId, authenticationMethod: 'client_secret_basic' },
        secret,
      }),
    ),
  );
  assert.ok(web !== undefined && api !== undefined);
  return { clients, web, api, person };
}

async function happenings({ web, api, person }: State): Promise<Happened> {
  const kept = await web.signIn(person, ADA, { scope: SCOPE });
  const revoked = await web.signIn(person, ADA, { scope: SCOPE });
  await web.revoke(revoked.refresh_token ?? '');
  const reused = await web.signIn(person, ADA, { scope: SCOPE });
  await web.refresh((await web.refresh(reused.refresh_token ?? '')).refresh_token ?? '');
  const ended = new Person();
  const signedOut = await web.signIn(ended, ADA, { scope: SCOPE });
  const logout = new URL(`${web.configuration.serverMetadata().issuer}/logout`);
  logout.searchParams.set('id_token_hint', signedOut.id_token ?? '');
  await ended.submit(await ended.visit(logout), '/logout/confirm');
  const spent = await authorized(web, person);
  await web.redeem(spent.callback, spent.request.checks);
  const code = await authorized(web, person);
  assert.equal((await api.introspect(kept.access_token)).active, true);
  assert.equal((await api.introspect(revoked.access_token)).active, false);
  return { kept, revoked, reused, ended, spent, code };
}

async function authorized(web: RelyingParty, person: Person) {
  const request = await web.request({ scope: SCOPE });
  return { callback: await person.authorize(request.url, ADA), request };
}

async function check(state: State, happened: Happened): Promise<void> {
  const { web, api, person } = state;
  const { kept, revoked, reused, ended, spent, code } = happened;
  assert.equal((await api.introspect(kept.access_token)).active, true);
  assert.equal(await silently(web, person), 'code');
  const redeemed = await web.redeem(code.callback, code.request.checks);
  assert.equal((await api.introspect(redeemed.access_token)).active, true);
  const renewed = await web.refresh(kept.refresh_token ?? '');
  assert.equal((await api.introspect(renewed.access_token)).active, true);

  assert.equal((await api.introspect(revoked.access_token)).active, false);
  assert.equal(await silently(web, ended), 'login_required');
  await assert.rejects(web.redeem(spent.callback, spent.request.checks), { error: 'invalid_grant' });
  await assert.rejects(web.refresh(revoked.refresh_token ?? ''), { error: 'invalid_grant' });
  await assert.rejects(web.refresh(reused.refresh_token ?? ''), { error: 'invalid_grant' });
  assert.equal((await api.introspect(reused.access_token)).active, false, 'reuse ends the family');
}

/** What a client gets that asks without showing a page. */
async function silently(web: RelyingParty, person: Person): Promise<string | null> {
  const { leftTo } = await person.visit((await web.request({ prompt: 'none' })).url);
  return leftTo?.searchParams.get('error') ?? (leftTo?.searchParams.has('code') ? 'code' : null);
}

const LONG = 'x'.repeat(500);

async function writeMuch({ env }: KeyturnDirectory): Promise<void> {
  await using services = await openServices(loadConfig({ env }), surroundings);
  const { records } = services.store;
  const numbers = Array.from({ length: 5000 }, (_, n) => n);
  await Promise.all(
    numbers.map((n) => records.put({ kind: 'sector', id: `${n}`, value: LONG, expiresAt: null })),
  );
}

const PROGRAM = fileURLToPath(import.meta.resolve('#src/keyturn.js'));

/** Copies, and is killed as soon as it has told of the first step. False if it was done before. */
async function killedCopy({ env, path }: KeyturnDirectory, places: readonly string[]): Promise<boolean> {
  const child: ChildProcess = spawn(process.execPath, [PROGRAM, 'store', 'copy', ...places], {
    cwd: path,
    env,
  });
  child.stderr?.on('data', (text: Buffer) => {
    if (text.includes('Copying:')) child.kill('SIGKILL');
  });
  const [, signal] = await once(child, 'close');
  return signal === 'SIGKILL';
}
