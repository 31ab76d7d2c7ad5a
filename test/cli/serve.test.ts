import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startKeyturn } from '#test/support/running-server.ts';

test('what a command registers while the server runs can be used at once', async () => {
  await using keyturn = await startKeyturn();
  const args = [
    'clients',
    'add',
    '--name',
    'worker',
    '--grant',
    'client_credentials',
    '--scope',
    'read',
    '--json',
  ];
  const { client_id, client_secret } = (await keyturn.cli(args)).json<Record<string, string>>();
  await keyturn.cli(['resources', 'add', '--identifier', 'https://api.example.com', '--scope', 'read']);
  const response = await fetch(`${keyturn.issuer}/token`, {
    method: 'POST',
    headers: { Authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', resource: 'https://api.example.com' }),
  });
  assert.equal(response.status, 200, await response.clone().text());
  assert.deepEqual(await keyturn.stop(), { code: 0, signal: null });
});
