import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, mock, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeJwt } from 'jose';
import { pino } from 'pino';
import { DEVICE_CODE_GRANT } from '#src/clients/client.ts';
import { systemClock } from '#src/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import type { Config } from '#src/config/schema.ts';
import { systemRandom } from '#src/random.ts';
import { startServer } from '#src/server.ts';
import { openServices } from '#src/services.ts';
import { restore } from '#src/store-moves.ts';
import { days } from '#src/units.ts';
import { PROGRAM_VERSION } from '#src/version.ts';
import { type Credentials, type Known, redemption, SETTINGS } from '#test/releases/known.ts';
import { freePort } from '#test/support/free-port.ts';
import { startRedisServer } from '#test/support/redis-server.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

const DIRECTORY = fileURLToPath(new URL('.', import.meta.url));
const RELEASES = readdirSync(DIRECTORY, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

const surroundings = { clock: systemClock, random: systemRandom };

test('the release at hand has left records to those that come after it (npm run release-fixture)', () => {
  assert.ok(RELEASES.includes(PROGRAM_VERSION), `there is no fixture of ${PROGRAM_VERSION}`);
});

for (const release of RELEASES) {
  for (const engine of ['SQLite', 'Redis'] as const) {
    describe(`what release ${release} has written, on ${engine}`, () => {
      const known = JSON.parse(readFileSync(join(DIRECTORY, release, 'known.json'), 'utf8')) as Known;
      const opened = new AsyncDisposableStack();
      let origin: string;

      before(async () => {
        // The whole process lives five seconds after the fixture was made, and time stands still.
        mock.timers.enable({ apis: ['Date'], now: (known.madeAt + 5) * 1000 });
        opened.defer(() => mock.timers.reset());
        const directory = opened.use(await makeTemporaryDirectory());
        const port = await freePort();
        origin = `http://127.0.0.1:${port}`;
        const redis = engine === 'Redis' ? opened.use(await startRedisServer()) : null;
        const config = livingBy(
          redis === null ? 'this clock' : 'that of Redis',
          loadConfig({
            env: {
              ...SETTINGS,
              KEYTURN_HOST: '127.0.0.1',
              KEYTURN_PORT: String(port),
              KEYTURN_ISSUER: known.issuer,
              KEYTURN_KEK: known.kek,
              KEYTURN_STORE:
                redis === null
                  ? `sqlite:${join(directory.path, 'keyturn.db')}`
                  : `redis://127.0.0.1:${redis.port}`,
              KEYTURN_REDIS_TIMEOUT_MS: '60000',
            },
          }),
        );
        const from = join(DIRECTORY, release, 'store.backup');
        const order = { from, checkOnly: false, keepSignIns: true, onProgress: () => {} };
        await restore(config, order, surroundings);
        const services = opened.use(await openServices(config, surroundings));
        opened.use(await startServer(services, { ...surroundings, log: pino({ level: 'silent' }) }));
      });
      after(() => opened[Symbol.asyncDispose]());

      const post = async (path: string, by: Credentials | null, fields: Record<string, string>) => {
        const headers = by === null ? {} : { authorization: `Basic ${btoa(`${by.id}:${by.secret}`)}` };
        const body = new URLSearchParams(fields);
        const response = await fetch(`${origin}${path}`, { method: 'POST', headers, body });
        return { status: response.status, body: (await response.json()) as Record<string, unknown> };
      };
      const isActive = async (by: Credentials, token: unknown) =>
        (await post('/introspect', by, { token: String(token) })).body.active;
      const refresh = (token: unknown) =>
        post('/token', known.web, { grant_type: 'refresh_token', refresh_token: String(token) });
      /** Where the browser is sent from `/authorize`, without a page. */
      const authorized = async (query: Record<string, string>) => {
        const response = await fetch(`${origin}/authorize?${new URLSearchParams(query)}`, {
          headers: { cookie: known.cookie },
          redirect: 'manual',
        });
        return new URL(response.headers.get('location') ?? '', origin).searchParams;
      };

      test('is a JWK Set with every key that was in it, in its order', async () => {
        const { keys } = (await (await fetch(`${origin}/jwks`)).json()) as { keys: { kid: string }[] };
        assert.deepEqual(
          keys.map(({ kid }) => kid),
          known.kids,
        );
      });

      test('is access tokens that stand, and others that do not', async () => {
        const { access, opaque, revoked, locked } = known.tokens;
        assert.equal(await isActive(known.api, access), true);
        assert.equal(await isActive(known.opaqueApi, opaque), true);
        assert.equal(await isActive(known.api, revoked), false);
        assert.equal(await isActive(known.api, locked), false);
      });

      test('is a refresh token that refreshes, and one whose reuse ends its family', async () => {
        const first = await refresh(known.tokens.refresh);
        assert.equal(first.status, 200, JSON.stringify(first.body));
        assert.equal(decodeJwt(String(first.body.access_token)).iss, known.issuer);
        assert.equal(await isActive(known.api, first.body.access_token), true);
        assert.equal((await refresh(first.body.refresh_token)).status, 200);
        assert.equal((await refresh(known.tokens.reused)).body.error, 'invalid_grant');
        assert.equal((await refresh(known.tokens.successor)).body.error, 'invalid_grant');
      });

      test('is a session that signs in, and consents, without a page', async () => {
        const sent = await authorized({
          ...known.request,
          ...{ response_type: 'code', prompt: 'none', nonce: 'n', state: 's' },
          ...{ code_challenge: 'x'.repeat(43), code_challenge_method: 'S256' },
        });
        assert.equal(sent.get('error'), null);
        assert.ok(sent.get('code'));
      });

      test('is a pushed request, and a code, that can be used once', async () => {
        const pushed = { client_id: known.web.id, request_uri: known.requestUri };
        assert.ok((await authorized(pushed)).get('code'));
        assert.equal((await authorized(pushed)).get('code'), null);
        const redeem = () => post('/token', known.web, redemption(known.code));
        const { status, body } = await redeem();
        assert.equal(status, 200, JSON.stringify(body));
        assert.equal((await redeem()).body.error, 'invalid_grant');
        assert.equal(
          (await post('/token', known.web, redemption(known.usedCode))).body.error,
          'invalid_grant',
        );
      });

      test('is clients that authenticate, a device that waits, and a token that registers another', async () => {
        const own = await post('/token', known.service, { grant_type: 'client_credentials', scope: 'read' });
        assert.equal(own.status, 200, JSON.stringify(own.body));
        const waiting = { grant_type: DEVICE_CODE_GRANT, device_code: known.deviceCode };
        const polled = await post('/token', null, { ...waiting, client_id: known.device });
        assert.equal(polled.body.error, 'authorization_pending');
        const registered = await fetch(`${origin}/register`, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${known.initialAccessToken}`,
            'content-type': 'application/json',
          },
          body: JSON.stringify({ redirect_uris: ['https://app.example.com/callback'] }),
        });
        assert.equal(registered.status, 201, await registered.text());
      });
    });
  }
}

/** The clock of Redis is not ours to move: clocks may be as far apart as the fixture is old. */
function livingBy(clock: 'this clock' | 'that of Redis', config: Config): Config {
  if (clock === 'this clock') return config;
  return { ...config, keys: { ...config.keys, clockSkewMax: days(20_000), rotateEvery: days(60_000) } };
}
