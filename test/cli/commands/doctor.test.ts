import assert from 'node:assert/strict';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { systemClock } from '#src/clock.ts';
import { loadSettings } from '#src/config/load.ts';
import { systemRandom } from '#src/random.ts';
import { openServices } from '#src/services.ts';
import { keyRevocationEntry } from '#src/signing/rotation.ts';
import { after, hours } from '#src/units.ts';
import { type Document, makeCommands } from '#test/cli/in-process.ts';
import { startKeyturnHere } from '#test/support/keyturn.ts';
import { startRedisServer } from '#test/support/redis-server.ts';

const HTTPS = { KEYTURN_ISSUER: 'https://login.example.com' };
const CALLBACK = '--redirect-uri https://app.example.com/cb';

interface Examined {
  sound: boolean;
  findings: { subject: string; state: string; says: string; remedy?: string }[];
  clients: { client_name: string; held_to: string[]; keeps: string[]; broken: Document[] }[];
}

const examined = (text: string) => JSON.parse(text) as Examined;

describe('keyturn doctor', () => {
  test('finds a fresh server sound, and names what is for trying out only', async () => {
    await using keyturn = await makeCommands();
    const { code, stdout } = await keyturn.runJson('doctor');
    const { sound, findings } = examined(stdout);
    assert.equal(code, 0);
    assert.equal(sound, true);
    assert.deepEqual(
      findings.map(({ subject, state }) => [subject, state]),
      [
        ['store', 'well'],
        ['sqlite', 'well'],
        ['sqlite file', 'well'],
        ['sqlite disk', 'well'],
        ['servers', 'well'],
        ['kek', 'well'],
        ['keys ES256', 'well'],
        ['keys RS256', 'well'],
        ['issuer', 'notable'],
      ],
    );
    const text = await keyturn.run(['doctor']);
    assert.match(text.stdout, /! issuer +http:\/\/localhost:3000 is not https/);
    assert.match(text.stdout, /Everything is in place\./);
  });

  test('finds a revocation that was cut off, either way, and that revoking once more completes it', async () => {
    await using keyturn = await makeCommands(HTTPS);
    const keys = (await keyturn.runJson('keys list')).json<Document[]>();
    const [cutOff, revoked] = keys.filter(({ state }) => state === 'next').map(({ kid }) => String(kid));
    assert.ok(cutOff && revoked);
    assert.equal((await keyturn.runJson(`keys revoke ${revoked} --reason lost`)).code, 0);
    {
      await using opened = await openServices(loadSettings({ env: keyturn.env }).config, {
        clock: systemClock,
        random: systemRandom,
      });
      const { records } = opened.store;
      await records.revoke([keyRevocationEntry(cutOff)], after(systemClock.now(), hours(1)));
    }
    const { code, stdout } = await keyturn.runJson('doctor');
    assert.equal(code, 1);
    const ill = examined(stdout).findings.filter(({ state }) => state === 'ill');
    assert.deepEqual(
      ill.map(({ says }) => says),
      [`every token that ${cutOff} signs is inactive from birth: revoking it was cut off`],
    );
    assert.equal(ill[0]?.remedy, `run: keyturn keys revoke ${cutOff} --reason '…'`);
    assert.equal((await keyturn.runJson(`keys revoke ${cutOff} --reason lost`)).code, 0);
    assert.equal((await keyturn.runJson('doctor')).code, 0);
  });

  test('says who else may read the database of a server', async () => {
    await using keyturn = await makeCommands();
    (await keyturn.runJson('doctor')).json();
    await chmod(join(keyturn.path, 'data', 'keyturn.db'), 0o644);
    const { stdout } = await keyturn.run(['doctor']);
    assert.match(stdout, /! sqlite file +others than its owner may read or write the database\n +chmod 600 /);
  });

  test('says what the Redis of a server lacks, in the words in which the server refuses or warns at its start', async () => {
    await using redis = await startRedisServer({ config: ['appendfsync everysec'] });
    const KEYTURN_STORE = `redis://127.0.0.1:${redis.port}`;
    await using keyturn = await makeCommands({ KEYTURN_STORE });
    const { code, stdout } = await keyturn.runJson('doctor');
    assert.equal(code, 0);
    const [found = assert.fail()] = examined(stdout).findings.filter(
      ({ subject }) => subject === 'redis disk',
    );
    assert.equal(found.state, 'notable');
    assert.match(found.says, /a crash can lose the last two seconds \(appendfsync everysec\)/);
    await using serving = await startKeyturnHere({ KEYTURN_STORE, KEYTURN_REDIS_PREFIX: 'serving' });
    const warned = serving.logged.map((line) => JSON.parse(line) as Document);
    assert.ok(warned.some(({ msg, remedy }) => msg === found.says && remedy === found.remedy));

    await redis.cli('config', 'set', 'maxmemory-policy', 'allkeys-lru');
    const ill = await keyturn.run(['doctor']);
    assert.equal(ill.code, 1);
    assert.match(ill.stderr, /maxmemory-policy allkeys-lru[\s\S]*set maxmemory-policy noeviction/);
    await assert.rejects(startKeyturnHere({ KEYTURN_STORE }), /maxmemory-policy allkeys-lru/);
  });

  test('says which client keeps which profile, and what it lacks for one that is asked about', async () => {
    await using keyturn = await makeCommands(HTTPS);
    (await keyturn.runJson(`clients add --name Web ${CALLBACK}`)).json();
    const bank = '--auth-method private_key_jwt --jwks-uri https://app.example.com/jwks';
    (await keyturn.runJson(`clients add --name Bank ${CALLBACK} ${bank} --profile fapi-2.0-security`)).json();
    const { clients } = examined((await keyturn.runJson('doctor')).stdout);
    const kept = new Map(clients.map(({ client_name, held_to, keeps }) => [client_name, { held_to, keeps }]));
    assert.deepEqual(kept.get('Web'), { held_to: [], keeps: ['oauth-2.1', 'mcp'] });
    assert.deepEqual(kept.get('Bank'), {
      held_to: ['oauth-2.1', 'fapi-2.0-security'],
      keeps: ['oauth-2.1', 'mcp', 'fapi-2.0-security'],
    });
    const { stdout } = await keyturn.run(['doctor', '--profile', 'fapi-2.0-security']);
    assert.match(stdout, /Web \(.*\) keeps fapi-2\.0-security once it/);
    assert.match(
      stdout,
      /✗ pushes its authorization requests \(FAPI 2\.0 Security Profile section 5\.3\.2\.2\)/,
    );
  });

  test('finds a server ill whose clients do not keep the profile that it was given later', async () => {
    await using keyturn = await makeCommands(HTTPS);
    (await keyturn.runJson(`clients add --name Web ${CALLBACK}`)).json();
    const strict = await keyturn.runWithEnv(['doctor', '--json'], { KEYTURN_PROFILE: 'fapi-2.0-security' });
    assert.equal(strict.code, 1);
    const { sound, clients } = examined(strict.stdout);
    assert.equal(sound, false);
    assert.ok(clients[0]?.broken.some(({ rule }) => /authenticates by private_key_jwt/.test(String(rule))));
  });

  test('finds a server ill that cannot keep the FAPI 2.0 Security Profile, and says what to set', async () => {
    await using keyturn = await makeCommands({
      KEYTURN_PROFILE: 'fapi-2.0-security',
      KEYTURN_KEYS_ALGORITHMS: 'RS256',
      KEYTURN_LIFETIMES_AUTHORIZATION_CODE: '5m',
    });
    const { code, stdout } = await keyturn.runJson('doctor');
    assert.equal(code, 1);
    const ill = examined(stdout).findings.filter(({ state }) => state === 'ill');
    assert.deepEqual(
      ill.map(({ remedy }) => remedy),
      [
        'set issuer to an https address',
        'set lifetimes.authorizationCode to 60s or less',
        'add ES256 to keys.algorithms',
      ],
    );
  });
});
