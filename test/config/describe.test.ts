import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SETTINGS } from '#src/config/catalogue.ts';
import { describeConfig, settingsTable } from '#src/config/describe.ts';
import { load } from '#test/config/sources.ts';

const KEK = `keyturn_kek_20270115-080000-070707_${'B'.repeat(43)}`;

const loaded = load({
  yaml: 'lifetimes:\n  accessToken: 120\ntrustProxy: [10.0.0.0/8, "::1"]\n',
  env: { KEYTURN_PORT: '4000', KEYTURN_KEK_FILE: '/run/kek' },
  files: { '/run/kek': KEK },
});

test('every setting is described once, with its value as a file would have it, and where that came from', () => {
  const described = describeConfig(loaded);
  assert.deepEqual(
    described.map(({ setting }) => setting),
    SETTINGS.map(({ name }) => name),
  );
  const of = (name: string) => described.find(({ setting }) => setting === name);
  assert.deepEqual(of('lifetimes.accessToken'), {
    setting: 'lifetimes.accessToken',
    variable: 'KEYTURN_LIFETIMES_ACCESS_TOKEN',
    value: '2m',
    source: 'file',
    place: 'keyturn.yaml:2',
  });
  assert.deepEqual(of('port'), {
    setting: 'port',
    variable: 'KEYTURN_PORT',
    value: 4000,
    source: 'environment',
    place: 'KEYTURN_PORT',
  });
  assert.equal(of('issuer')?.value, 'http://localhost:4000');
  assert.equal(of('issuer')?.source, 'default');
  assert.deepEqual(of('trustProxy')?.value, ['10.0.0.0/8', '::1']);
  assert.equal(of('http.connectionsMax')?.value, null);
  assert.equal(of('kek')?.value, '[secret]');
  assert.equal(of('kek')?.place, 'KEYTURN_KEK_FILE');
});

test('what is described can be given again, and comes out the same', () => {
  const nested: Record<string, Record<string, unknown> | unknown> = {};
  for (const { setting, value } of describeConfig(loaded)) {
    const [group = '', key] = setting.split('.');
    if (setting === 'kek') continue;
    if (key === undefined) nested[group] = value;
    else nested[group] = { ...(nested[group] as object | undefined), [key]: value };
  }
  const again = load({ json: JSON.stringify(nested) });
  assert.deepEqual({ ...again.config, kek: null }, { ...loaded.config, kek: null });
});

test('the table has a line for each setting and shows no secret', () => {
  const table = settingsTable(describeConfig(loaded));
  const lines = table.split('\n');
  assert.equal(lines.length, SETTINGS.length);
  assert.match(table, /^port +4000 +KEYTURN_PORT$/m);
  assert.match(table, /^lifetimes\.accessToken +2m +keyturn\.yaml:2$/m);
  assert.match(table, /^http\.connectionsMax +- +default$/m);
  assert.match(table, /^kek +\[secret\] +KEYTURN_KEK_FILE$/m);
  assert.ok(!table.includes(KEK));
});
