import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Person } from '#test/support/person.ts';
import type { AuthorizationRequest, RelyingParty } from '#test/support/relying-party.ts';
import { startKeyturn } from '#test/support/running-server.ts';
import { addWebClient } from '#test/support/web-client.ts';

const PASSWORD = 'the quick brown fox of tests';
const ADA = { login: 'ada', password: PASSWORD };
const ROUNDS = 3;

/** What the server has answered with success, and must therefore still know after it was killed. */
interface Acknowledged {
  readonly consumed: { callback: URL; checks: AuthorizationRequest['checks'] }[];
  readonly revoked: string[];
  /** The newest refresh token of each family, with those that it has taken the place of. */
  readonly families: { current: string; superseded: string[] }[];
  readonly accounts: string[];
}

test('what was acknowledged survives kill -9 under load: codes used, tokens revoked, families advanced, accounts made', async () => {
  await using keyturn = await startKeyturn({
    env: { KEYTURN_PASSWORDS_ARGON2_MEMORY_KIB: '7168', KEYTURN_PASSWORDS_ARGON2_ITERATIONS: '5' },
  });
  const addAccount = async (username: string) =>
    keyturn.cli(['accounts', 'add', '--username', username, '--password-stdin', '--json'], {
      stdin: PASSWORD,
    });
  (await addAccount('ada')).json();
  const web = await addWebClient(keyturn);

  const acknowledged: Acknowledged = { consumed: [], revoked: [], families: [], accounts: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    const enough = round * 40 + 40;
    const count = () => acknowledged.consumed.length + acknowledged.revoked.length;
    let killed = false;
    const workers = Array.from({ length: 6 }, (_, index) => work(web, acknowledged, index, () => killed));
    const accounts = (async () => {
      for (let n = 0; !killed; n += 1) {
        const username = `person-${round}-${n}`;
        if ((await addAccount(username)).code === 0) acknowledged.accounts.push(username);
      }
    })();
    while (count() < enough) await Promise.race([...workers, new Promise(setImmediate)]);
    killed = true;
    await keyturn.kill();
    await Promise.allSettled([...workers, accounts]);
    await keyturn.restart();
  }

  assert.ok(
    acknowledged.accounts.length > 0 && acknowledged.families.length > 0 && acknowledged.revoked.length > 0,
  );
  for (const token of acknowledged.revoked) assert.equal((await web.introspect(token)).active, false);
  for (const { current, superseded } of acknowledged.families) {
    for (const token of superseded) assert.equal((await web.introspect(token)).active, false);
    assert.ok((await web.refresh(current)).refresh_token);
  }
  for (const { callback, checks } of acknowledged.consumed) {
    await assert.rejects(web.redeem(callback, checks), { error: 'invalid_grant' });
  }
  for (const login of acknowledged.accounts) {
    const { url } = await web.request();
    const callback = await new Person().authorize(url, { login, password: PASSWORD });
    assert.ok(callback.searchParams.has('code'), login);
  }
});

/** Signs in, refreshes, and revokes every other time, until the server is gone; notes what was answered with success. */
async function work(
  web: RelyingParty,
  acknowledged: Acknowledged,
  index: number,
  stopped: () => boolean,
): Promise<void> {
  const person = new Person();
  for (let n = index; !stopped(); n += 1) {
    try {
      const { url, checks } = await web.request({ scope: 'openid offline_access', prompt: 'consent' });
      const callback = await person.authorize(url, ADA);
      const tokens = await web.redeem(callback, checks);
      acknowledged.consumed.push({ callback, checks });
      const first = tokens.refresh_token ?? '';
      const second = (await web.refresh(first)).refresh_token ?? '';
      if (n % 2 === 0) {
        await web.revoke(second);
        acknowledged.revoked.push(first, second, tokens.access_token);
      } else {
        acknowledged.families.push({ current: second, superseded: [first] });
      }
    } catch (problem) {
      if (!stopped()) throw problem;
    }
  }
}
