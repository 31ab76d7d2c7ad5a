import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parseMemberships } from '#src/accounts/membership.ts';
import { parseUsername } from '#src/accounts/username.ts';
import { systemClock } from '#src/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import { systemRandom } from '#src/random.ts';
import { Secret } from '#src/secret.ts';
import { openServices, type Services, storeOptionsOf } from '#src/services.ts';
import { openBackend } from '#src/storage/open-store.ts';
import { CALLBACK } from '#test/support/keyturn.ts';
import { type PlainBody, type RawBodies, rawBodies } from '#test/support/next-release.ts';
import { Person } from '#test/support/person.ts';
import { startRedisServer } from '#test/support/redis-server.ts';
import { RelyingParty, type Tokens } from '#test/support/relying-party.ts';
import { type RunningKeyturn, startKeyturn } from '#test/support/running-server.ts';

const API = 'https://api.example.com';

/** What servers of the next release have added to every record, and what is not to be lost of it. */
const ADDED = { ofTheNextRelease: { since: 1, of: ['it'] } };
const withAdded = (body: PlainBody) => ({ ...body, value: { ...(body.value as PlainBody), ...ADDED } });

for (const engine of ['SQLite', 'Redis'] as const) {
  describe(`a rolling restart from this release to the next, on ${engine}`, () => {
    const opened = new AsyncDisposableStack();
    let server: RunningKeyturn;
    let services: Services;
    let raw: RawBodies;
    let web: RelyingParty;
    let credentials: { id: string; secret: string };
    let tokens: Tokens;
    const person = new Person();
    const ada = { login: 'ada', password: 'the quick brown fox of tests' };

    before(async () => {
      const redis = engine === 'Redis' ? opened.use(await startRedisServer()) : null;
      const store = redis === null ? {} : { KEYTURN_STORE: `redis://127.0.0.1:${redis.port}` };
      server = opened.use(await startKeyturn({ env: { ...store, KEYTURN_REDIS_TIMEOUT_MS: '60000' } }));
      const surroundings = { clock: systemClock, random: systemRandom };
      const config = loadConfig({ env: server.env });
      services = opened.use(await openServices(config, surroundings));
      const backend = opened.use(await openBackend(storeOptionsOf(config, surroundings)));
      raw = rawBodies(services.store, backend);
      await services.resources.add({ identifier: API, scope: ['read', 'write'] });
      const password = new Secret(ada.password);
      await services.accounts.add({ username: parseUsername('ada'), email: null, password });
      const { client, secret } = await services.clients.add({
        ...{ name: 'Web', redirectUris: [CALLBACK], grantTypes: ['authorization_code', 'refresh_token'] },
        scope: 'openid offline_access read write',
      });
      credentials = { id: client.clientId, secret: secret?.reveal() ?? '' };
      web = await RelyingParty.discover(server, { client, secret: credentials.secret });
      tokens = await web.signIn(person, ada, { scope: 'openid offline_access read', resource: API });
    });
    after(() => opened[Symbol.asyncDispose]());

    const post = async (path: string, fields: Record<string, string>) => {
      const { id, secret } = credentials;
      const response = await fetch(`${server.issuer}${path}`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${id}:${secret}`)}` },
        body: new URLSearchParams(fields),
      });
      return { response, body: (await response.json()) as Record<string, unknown> };
    };
    const refresh = () =>
      post('/token', { grant_type: 'refresh_token', refresh_token: String(tokens.refresh_token) });
    const introspect = () => post('/introspect', { token: tokens.access_token });

    test('nothing that the next has added to records is lost when servers and commands of this one change them', async () => {
      const kinds = ['account', 'authorization', 'client', 'consent', 'key-ring', 'resource-server'];
      for (const kind of kinds) assert.equal(await raw.write(kind, withAdded), 1, kind);
      const before = new Map(await bodiesOf(kinds));

      tokens = await web.refresh(String(tokens.refresh_token));
      await web.signIn(person, ada, { scope: 'openid write', resource: API });
      const [subject = ''] = (await services.accounts.list({ limit: 1 })).accounts.map(
        (each) => each.subject,
      );
      await services.accounts.setMemberships(subject, { roles: parseMemberships(['counsellor']) });
      await services.clients.update(credentials.id, { name: 'The web' });
      await services.resources.update(API, { name: 'The API' });
      await services.rotation.rotate({ breakGlass: 'nobody waits here' });

      for (const [kind, bodies] of await bodiesOf(kinds)) {
        const kept = bodies.filter(({ value }) => 'ofTheNextRelease' in (value as object));
        assert.equal(kept.length, 1, `what the next has added to the ${kind} is gone`);
        assert.notDeepEqual(kept, before.get(kind), `the ${kind} was never replaced`);
        const [{ value }] = kept as [PlainBody];
        assert.deepEqual((value as typeof ADDED).ofTheNextRelease, ADDED.ofTheNextRelease);
      }
      assert.equal((await introspect()).body.active, true);
    });

    test('what this release would read wrongly is answered by 503 until the restart is over, and is not touched', async () => {
      const raise = (schema: number) => raw.write('authorization', (body) => ({ ...body, schema }));
      await raise(2);
      const before = await raw.read('authorization');
      for (const ask of [refresh, introspect]) {
        const { response, body } = await ask();
        assert.deepEqual([response.status, body.error], [503, 'temporarily_unavailable']);
        assert.ok(Number(response.headers.get('retry-after')) > 0);
        assert.doesNotMatch(JSON.stringify(body), /schema|authorization/);
      }
      await server.printed(/a newer Keyturn has written a record of kind authorization with schema 2/);
      assert.deepEqual(await raw.read('authorization'), before);
      await raise(1);
      assert.equal((await refresh()).response.status, 200);
    });

    test('a person who is erased is erased with all that the next release knew of them', async () => {
      const [subject = ''] = (await services.accounts.list({ limit: 1 })).accounts.map(
        (each) => each.subject,
      );
      await services.accounts.remove(subject);
      const [{ value }] = (await raw.read('account')) as [PlainBody];
      assert.deepEqual(Object.keys(value as object).toSorted(), [
        ...['createdAt', 'deletedAt', 'state', 'subject'],
      ]);
    });

    test('a server of this release does not start on keys that only the next can read', async () => {
      await raw.write('key-ring', (body) => ({ ...body, schema: 2 }));
      await server.stop();
      const { code, stderr } = await server.cli(['serve']);
      assert.notEqual(code, 0);
      assert.match(
        stderr,
        /a newer Keyturn has written a record of kind key-ring with schema 2.*newer release/,
      );
    });

    const bodiesOf = async (kinds: readonly string[]) => {
      const read = async (kind: string) => [kind, await raw.read(kind)] as const;
      return Promise.all(kinds.map(read));
    };
  });
}
