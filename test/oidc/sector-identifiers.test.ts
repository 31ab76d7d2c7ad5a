import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { seconds } from '#src/units.ts';
import { type OpenProvider, openProvider } from '#test/oidc/open-provider.ts';

const SECTOR = 'https://group.example.com/sector.json';
const CALLBACKS = ['https://a.example.com/cb', 'https://b.example.org/cb'];

describe('a sector that a client says it is of (OpenID Connect Core section 8.1)', () => {
  let open: OpenProvider;
  /** What stands at the address of the sector. */
  let document: () => Response;
  let asked: string[];

  before(async () => {
    open = await openProvider(async (url) => {
      asked.push(String(url));
      return document();
    });
  });
  after(() => open[Symbol.asyncDispose]());
  beforeEach(() => {
    asked = [];
    document = () => Response.json(CALLBACKS);
  });

  const add = async (redirectUris: readonly string[] = CALLBACKS) => {
    const metadata = { subject_type: 'pairwise', sector_identifier_uri: SECTOR } as const;
    return (await open.clients.add({ name: 'Web', redirectUris, metadata })).client.clientId;
  };
  const find = (clientId: string) => open.provider.Client.find(clientId);
  const refused = (clientId: string) => assert.rejects(find(clientId), { error: 'invalid_client_metadata' });

  test('is left alone for a while if it does not list every redirect URI, and then asked again', async () => {
    document = () => Response.json(CALLBACKS.slice(1));
    const clientId = await add();
    await refused(clientId);
    await refused(clientId);
    assert.deepEqual(asked, [SECTOR]);
    document = () => Response.json(CALLBACKS);
    open.clock.move(seconds(11));
    assert.equal((await find(clientId))?.clientId, clientId);
    assert.equal(asked.length, 2);
  });

  test('is asked once, and its answer holds for as long as the redirect URIs stay the same', async () => {
    const clientId = await add();
    await find(clientId);
    document = () => Response.json([]);
    await open.clients.update(clientId, { name: 'Renamed' });
    assert.equal((await find(clientId))?.clientName, 'Renamed');
    await open.clients.update(clientId, { redirectUris: [...CALLBACKS, 'https://evil.example.com/cb'] });
    await refused(clientId);
  });

  for (const [what, answer] of [
    ['nothing', () => new Response(null, { status: 404 })],
    ['a redirect', () => new Response(null, { status: 302, headers: { Location: SECTOR } })],
    ['no JSON', () => new Response('<html>')],
    ['no list', () => Response.json({ redirect_uris: CALLBACKS })],
    ['a list of something else', () => Response.json([...CALLBACKS, 7])],
    ['a longer document than is read', () => Response.json([...CALLBACKS, 'x'.repeat(65_536)])],
  ] as const) {
    test(`that answers with ${what} confirms nobody`, async () => {
      document = answer;
      await refused(await add([`https://${what.replaceAll(' ', '-')}.example.com/cb`, ...CALLBACKS]));
      assert.equal(asked.length, 1);
    });
  }

  test('is not asked by a client that names none', async () => {
    const { client } = await open.clients.add({ name: 'Web', redirectUris: ['https://a.example.com/cb'] });
    await find(client.clientId);
    assert.deepEqual(asked, []);
  });
});
