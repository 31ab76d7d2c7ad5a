import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { systemClock as clock } from '#src/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import { UsageCounter } from '#src/key-usage/usage-counter.ts';
import { UsageWriter } from '#src/key-usage/usage-writer.ts';
import { systemRandom as random } from '#src/random.ts';
import { openServices } from '#src/services.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import { days, after as later, minutes, seconds } from '#src/units.ts';
import { type Commands, type Document, errorOf, makeCommands } from '#test/cli/in-process.ts';

const NOTES = 'https://notes.example.com';
const CALLBACK = 'https://web.example.com/cb';

let keyturn: Commands;

before(async () => {
  keyturn = await makeCommands();
  const add = async (...args: string[]) => assert.equal((await keyturn.run([...args, '--json'])).code, 0);
  await add('resources', 'add', '--identifier', NOTES, '--name', 'Notes', '--scope', 'read');
  await add('resources', 'add', '--identifier', 'https://bill.example.com', '--signing-algorithm', 'RS256');
  const code = ['--redirect-uri', CALLBACK, '--grant', 'authorization_code'];
  await add('clients', 'add', '--client-id', 'web', '--name', 'Web', ...code, '--grant', 'refresh_token');
  await add('clients', 'add', '--client-id', 'kiosk', '--name', 'Kiosk', ...code);
  for (let each = 1; each <= 6; each += 1)
    await add('clients', 'add', '--client-id', `c${each}`, '--name', `Client ${each}`, ...code);
});

after(() => keyturn[Symbol.asyncDispose]());

const runJson = (command: string) => keyturn.runJson(command);
const keysOf = async (alg: string, state: string) =>
  (await runJson('keys list'))
    .json<Document[]>()
    .filter((key) => key.alg === alg && key.state === state)
    .map(({ kid }) => String(kid));

/** As if a server had signed that many access tokens for Notes by the key, and an ID token for Web. */
async function signed(alg: SigningAlgorithm, tokens: number): Promise<void> {
  const [kid = ''] = await keysOf(alg, 'active');
  await using services = await openServices(loadConfig({ env: keyturn.env }), { clock, random });
  const counter = new UsageCounter({ clock, issuer: services.config.issuer });
  const { records } = services.store;
  const onFault = (fault: unknown) => assert.fail(String(fault));
  const every = { writeEvery: seconds(10), usesKept: days(1) };
  await using _ = new UsageWriter({ counter, records, clock, random, ...every, onFault });
  const exp = later(clock.now(), minutes(5));
  for (let each = 0; each < tokens; each += 1)
    counter.note({ kid, alg }, { typ: 'at+jwt', claims: { client_id: 'kiosk', aud: NOTES, exp } });
  counter.note({ kid, alg }, { typ: undefined, claims: { aud: 'web', exp, grant_id: 'one' } });
}

