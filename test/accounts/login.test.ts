import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEmailAddress } from '#src/accounts/email-address.ts';
import { emailLogin, readLogin, usernameLogin } from '#src/accounts/login.ts';
import { parseUsername } from '#src/accounts/username.ts';

test('a login with "@" is an e-mail address and any other a username, in every spelling', () => {
  assert.equal(readLogin(' ADA '), usernameLogin(parseUsername('ada')));
  assert.equal(readLogin('ADA@Example.com'), emailLogin(parseEmailAddress('ada@example.com')));
});

test("a login that can be nobody's is null", () => {
  for (const text of ['', 'ada lovelace', 'username:ada', 'ada@', 'ada\u200B'])
    assert.equal(readLogin(text), null);
});
