import assert from 'node:assert/strict';
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { makeKeyturnDirectory, startKeyturn } from '#test/support/running-server.ts';

/** What docs/deployment.md says and no other test holds. */
describe('docs/deployment.md', () => {
  test('a proxy that is trusted says whom it speaks for, and nobody else does', async () => {
    for (const [trustProxy, second] of [
      ['127.0.0.1,::1', 401],
      ['1', 401],
      ['off', 429],
      ['10.0.0.0/8', 429],
    ] as const) {
      await using keyturn = await startKeyturnHere({
        KEYTURN_TRUST_PROXY: trustProxy,
        KEYTURN_THROTTLE_SIGN_IN_FAILURES_PER_ACCOUNT: '1',
      });
      const web = await RelyingParty.discover(keyturn, await keyturn.addClient());
      const { url } = await web.request();
      const failFrom = async (address: string) => {
        const person = new Person();
        const page = await person.visit(url);
        const [, csrf = ''] = /name="csrf" value="([^"]+)"/.exec(page.html) ?? [];
        const { response } = await person.visit(`${page.url.href}/sign-in`, {
          method: 'POST',
          headers: { 'X-Forwarded-For': address },
          body: new URLSearchParams({ csrf, login: 'ada', password: 'guessed' }),
        });
        return response.status;
      };
      assert.equal(await failFrom('198.51.100.1'), 401, trustProxy);
      assert.equal(await failFrom('198.51.100.1'), 429, trustProxy);
      assert.equal(await failFrom('198.51.100.2'), second, trustProxy);
    }
  });

  test('the URLs that are sent out follow the issuer, whatever a proxy says', async () => {
    await using keyturn = await startKeyturn({ env: { KEYTURN_ISSUER: 'https://id.example.com' } });
    const address = `http://localhost:${keyturn.env.KEYTURN_PORT}/.well-known/openid-configuration`;
    const headers = { 'X-Forwarded-Host': 'evil.example.com', 'X-Forwarded-Proto': 'http' };
    const metadata = (await (await fetch(address, { headers })).json()) as Record<string, unknown>;
    assert.equal(metadata.token_endpoint, 'https://id.example.com/token');
  });

  test('the key-encryption key may be mounted as a file that the group can read, in place of the folder', async () => {
    await using directory = await makeKeyturnDirectory();
    const { path, env } = directory;
    const before = (await directory.cli(['keys', 'list', '--json'])).json();
    const line = await readFile(join(path, 'keys', 'first.kek'), 'utf8');
    const mounted = join(path, 'kek');
    await writeFile(mounted, line);
    await chmod(mounted, 0o440);
    await rm(join(path, 'keys'), { recursive: true });

    await using elsewhere = await makeKeyturnDirectory({
      env: { KEYTURN_STORE: env.KEYTURN_STORE ?? '', KEYTURN_KEK_FILE: mounted },
    });
    assert.deepEqual((await elsewhere.cli(['keys', 'list', '--json'])).json(), before);
  });
});
