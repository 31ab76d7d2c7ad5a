import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Readers } from '#src/jwks-readers/reader.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { startKeyturn } from '#test/support/running-server.ts';

const basic = (id: string, secret: string) =>
  `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`;

/** What is served with its headers, but for those that tell requests and moments apart. */
async function shown(response: Response): Promise<unknown> {
  const { status, headers } = response;
  const kept = [...headers].filter(([name]) => !['date', 'x-request-id'].includes(name));
  return { status, headers: kept, body: await response.text() };
}

describe('whoever fetches the JWK Set', () => {
  let keyturn: Keyturn;
  before(async () => {
    keyturn = await startKeyturnHere();
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const jwks = (headers: Record<string, string> = {}, query = '', method = 'GET') =>
    fetch(`${keyturn.issuer}/jwks${query}`, { method, headers: { 'user-agent': 'reader/1.0', ...headers } });
  /** Everyone who is remembered once the server has written down all that it saw. */
  const readers = async (): Promise<Readers> => {
    await keyturn.restart();
    return keyturn.services.jwksReaders.all();
  };
  const published = async () => {
    const { keys } = (await (await jwks({ 'user-agent': 'test' })).json()) as {
      keys: { kid: string; use?: string }[];
    };
    return keys.filter(({ use }) => use !== 'enc').map(({ kid }) => kid);
  };
  let number = 0;
  const addApi = async () => {
    number += 1;
    const { resourceServer, secret } = await keyturn.addResourceServer({
      identifier: `https://api-${number}.example.com`,
    });
    const { clientId, identifier } = resourceServer;
    return { clientId, identifier, authorization: basic(clientId, secret) };
  };

  test('is remembered as the resource server that it proves to be, with the keys that it got', async () => {
    const { clientId, authorization } = await addApi();
    const [response, kids] = [await jwks({ authorization }), await published()];
    assert.equal(response.status, 200);
    await response.body?.cancel();
    const seen = (await readers()).known.get(clientId);
    assert.deepEqual(Object.keys(seen?.proven?.keys ?? {}).toSorted(), kids.toSorted());
    assert.equal(seen?.proven?.program, 'reader/1.0');
    assert.equal(seen?.said, null);
  });

  test('has what it is told that it has: 304 counts as 200 does (RFC 9110 section 15.4.5)', async () => {
    const { clientId, identifier } = await addApi();
    const etag = (await jwks()).headers.get('etag') ?? '';
    const held = await jwks({ 'if-none-match': etag }, `?rs=${encodeURIComponent(identifier)}`);
    assert.equal(held.status, 304);
    const kids = await published();
    const seen = (await readers()).known.get(clientId)?.said;
    assert.deepEqual(Object.keys(seen?.keys ?? {}).toSorted(), kids.toSorted());
  });

  test('and only asks about it, by HEAD or beforehand from a script, has got nothing', async () => {
    const { clientId, authorization } = await addApi();
    assert.equal((await jwks({ authorization }, '', 'HEAD')).status, 200);
    assert.equal((await jwks({ authorization }, '', 'OPTIONS')).status, 204);
    assert.equal((await jwks({ authorization }, '', 'POST')).status, 405);
    assert.equal((await readers()).known.get(clientId), undefined);
  });

  test('is only said to be the resource server that it names in ?rs=', async () => {
    const { clientId, identifier } = await addApi();
    for (const name of [identifier, `${identifier}/`])
      await (await jwks({}, `?rs=${encodeURIComponent(name)}`)).body?.cancel();
    const seen = (await readers()).known.get(clientId);
    assert.equal(seen?.proven, null);
    assert.notEqual(seen?.said, null);
  });

  test('has a name of its own, or none, and is then known by its program and part of the network', async () => {
    await (await jwks({}, '?rs=nightly+report')).body?.cancel();
    await (await jwks({ 'user-agent': 'plain-reader/2.1 (with a comment)' })).body?.cancel();
    const { named, anonymous } = await readers();
    assert.ok(named.some(({ name }) => name === 'nightly report'));
    const plain = anonymous.find(({ sighting }) => sighting.program === 'plain-reader/2.1');
    assert.equal(plain?.sighting.network, '127.0.0.0/24', 'and no whole address');
  });

  test('is served the same whatever credentials it brings, so that it learns nothing about them', async () => {
    const { authorization, clientId } = await addApi();
    const expected = await shown(await jwks());
    const others = [
      authorization,
      basic(clientId, 'keyturn_cs_guess'),
      basic('rs_nobody', 'keyturn_cs_guess'),
      basic('\0', '\0'),
      'Basic !',
      'Basic',
      'Bearer token',
      `Basic ${Buffer.from('%E0%A4%A:x').toString('base64')}`,
    ];
    for (const each of others)
      assert.deepEqual(await shown(await jwks({ authorization: each })), expected, each);
    for (const query of ['?rs', '?rs=', '?rs=%ff%00', '?rs=a&rs=b', `?rs=${'x'.repeat(5000)}`, '?rs[a]=b'])
      assert.deepEqual(await shown(await jwks({}, query)), expected, query);
  });

  test('is not remembered by wrong credentials as the one that it claims to be', async () => {
    const { clientId } = await addApi();
    const wrong = basic(clientId, 'keyturn_cs_guess');
    await (await jwks({ authorization: wrong, 'user-agent': 'guesser/1.0' })).body?.cancel();
    const { known, anonymous } = await readers();
    assert.equal(known.get(clientId), undefined);
    assert.ok(anonymous.some(({ sighting }) => sighting.program === 'guesser/1.0'));
  });

  test('leaves nothing in the log of what it said or brought', async () => {
    const { authorization } = await addApi();
    await (await jwks({ authorization }, '?rs=telltale-name')).body?.cancel();
    const [, secret = ''] = authorization.split(' ');
    for (const line of keyturn.logged) assert.ok(!line.includes('telltale-name') && !line.includes(secret));
  });
});

test('keyturn keys readers shows who has the next keys, while the server runs', async () => {
  await using keyturn = await startKeyturn({ env: { KEYTURN_KEYS_READERS_WRITE_EVERY: '1s' } });
  const add = async (identifier: string, ...more: string[]) =>
    (await keyturn.cli(['resources', 'add', '--identifier', identifier, ...more, '--json'])).json<{
      client_id: string;
      client_secret: string;
    }>();
  const proven = await add('https://proven.example.com');
  await add('https://said.example.com', '--signing-algorithm', 'RS256');
  await add('https://silent.example.com');
  await add('https://opaque.example.com', '--token-format', 'opaque');
  const empty = await keyturn.cli(['keys', 'readers']);
  assert.match(empty.stdout, /^https:\/\/silent\.example\.com\s+never\s+ES256: not known/m);

  const authorization = basic(proven.client_id, proven.client_secret);
  const fetches = [
    [keyturn.issuer, { authorization }],
    [`${keyturn.issuer}/jwks?rs=https://said.example.com`, {}],
    [`${keyturn.issuer}/jwks?rs=${encodeURIComponent('evil\u001b[31m')}`, {}],
  ] as const;
  await fetch(`${fetches[0][0]}/jwks`, { headers: fetches[0][1] });
  for (const [url, headers] of fetches.slice(1)) await fetch(url, { headers });

  type Reader = {
    identifier: string;
    proven: boolean | null;
    last_fetched_at: number | null;
    next_keys: { readiness: string }[];
  };
  type Document = { resource_servers: Reader[]; others: { name: string | null }[] };
  const read = async () => (await keyturn.cli(['keys', 'readers', '--json'])).json<Document>();
  let document = await read();
  while (document.others.length === 0) document = await read();
  const byName = new Map(document.resource_servers.map((each) => [new URL(each.identifier).hostname, each]));
  const states = (name: string) =>
    byName.get(`${name}.example.com`)?.next_keys.map(({ readiness }) => readiness);
  assert.deepEqual(['proven', 'said', 'silent', 'opaque'].map(states), [
    ['ready'],
    ['ready'],
    ['unknown'],
    [],
  ]);
  assert.deepEqual(
    ['proven', 'said', 'silent'].map((name) => byName.get(`${name}.example.com`)?.proven),
    [true, false, null],
  );
  const { stdout } = await keyturn.cli(['keys', 'readers']);
  assert.match(stdout, /^https:\/\/proven\.example\.com\s+.*ES256: has it\s+node/m);
  assert.match(stdout, /^https:\/\/said\.example\.com \(says it is\)\s+.*RS256: has it/m);
  assert.match(stdout, /^https:\/\/opaque\.example\.com\s+never\s+not needed/m);
  assert.ok(!stdout.includes('\u001b[31m'), 'a name that a stranger gave moves nothing at the terminal');

  // Whoever has not fetched the keys since has not got the one that is published now.
  await keyturn.cli(['keys', 'rotate', '--alg', 'RS256']);
  type Key = { alg: string; state: string; readers?: { identifier: string; readiness: string }[] };
  const keys = (await keyturn.cli(['keys', 'list', '--json'])).json<Key[]>();
  const standing = new Map(
    keys
      .filter(({ state }) => state === 'next')
      .map(({ alg, readers }) => [
        alg,
        readers?.map(({ identifier, readiness }) => `${identifier} ${readiness}`),
      ]),
  );
  assert.deepEqual(standing.get('RS256'), ['https://said.example.com behind']);
  assert.deepEqual(standing.get('ES256'), [
    'https://proven.example.com ready',
    'https://silent.example.com unknown',
  ]);
  const list = (await keyturn.cli(['keys', 'list'])).stdout;
  assert.match(list, /^ +fetched by https:\/\/proven\.example\.com$/m);
  assert.match(
    list,
    /^ +not fetched by https:\/\/said\.example\.com \(says it is\), last seen \d+ seconds? ago$/m,
  );
  assert.match(list, /^ +not known of https:\/\/silent\.example\.com, which never said who it was$/m);
});
