import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SETTINGS } from '#src/config/catalogue.ts';
import { EXAMPLE_FILE, settingsReference } from '#src/config/reference.ts';
import { load } from '#test/config/sources.ts';

test('docs/settings.md is the reference that the schema makes; if this fails, run `npm run docs`', () => {
  assert.equal(readFileSync(new URL('../../docs/settings.md', import.meta.url), 'utf8'), settingsReference());
});

test('the reference has a row for every setting, with its variable and one sentence', () => {
  const reference = settingsReference();
  for (const { name, variable, about } of SETTINGS) {
    assert.ok(reference.includes(`| \`${name}\`<br>\`${variable}\``), name);
    assert.match(about.meaning, /^[A-Z`][^|\n]*\.$/, name);
    assert.doesNotMatch(about.expects, /[|\n]/, name);
  }
  assert.ok(reference.includes('`KEYTURN_KEK`<br>`KEYTURN_KEK_FILE`'));
});

test('the example file of the reference is a good settings file', () => {
  const { config } = load({ yaml: EXAMPLE_FILE });
  assert.equal(config.issuer, 'https://id.example.com');
  assert.deepEqual(config.host, ['0.0.0.0']);
  assert.equal(config.throttle.signInFailuresPerAccount, 5);
});
