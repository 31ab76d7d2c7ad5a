import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { decodeProtectedHeader } from 'jose';
import * as oauth from 'openid-client';
import { CALLBACK } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { type RunningKeyturn, startKeyturn } from '#test/support/running-server.ts';

const PASSWORD = 'the quick brown fox of tests';
const NOTES = 'https://notes.example.com';

type Document = Record<string, unknown>;

interface Revoked {
  outcome: string;
  kid: string;
  successor: { kid: string };
  touches: Document;
  known_to: number;
  not_known_to: Document[];
  keys_now: { kid: string; alg: string; state: string }[];
  ended: Document;
  must_sign_in_again: { people: number; clients: Document[] };
  may_accept_until: number;
  verify_by_themselves: Document[];
}

describe('when a key was stolen, with two servers on one store', () => {
  let one: RunningKeyturn;
  let other: RunningKeyturn;
  let api: { clientId: string; secret: string };
  let web: RelyingParty;
  let kiosk: RelyingParty;
  let job: RelyingParty;

  before(async () => {
    const env = {
      KEYTURN_PASSWORDS_ARGON2_MEMORY_KIB: '7168',
      KEYTURN_PASSWORDS_ARGON2_ITERATIONS: '5',
      KEYTURN_KEYS_USAGE_WRITE_EVERY: '1s',
      KEYTURN_NODES_HEARTBEAT: '2s',
    };
    one = await startKeyturn({ env });
    const { KEYTURN_STORE = '', KEYTURN_KEYS_DIR = '' } = one.env;
    other = await startKeyturn({
      env: { ...env, KEYTURN_STORE, KEYTURN_KEYS_DIR, KEYTURN_ISSUER: one.issuer },
    });
    const account = ['accounts', 'add', '--username', 'ada', '--password-stdin', '--json'];
    (await one.cli(account, { stdin: PASSWORD })).json();
    const add = async (...args: string[]) =>
      (await one.cli([...args, '--json'])).json<Record<string, string>>();
    const notes = await add('resources', 'add', '--identifier', NOTES, '--name', 'Notes', '--scope', 'read');
    api = { clientId: notes.client_id ?? '', secret: notes.client_secret ?? '' };
    const discover = async (...options: string[]) => {
      const made = await add('clients', 'add', ...options);
      const client = { clientId: made.client_id ?? '', authenticationMethod: 'client_secret_basic' as const };
      return RelyingParty.discover(one, { client, secret: made.client_secret ?? '' });
    };
    const scope = ['--scope', 'openid offline_access read'];
    const code = ['--redirect-uri', CALLBACK, '--grant', 'authorization_code'];
    web = await discover('--name', 'Web', ...code, '--grant', 'refresh_token', ...scope);
    kiosk = await discover('--name', 'Kiosk', ...code, ...scope);
    job = await discover('--name', 'Job', '--grant', 'client_credentials', '--scope', 'read');
  });

  after(async () => {
    await other[Symbol.asyncDispose]();
    await one[Symbol.asyncDispose]();
  });

  const signIn = (client: RelyingParty, more: Record<string, string> = {}) =>
    client.signIn(
      new Person(),
      { login: 'ada', password: PASSWORD },
      { scope: 'openid read', resource: NOTES, ...more },
    );

  const portOf = ({ env }: RunningKeyturn) => `http://localhost:${env.KEYTURN_PORT}`;

  const isActiveAt = async (server: RunningKeyturn, token: string) => {
    const { clientId, secret } = api;
    const response = await fetch(`${portOf(server)}/introspect`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${clientId}:${secret}`)}` },
      body: new URLSearchParams({ token }),
    });
    return ((await response.json()) as { active: boolean }).active;
  };

  const kidOf = (token = '') => decodeProtectedHeader(token).kid as string;

  /** Waits until both servers have written down what they have signed. */
  async function countIs(kid: string, access: number): Promise<void> {
    for (;;) {
      const keys = (await one.cli(['keys', 'list', '--json'])).json<Document[]>();
      const alive = keys.find((key) => key.kid === kid)?.alive as { access_tokens: number };
      if (alive.access_tokens === access) return;
      assert.ok(alive.access_tokens < access, `${alive.access_tokens}`);
      await pause(200);
    }
  }

  async function revoke(kid: string): Promise<Revoked> {
    const command = ['keys', 'revoke', kid, '--reason', 'found in a paste', '--json'];
    return (await one.cli(command)).json<Revoked>();
  }

  async function publishes(server: RunningKeyturn, kid: string): Promise<boolean> {
    const { keys } = (await (await fetch(`${portOf(server)}/jwks`)).json()) as { keys: Document[] };
    return keys.some((key) => key.kid === kid);
  }

  test('its tokens are inactive at both as soon as the command has ended, and it leaves the JWKS of both', async () => {
    const tokens = [await signIn(web), await signIn(kiosk)];
    const own = await oauth.clientCredentialsGrant(job.configuration, { scope: 'read', resource: NOTES });
    const jwts = [...tokens.map((each) => each.access_token), own.access_token];
    const kid = kidOf(jwts[0]);
    for (const server of [one, other]) {
      for (const jwt of jwts) assert.equal(await isActiveAt(server, jwt), true);
    }
    await countIs(kid, 3);
    const before = Date.now() / 1000;
    const revoked = await revoke(kid);
    for (const server of [one, other]) {
      for (const jwt of jwts) assert.equal(await isActiveAt(server, jwt), false);
    }

    assert.deepEqual(revoked.ended, { access_tokens: 3, id_tokens: 2, sign_ins: 0, people: 0 });
    assert.equal(revoked.touches.access_tokens, 3);
    assert.deepEqual(
      (revoked.touches.resource_servers as Document[]).map(({ name, members }) => [name, members]),
      [['Notes', ['signing_algorithm', 'introspection_signed_response_alg']]],
    );
    assert.equal(revoked.must_sign_in_again.people, 0);
    assert.deepEqual(
      revoked.must_sign_in_again.clients.map(({ client_name }) => client_name),
      ['Kiosk'],
    );
    assert.deepEqual(revoked.verify_by_themselves, [
      { identifier: NOTES, name: 'Notes', status_list: false },
    ]);
    assert.ok(revoked.may_accept_until >= before + 600 && revoked.may_accept_until <= before + 610);
    const [active, next, ...more] = revoked.keys_now;
    assert.deepEqual(
      [active?.kid, active?.state, next?.state, more],
      [revoked.successor.kid, 'active', 'next', []],
    );

    assert.deepEqual([revoked.known_to, revoked.not_known_to], [2, []]);
    for (const server of [one, other]) assert.equal(await publishes(server, kid), false);
    // What a person has goes on: the refresh token is by another key.
    const renewed = await web.refresh(tokens[0]?.refresh_token ?? '');
    assert.equal(kidOf(renewed.access_token), revoked.successor.kid);
    assert.equal(await isActiveAt(other, renewed.access_token), true);
  });

  test('a refresh key ends the sign-ins that it signed for, and says how many people have to sign in again', async () => {
    const [first, second] = [await signIn(web), await signIn(web)];
    const kid = kidOf(first.refresh_token);
    const revoked = await revoke(kid);
    // With the one of the first test, whose token was refreshed and is the same sign-in.
    assert.deepEqual(revoked.ended, { access_tokens: 0, id_tokens: 0, sign_ins: 3, people: 1 });
    assert.deepEqual(revoked.must_sign_in_again, { people: 1, clients: [] });
    for (const { refresh_token: token = '' } of [first, second])
      await assert.rejects(web.refresh(token), { error: 'invalid_grant' });
    assert.equal(await isActiveAt(other, first.access_token), true, 'until it expires');
    const again = await signIn(web);
    assert.ok((await web.refresh(again.refresh_token ?? '')).access_token);
  });

  test('when all keys were, every key that signs was made afterwards', async () => {
    const before = (await one.cli(['keys', 'list', '--json'])).json<Document[]>();
    const jwt = (await signIn(web)).access_token;
    const { stdout, code } = await one.cli([
      'keys',
      'revoke',
      '--all',
      '--reason',
      'the backup of all was stolen',
    ]);
    assert.equal(code, 0);
    assert.match(stdout, /Revoked all 6 keys: the backup of all was stolen/);
    assert.match(stdout, /sign in again +one person, each as soon as/);
    assert.equal(await isActiveAt(other, jwt), false);
    const now = (await one.cli(['keys', 'list', '--json'])).json<Document[]>();
    const states = ['next', 'active'];
    for (const { kid, state } of now.filter((key) => states.includes(key.state as string)))
      assert.ok(!before.some((key) => key.kid === kid), `${state} ${kid} was stolen`);
    assert.deepEqual(
      now
        .filter(({ state }) => state === 'active')
        .map(({ alg }) => alg)
        .sort(),
      ['ES256', 'HS256', 'RS256'],
    );
    assert.match(stdout, /^ +known to +all 2 servers that run$/m);
    const again = await signIn(web);
    assert.ok(
      !before.some(({ kid }) => kid === kidOf(again.access_token)),
      'nothing signs with what was stolen',
    );
  });

  test('a server that does not follow is named, and not waited for for ever', async () => {
    await other.kill();
    const keys = (await one.cli(['keys', 'list', '--json'])).json<Document[]>();
    const active = keys.find(({ alg, state }) => alg === 'RS256' && state === 'active');
    const { known_to, not_known_to } = await revoke(String(active?.kid));
    assert.deepEqual(
      [known_to, not_known_to.map(({ name }) => String(name).split(':').at(-1))],
      [1, [other.env.KEYTURN_PORT]],
    );
  });
});