describe('before keys change it is said what that touches', () => {
  test('by rotate, for each algorithm, and in the document of what came of it', async () => {
    await signed('ES256', 1204);
    const [kid] = await keysOf('ES256', 'active');
    const [{ touches, ...outcome } = {}] = (await runJson('keys rotate --alg ES256')).json<Document[]>();
    assert.equal(outcome.outcome, 'signs_now');
    const { clients, resource_servers, not_registered, counted_at, last_expires_at, ...rest } =
      touches as Document;
    assert.deepEqual(rest, { kid, access_tokens: 1204, id_tokens: 1 });
    assert.ok((last_expires_at as number) > (counted_at as number) + 200);
    assert.deepEqual(
      (resource_servers as Document[]).map(({ identifier, name, members, last_used_at }) => [
        ...[identifier, name, members, typeof last_used_at],
      ]),
      [[NOTES, 'Notes', ['signing_algorithm', 'introspection_signed_response_alg'], 'number']],
    );
    const [web, ...others] = clients as Document[];
    assert.deepEqual([web?.client_id, web?.members], ['web', ['id_token_signed_response_alg']]);
    assert.equal(others.length, 7);
    assert.ok(others.every(({ last_used_at }) => last_used_at === null));
    assert.deepEqual(not_registered, []);
  });

  test('for people as a paragraph above what came of it, with a few of the names', async () => {
    const { stdout } = await keyturn.run(['keys', 'undo', '--alg', 'ES256']);
    const [before = '', result = ''] = stdout.split('\n\n');
    assert.match(before, /^ES256 {2}key \S+, active: no token that it signed is alive$/m);
    assert.match(before, /^ {7}resource servers {2}Notes \((now|\d+ seconds? ago)\)$/m);
    assert.match(
      before,
      /^ {7}clients {11}Web \([^)]+\), (\w[\w ]* \(never\), ){3}\w[\w ]* \(never\) and 3 more$/m,
    );
    assert.match(before, /^Tokens that have not expired, at least, as of (now|\d+ seconds? ago)\.$/m);
    assert.match(result, /^ES256 {2}key \S+ signs now$/m);
    const again = (await keyturn.run(['keys', 'rotate', '--alg', 'HS256'])).stdout;
    assert.match(again, /^HS256 {2}key \S+, active: no sign-in can be refreshed by it\n\nHS256/);
  });

  test('and a revocation asks then, and changes nothing unless it is told to', async () => {
    const [kid = ''] = await keysOf('ES256', 'active');
    const asked = await keyturn.runAtTerminal(['keys', 'revoke', kid, '--reason', 'stolen'], 'n\n');
    assert.equal(asked.code, 1);
    assert.match(asked.stdout, /1,204 access tokens and 1 ID token; the last expires in [45] minutes/);
    assert.match(asked.stderr, /end every token that it signed\? \[y\/N\]/);
    assert.deepEqual(await keysOf('ES256', 'active'), [kid]);
  });

  test('a rotation asks if it breaks the glass, and only where caches may lack the key', async () => {
    const breaking = ['keys', 'rotate', '--break-glass', '--reason', 'a drill'];
    const [standby] = await keysOf('RS256', 'next');
    const ready = await keyturn.runAtTerminal([...breaking, '--alg', 'RS256'], '');
    assert.deepEqual(await keysOf('RS256', 'active'), [standby], ready.stderr);
    const asked = await keyturn.runAtTerminal([...breaking, '--alg', 'RS256'], 'n\n');
    assert.match(asked.stderr, /may refuse tokens by the next RS256 key\. Let it sign now\? \[y\/N\]/);
    assert.equal(asked.code, 1);
    assert.deepEqual(await keysOf('RS256', 'active'), [standby]);
    const told = await keyturn.runAtTerminal([...breaking, '--alg', 'RS256', '--yes'], '');
    assert.equal(told.code, 0);
    assert.notDeepEqual(await keysOf('RS256', 'active'), [standby]);
  });
});

describe('keys revoke', () => {
  test('says what happened: to the keys, to tokens, who signs in again, and who may take them still', async () => {
    const [kid = ''] = await keysOf('ES256', 'active');
    const { stdout, code } = await keyturn.run(['keys', 'revoke', kid, '--reason', 'in a paste']);
    assert.equal(code, 0);
    const [, happened = ''] = stdout.split(/\n\n(?=Revoked)/);
    assert.match(happened, new RegExp(`^Revoked the ES256 key ${kid}: in a paste$`, 'm'));
    assert.match(
      happened,
      /published +no more, by any server that knows of this\n +known to +no server runs$/m,
    );
    assert.match(happened, /ended +1,204 access tokens and 1 ID token at least, inactive/);
    assert.match(happened, /signs now +ES256 {2}[\w-]{43}/);
    assert.match(
      happened,
      /sign in again +nobody who has a refresh token\n +the people of clients .*: Kiosk$/m,
    );
    assert.match(happened, /may still accept +until \d{4}-.* UTC at most, .*: Notes$/m);
  });

  test('of a key that never signed says who may still accept what a thief signs with it', async () => {
    const [kid = ''] = await keysOf('ES256', 'next');
    const { stdout } = await keyturn.run(['keys', 'revoke', kid, '--reason', 'in a paste too']);
    assert.match(stdout, /ended +whatever it signed is inactive at introspection; no token .* is known$/m);
    assert.match(stdout, /may still accept +until \d{4}-.* UTC at most, .*: Notes$/m);
    assert.doesNotMatch(stdout, /people of clients/);
  });

  test('takes a key, or all of them', async () => {
    for (const which of ['', ' some-key --all'])
      assert.equal(errorOf(await runJson(`keys revoke${which} --reason x`), 2).error, 'usage');
  });

  test('of all keys leaves none that signs and was there before', async () => {
    const before = (await runJson('keys list')).json<Document[]>().map(({ kid }) => kid);
    const { keys, keys_now } = (await runJson('keys revoke --all --reason stolen')).json<{
      keys: Document[];
      keys_now: Document[];
    }>();
    const revoked = keys.map((each) => each.kid);
    const now = (await runJson('keys list')).json<Document[]>();
    for (const { kid, state } of now) {
      assert.equal(before.includes(kid), state === 'revoked');
      assert.equal(
        keys_now.some((each) => each.kid === kid),
        state !== 'revoked',
      );
    }
    assert.ok(revoked.every((kid) => before.includes(kid)));
    // A stolen standby does not sign for a moment either.
    for (const { successor } of keys) assert.ok(!before.includes((successor as Document | null)?.kid));
    assert.equal(keys_now.length, 6);
  });
});
