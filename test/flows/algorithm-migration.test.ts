import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { CALLBACK } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import {
  type KeyturnDirectory,
  makeKeyturnDirectory,
  type ServingKeyturn,
} from '#test/support/running-server.ts';

const PASSWORD = 'the quick brown fox of tests';
const API = 'https://api.example.com';
const BOTH = 'ES256,RS256';

type Document = Record<string, unknown>;

describe('an algorithm that is moved away from', () => {
  let path: string;
  let directories: KeyturnDirectory[];
  let serving: ServingKeyturn;
  let registered: { client_id: string; client_secret: string };
  let early: Awaited<ReturnType<RelyingParty['signIn']>>;

  /** The same store and port, with other settings. */
  const withAlgorithms = async (algorithms: string): Promise<KeyturnDirectory> => {
    const [first] = directories;
    const made = await makeKeyturnDirectory({
      env: {
        KEYTURN_PASSWORDS_ARGON2_MEMORY_KIB: '7168',
        KEYTURN_PASSWORDS_ARGON2_ITERATIONS: '5',
        KEYTURN_KEYS_ALGORITHMS: algorithms,
        ...(first === undefined
          ? undefined
          : {
              KEYTURN_PORT: first.env.KEYTURN_PORT ?? '',
              KEYTURN_STORE: `sqlite:${join(path, 'data', 'keyturn.db')}`,
              KEYTURN_KEYS_DIR: join(path, 'keys'),
            }),
      },
    });
    directories.push(made);
    return made;
  };

  let keyturn: KeyturnDirectory;
  const cli = (...args: string[]) => keyturn.cli([...args, '--json']);
  const json = async <T>(path: string) => (await (await fetch(`${keyturn.issuer}${path}`)).json()) as T;
  const discovered = async () =>
    (await json<Document>('/.well-known/openid-configuration')).id_token_signing_alg_values_supported;

  const signIn = async (alg: string) => {
    const client = { clientId: registered.client_id, authenticationMethod: 'client_secret_basic' as const };
    const web = await RelyingParty.discover(
      keyturn,
      { client, secret: registered.client_secret },
      { id_token_signed_response_alg: alg },
    );
    const parameters = { scope: 'openid read', resource: API };
    return web.signIn(new Person(), { login: 'ada', password: PASSWORD }, parameters);
  };
  const algOf = (jwt = '') => decodeProtectedHeader(jwt).alg;

  before(async () => {
    directories = [];
    keyturn = await withAlgorithms(BOTH);
    path = keyturn.path;
    const account = ['accounts', 'add', '--username', 'ada', '--password-stdin', '--json'];
    (await keyturn.cli(account, { stdin: PASSWORD })).json();
    (
      await cli('resources', 'add', '--identifier', API, '--scope', 'read', '--signing-algorithm', 'RS256')
    ).json();
    const client = ['clients', 'add', '--name', 'Web', '--redirect-uri', CALLBACK, '--id-token-alg', 'RS256'];
    registered = (await cli(...client, '--scope', 'openid read')).json();
    serving = await keyturn.serve();
    early = await signIn('RS256');
  });

  after(async () => {
    for (const each of directories.toReversed()) await each[Symbol.asyncDispose]();
  });

  test('is published beside the new one, so that an API with a cached JWKS takes what either signs', async () => {
    const cached = createLocalJWKSet(await json<JSONWebKeySet>('/jwks'));
    const dry = (await cli('keys', 'migrate', 'RS256', 'ES256', '--all', '--dry-run')).json<{
      moved: Document[];
    }>();
    assert.deepEqual(
      dry.moved.map(({ kind }) => kind),
      ['resource_server', 'client'],
    );
    assert.equal(algOf((await signIn('RS256')).access_token), 'RS256', 'a dry run changes nothing');

    const moved = (await cli('keys', 'migrate', 'RS256', 'ES256', '--resource', API)).json<{
      moved: Document[];
    }>();
    assert.deepEqual(
      moved.moved.map(({ id, problem }) => [id, problem]),
      [[API, null]],
    );
    const tokens = await signIn('RS256');
    assert.deepEqual([algOf(tokens.access_token), algOf(tokens.id_token)], ['ES256', 'RS256']);
    for (const token of [early.access_token, tokens.access_token])
      await jwtVerify(token, cached, { issuer: keyturn.issuer });
  });

  test('goes on for those who are registered for it, when the settings do not name it any more', async () => {
    await serving.stop();
    keyturn = await withAlgorithms('ES256');
    serving = await keyturn.serve();
    assert.deepEqual(await discovered(), ['ES256', 'RS256']);
    assert.equal(algOf((await signIn('RS256')).id_token), 'RS256');
    await serving.printed(/"alg":"RS256".*the settings do not name this algorithm any more/);
    const { stdout } = await keyturn.cli(['doctor']);
    assert.match(stdout, /keys RS256 +the settings do not name it any more, and it goes on for 1/);
    const refused = await cli('keys', 'retire-algorithm', 'RS256');
    assert.equal(refused.code, 1);
    assert.deepEqual(JSON.parse(refused.stderr).problems, [registered.client_id]);
    const renamed = await cli('clients', 'update', registered.client_id, '--name', 'Web of old');
    assert.equal(renamed.code, 0, renamed.stderr);
    const taken = await cli(
      'clients',
      'add',
      '--name',
      'New',
      '--redirect-uri',
      CALLBACK,
      '--id-token-alg',
      'RS256',
    );
    assert.equal(JSON.parse(taken.stderr).error, 'invalid_client_metadata');
    const algorithms = (await cli('keys', 'algorithms')).json<Document[]>();
    assert.deepEqual(
      algorithms.map(({ alg, standing }) => [alg, standing]),
      [
        ['ES256', 'on'],
        ['RS256', 'leaving'],
      ],
    );
  });

  test('is given up once nobody is registered for it, and its last tokens still verify', async () => {
    const all = ['keys', 'migrate', 'RS256', 'ES256', '--all'];
    assert.equal((await cli(...all)).json<{ moved: Document[] }>().moved.length, 1);
    assert.deepEqual(
      (await cli(...all)).json<{ moved: Document[] }>().moved,
      [],
      'done again it does nothing',
    );
    const tokens = await signIn('ES256');
    assert.equal(algOf(tokens.id_token), 'ES256');
    assert.equal((await cli('keys', 'retire-algorithm', 'RS256')).code, 0);
    while (String(await discovered()) !== 'ES256') await pause(100);

    const jwks = createLocalJWKSet(await json<JSONWebKeySet>('/jwks'));
    await jwtVerify(early.access_token, jwks, { issuer: keyturn.issuer });
    await jwtVerify(early.id_token ?? '', jwks, { issuer: keyturn.issuer });
    const hinted = await new Person().visit(`${keyturn.issuer}/logout?id_token_hint=${early.id_token}`);
    assert.equal(hinted.response.status, 200, 'an ID token by the former algorithm is still a good hint');
    assert.equal(algOf((await signIn('ES256')).id_token), 'ES256');
  });
});
