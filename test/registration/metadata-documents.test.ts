import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { newClient } from '#src/clients/client.ts';
import { Refusal } from '#src/fault.ts';
import { type FetchedDocument, MetadataDocuments } from '#src/registration/metadata-documents.ts';
import { days, minutes, type Seconds, seconds } from '#src/units.ts';
import { ANSWERS } from '#test/support/authorization-answers.ts';
import { refusal } from '#test/support/refusal.ts';
import { algorithmsWith } from '#test/support/response-algorithms.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

const ID = 'https://app.example.com/client.json';

async function openDocuments(answer: (url: string) => Promise<FetchedDocument>, documentsMax = 10) {
  const store = await openTemporaryStore();
  const { clock, records } = store;
  const fetched: string[] = [];
  const admitted: string[] = [];
  const documents = new MetadataDocuments({
    clients: {
      describe: (input) => ({
        client: newClient(input, {
          clientId: 'made',
          algorithms: algorithmsWith('ES256', 'RS256'),
          answers: ANSWERS,
          authenticationMethods: ['none', 'private_key_jwt'],
          redirectSchemes: [],
          profile: null,
          now: clock.now(),
        }),
        secret: null,
      }),
    },
    clock,
    records,
    rememberedFor: days(90),
    policy: { policy: 'any', hosts: [], refusedHosts: ['evil.example'] },
    sameOrigin: true,
    bounds: {
      grantTypes: ['authorization_code', 'refresh_token'],
      authenticationMethods: ['none', 'private_key_jwt', 'client_secret_basic'],
      responseTypes: ['code'],
      requirePkce: true,
      idTokenSignedResponseAlg: 'RS256',
    },
    cache: { min: minutes(5), max: minutes(60), retryAfter: seconds(10), documentsMax },
    fetch: (url) => {
      fetched.push(url);
      return answer(url);
    },
    openScopes: async () => ['notes'],
    admit: async (address) => void admitted.push(address),
  });
  return {
    clock,
    fetched,
    admitted,
    documents,
    find: (id = ID, lastKnown = false) => documents.find(id, { address: '192.0.2.7', lastKnown }),
    records,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

const documentOf = (id: string, more: object = {}) => ({
  client_id: id,
  client_name: 'App',
  redirect_uris: ['https://app.example.com/cb'],
  ...more,
});

const keptFor = (maxAge: Seconds | null) => async (url: string) => ({ document: documentOf(url), maxAge });

describe('the document under a client identifier', () => {
  test('is fetched once for however many ask at the same time, and counted once each', async () => {
    await using open = await openDocuments(keptFor(null));
    const found = await Promise.all(Array.from({ length: 50 }, () => open.find()));
    assert.deepEqual(open.fetched, [ID]);
    assert.equal(new Set(found.map((each) => each?.version)).size, 1);
    assert.equal(found[0]?.client.clientId, ID);
    await open.find();
    assert.deepEqual(open.fetched, [ID]);
    assert.deepEqual(new Set(open.admitted), new Set(['192.0.2.7']));
  });

  test('is kept for as long as its server says, within bounds (RFC 9111 section 5.2.2.1)', async () => {
    for (const [maxAge, kept] of [
      [null, minutes(5)],
      [seconds(0), minutes(5)],
      [minutes(20), minutes(20)],
      [minutes(600), minutes(60)],
    ] as const) {
      await using open = await openDocuments(keptFor(maxAge));
      await open.find();
      open.clock.move(seconds(kept - 1));
      const before = await open.find();
      assert.equal(open.fetched.length, 1, `${maxAge}`);
      open.clock.move(seconds(1));
      const after = await open.find();
      assert.equal(open.fetched.length, 2, `${maxAge}`);
      assert.notEqual(after?.version, before?.version);
    }
  });

  test('that cannot be had is not asked for again at once', async () => {
    let there = false;
    await using open = await openDocuments(async (url) => {
      if (!there) throw new Error('connect ECONNREFUSED 10.0.0.1:443');
      return { document: documentOf(url), maxAge: null };
    });
    for (let ask = 0; ask < 5; ask += 1)
      await assert.rejects(open.find(), (error: Error) => {
        assert.ok(refusal('metadata_document_refused')(error));
        assert.doesNotMatch(error.message, /10\.0\.0\.1/, 'what is inside stays inside');
        return true;
      });
    assert.equal(open.fetched.length, 1);
    there = true;
    open.clock.move(seconds(10));
    assert.equal((await open.find())?.client.name, 'App');
    assert.equal(open.fetched.length, 2);
  });

  test('that was read shortly before will do while its server is away, and no longer', async () => {
    let answer: 'document' | 'away' | 'gone' = 'document';
    await using open = await openDocuments(async (url) => {
      if (answer === 'away') throw new Error('connect ECONNREFUSED');
      if (answer === 'gone')
        throw new Refusal('metadata_document_refused', 'the metadata document answers 410');
      return { document: documentOf(url), maxAge: null };
    });
    await open.find();
    answer = 'away';
    open.clock.move(minutes(6));
    assert.equal((await open.find())?.client.name, 'App');
    assert.equal((await open.find())?.client.name, 'App');
    assert.equal(open.fetched.length, 2, 'it is not asked for again at once');
    open.clock.move(minutes(55));
    await assert.rejects(open.find(), /cannot be fetched/);

    answer = 'document';
    open.clock.move(minutes(1));
    await open.find();
    answer = 'gone';
    open.clock.move(minutes(6));
    await assert.rejects(open.find(), /answers 410/, 'what its server says counts at once');
  });

  test('is remembered of a client that was given a token, for whoever asks about that token', async () => {
    let name = 'Old';
    const answer = async (url: string) => ({
      document: documentOf(url, { client_name: name }),
      maxAge: null,
    });
    await using open = await openDocuments(answer);
    const known = async () => (await open.find(ID, true))?.client.name;
    assert.equal(await known(), 'Old', 'where nothing is known, it is read');
    const client = (await open.find())?.client;
    assert.ok(client);
    await open.documents.remember(client);
    name = 'New';
    open.clock.move(minutes(10));
    assert.equal(await known(), 'Old');
    assert.equal(open.fetched.length, 1);
    const renewed = await open.find();
    assert.equal(await known(), 'New');
    await open.documents.remember(renewed?.client ?? client);
    const stored = await open.records.find<{ name: string }>('metadata-document', ID);
    assert.equal(stored?.value.name, 'New');
    open.clock.move(days(90));
    assert.equal(await open.records.find('metadata-document', ID), null);
  });

  test('is stored of no other client', async () => {
    await using open = await openDocuments(keptFor(null));
    const client = (await open.find())?.client;
    assert.ok(client);
    await open.documents.remember({ ...client, registeredBy: { by: 'administrator' } });
    assert.equal(await open.records.find('metadata-document', ID), null);
  });

  test('is let go of where others were used since, and not asked for where it is not admitted', async () => {
    await using open = await openDocuments(keptFor(null), 2);
    const ids = ['a', 'b', 'c'].map((name) => `https://app.example.com/${name}`);
    for (const id of ids) await open.find(id);
    await open.find(ids[2]);
    assert.equal(open.fetched.length, 3);
    await open.find(ids[0]);
    assert.equal(open.fetched.length, 4);
    assert.equal(await open.find('https://evil.example/client'), null);
    assert.equal(await open.find('http://app.example.com/client'), null);
    assert.equal(open.fetched.length, 4);
  });

  test('of slow servers takes up no more than so many calls at once', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    await using open = await openDocuments(async (url) => {
      await promise;
      return { document: documentOf(url), maxAge: null };
    }, 1000);
    const asks = Array.from({ length: 100 }, (_, index) => open.find(`https://app.example.com/${index}`));
    const outcomes = Promise.allSettled(asks);
    await assert.rejects(open.find('https://app.example.com/another'), refusal('metadata_document_refused'));
    resolve();
    const served = (await outcomes).filter(({ status }) => status === 'fulfilled').length;
    assert.equal(served, open.fetched.length);
    assert.equal(served, 32);
    assert.ok(await open.find('https://app.example.com/another'), 'there is room again');
  });
});

describe('what a document says', () => {
  const found = async (more: object) => {
    await using open = await openDocuments(async (url) => ({
      document: documentOf(url, more),
      maxAge: null,
    }));
    return (await open.find())?.client;
  };

  test('is a public client by default, held to what a client that registers itself may have', async () => {
    const client = await found({
      grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
      response_types: ['code', 'token'],
      scope: 'openid notes admin',
      profile: 'x',
    });
    assert.equal(client?.authenticationMethod, 'none');
    assert.equal(client?.requirePkce, true);
    assert.deepEqual(client?.grantTypes, ['authorization_code', 'refresh_token']);
    assert.deepEqual(client?.scope, ['openid', 'notes']);
    assert.deepEqual(client?.registeredBy, { by: 'metadata-document' });
    assert.equal((await found({ client_name: undefined }))?.name, 'app.example.com');
  });

  test('may name keys, by which the client proves who it is', async () => {
    const jwks_uri = 'https://app.example.com/jwks';
    const client = await found({ token_endpoint_auth_method: 'private_key_jwt', jwks_uri });
    assert.equal(client?.authenticationMethod, 'private_key_jwt');
    assert.equal(client?.jwksUri, jwks_uri);
  });

  test('MUST have the URL as its client_id, compared as strings (section 4)', async () => {
    for (const client_id of [`${ID}/`, `${ID}?`, ID.toUpperCase(), undefined, null, 7, [ID]])
      await assert.rejects(found({ client_id }), /client_id is not the URL/);
  });

  test('MUST NOT speak of a shared secret, in any way (section 4.1)', async () => {
    for (const method of ['client_secret_basic', 'client_secret_post', 'client_secret_jwt'])
      await assert.rejects(
        found({ token_endpoint_auth_method: method }),
        refusal('metadata_document_refused'),
      );
    for (const secret of [{ client_secret: 'x' }, { client_secret: null }, { client_secret_expires_at: 0 }])
      await assert.rejects(found(secret), /has no place in a document/);
  });

  test('is held to the rules of redirect URIs, and sends people nowhere else than where it lies', async () => {
    for (const uri of ['http://app.example.com/cb', 'https://app.example.com/cb#x', 'javascript:1', '/cb'])
      await assert.rejects(found({ redirect_uris: [uri] }), refusal('metadata_document_refused'), uri);
    for (const uri of ['https://other.example.com/cb', 'https://app.example.com:8443/cb'])
      await assert.rejects(found({ redirect_uris: [uri] }), /is not of https:\/\/app\.example\.com/, uri);
    for (const uri of ['https://app.example.com/other', 'http://127.0.0.1/cb', 'com.example.app:/cb'])
      assert.deepEqual((await found({ redirect_uris: [uri] }))?.redirectUris, [uri]);
  });

  test('is a JSON object', async () => {
    for (const document of [null, [], 'x', 7]) {
      await using open = await openDocuments(async () => ({ document, maxAge: null }));
      await assert.rejects(open.find(), /is no JSON object/);
    }
  });
});
