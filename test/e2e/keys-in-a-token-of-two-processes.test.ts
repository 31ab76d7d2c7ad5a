import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { createRemoteJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { makeKeyturnDirectory, type ServingKeyturn } from '#test/support/running-server.ts';
import { makeSoftToken } from '#test/support/soft-token.ts';
import { tokenProcesses } from '#test/support/token-processes.ts';

const API = 'https://api.example.com';
const ROUNDS = 6;

test('two processes on one store and one token sign by the same keys, rotate together, and leave nothing behind', async () => {
  await using soft = await makeSoftToken();
  const env = { ...soft.settings, ...soft.env, KEYTURN_PKCS11_TIMEOUT: '30s' };
  await using one = await makeKeyturnDirectory({ env });
  const { KEYTURN_STORE = '', KEYTURN_KEYS_DIR = '' } = one.env;
  const shared = { ...env, KEYTURN_STORE, KEYTURN_KEYS_DIR, KEYTURN_ISSUER: one.issuer };
  await using other = await makeKeyturnDirectory({ env: shared });
  const jwks = createRemoteJWKSet(new URL(`http://127.0.0.1:${one.env.KEYTURN_PORT}/jwks`));

  // Both make the first ring.
  const servers: readonly ServingKeyturn[] = await Promise.all([one.serve(), other.serve()]);
  (await one.cli(['resources', 'add', '--identifier', API, '--scope', 'read', '--json'])).json();
  const adding = [
    'clients',
    'add',
    '--name',
    'Job',
    '--grant',
    'client_credentials',
    '--scope',
    'read',
    '--json',
  ];
  const client = (await one.cli(adding)).json<{ client_id: string; client_secret: string }>();
  const origins = [one, other].map(({ env: { KEYTURN_PORT } }) => `http://127.0.0.1:${KEYTURN_PORT}`);
  const granted = async (origin: string): Promise<string> => {
    const response = await fetch(`${origin}/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
      headers: { authorization: `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}` },
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return JSON.parse(text).access_token;
  };
  const kidsAtBoth = async () => {
    const tokens = await Promise.all(
      origins.flatMap((origin) => Array.from({ length: 10 }, () => granted(origin))),
    );
    for (const token of tokens) await jwtVerify(token, jwks, { issuer: one.issuer });
    return new Set(tokens.map((token) => decodeProtectedHeader(token).kid));
  };

  const [first] = await kidsAtBoth();
  const rotated = (await one.cli(['keys', 'rotate', '--alg', 'ES256', '--json'])).json<[{ kid: string }]>();
  // A server looks every second whether another process has changed the keys.
  let kids = await kidsAtBoth();
  for (let round = 0; kids.has(first) && round < ROUNDS; round += 1) {
    await setTimeout(500);
    kids = await kidsAtBoth();
  }
  assert.deepEqual([...kids], [rotated[0].kid]);

  // Whoever lost the race for that ring has given its keys back.
  const { keys } = (await (await fetch(`${origins[0]}/jwks`)).json()) as JSONWebKeySet;
  const examined = (await one.cli(['doctor', '--json'])).stdout;
  assert.equal(JSON.parse(examined).sound, true, examined);
  assert.doesNotMatch(examined, /does not use/);
  assert.equal(keys.filter(({ use }) => use === 'sig').length, 5);

  // The process with the module ends with its server, however that ends.
  const modules = (await Promise.all(servers.map(({ pid }) => tokenProcesses(pid)))).flat();
  assert.equal(modules.length, 2);
  await Promise.all([servers[0]?.kill(), servers[1]?.stop()]);
  while (modules.some((pid) => existsSync(`/proc/${pid}`))) await setTimeout(20);
});
