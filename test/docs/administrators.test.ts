import assert from 'node:assert/strict';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as oauth from 'openid-client';
import { readPage } from '#test/docs/markdown.ts';
import { startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { startKeyturn } from '#test/support/running-server.ts';

const page = readPage('docs/administrators.md');
const PASSWORD = 'the quick brown fox of tests';
const CHEAP_HASHING = {
  KEYTURN_PASSWORDS_ARGON2_MEMORY_KIB: '7168',
  KEYTURN_PASSWORDS_ARGON2_ITERATIONS: '5',
};

test('the backup of the page is one of a store in use, and it can be restored', async () => {
  const [, file = ''] = /^npm run keyturn -- backup (\S+)$/m.exec(page.text) ?? [];
  await using keyturn = await startKeyturn({ env: CHEAP_HASHING });
  const add = (username: string) =>
    keyturn.cli(['accounts', 'add', '--username', username, '--password-stdin', '--json'], {
      stdin: PASSWORD,
    });
  const { sub } = (await add('ada')).json();
  (await keyturn.cli(['backup', file, '--json'])).json();
  (await add('grace')).json();
  await keyturn.stop();

  await rename(join(keyturn.path, 'data'), join(keyturn.path, 'moved away'));
  (await keyturn.cli(['restore', '--check', file, '--json'])).json();
  (await keyturn.cli(['restore', file, '--json'])).json();
  await keyturn.restart();
  const accounts = (await keyturn.cli(['accounts', 'list', '--json'])).json<{ sub: string }[]>();
  assert.deepEqual(
    accounts.map((account) => account.sub),
    [sub],
  );
  assert.equal((await fetch(`${keyturn.issuer}/readyz`)).status, 200);
});

test('the log of a whole sign-in holds no password, code, token, secret or cookie', async () => {
  await using keyturn = await startKeyturnHere();
  const { password } = await keyturn.addAccount('ada');
  const registered = await keyturn.addClient();
  const web = await RelyingParty.discover(keyturn, registered);
  const person = new Person();
  const { url, checks } = await web.request({ scope: 'openid profile', login_hint: 'a-hint-of-ada' });
  const wrong = 'not the password of ada';
  const page = await person.submit(await person.visit(url), '/sign-in', { login: 'ada', password: wrong });
  assert.equal(page.response.status, 401);
  const callback = await person.authorize(url, { login: 'ada', password });
  const tokens = await web.redeem(callback, checks);
  const renewed = await web.refresh(tokens.refresh_token ?? '');
  await web.introspect(renewed.access_token);
  await oauth.fetchUserInfo(web.configuration, renewed.access_token, tokens.claims()?.sub ?? '');
  await assert.rejects(web.redeem(callback, checks), { error: 'invalid_grant' });
  await assert.rejects(web.refresh(renewed.refresh_token ?? ''), { error: 'invalid_grant' });
  await web.revoke(renewed.access_token);
  await person.visit(`${keyturn.issuer}/logout?id_token_hint=${tokens.id_token}`);

  const log = keyturn.logged.join('');
  assert.match(log, /"msg":"sign-in"/);
  assert.match(log, /"msg":"refused"/);
  const sought = [
    ...[password, wrong, registered.secret, callback.searchParams.get('code'), 'a-hint-of-ada'],
    ...[checks.pkceCodeVerifier, checks.expectedState, checks.expectedNonce],
    ...[tokens, renewed].flatMap((each) => [each.access_token, each.refresh_token, each.id_token]),
    ...person.cookieValues(),
  ];
  for (const text of sought) {
    assert.ok(text, 'there was one');
    for (const part of text.split('.').filter((each) => each.length > 8)) {
      assert.ok(!log.includes(part), `${text} is in the log`);
    }
  }
});

test('the messages that the page tells administrators to watch for are those of the program', async () => {
  const files = ['#src/serving/log.ts', '#src/cli/serving/supervise.ts'];
  const texts = files.map((file) => readFile(fileURLToPath(import.meta.resolve(file)), 'utf8'));
  const source = (await Promise.all(texts)).join('\n');
  const paragraph = /^Worth an alert: .*?\n\n/ms.exec(page.text)?.[0] ?? '';
  const messages = [...paragraph.matchAll(/`([^`]+)`/g)].map(([, message = '']) =>
    message.replace('\n', ' '),
  );
  assert.equal(messages.length, 6);
  for (const message of messages) assert.ok(source.includes(`'${message}`), message);
});
