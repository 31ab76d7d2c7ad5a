import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StorageFault } from '#src/fault.ts';
import { startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { startRedisServer } from '#test/support/redis-server.ts';
import { RelyingParty, type Tokens } from '#test/support/relying-party.ts';
import { until } from '#test/support/until.ts';

/**
 * A replica that is away has to confirm every write. What was asked for has been done then, as anybody can read, and yet
 * a failover could still lose it: so nobody is told that it is done, however often they ask.
 */
test('what no replica has confirmed is not acknowledged to whoever asks once more either', async () => {
  await using primary = await startRedisServer();
  await using replica = await startRedisServer({ config: [`replicaof 127.0.0.1 ${primary.port}`] });
  await until('a replica', async () => (await primary.cli('info', 'replication')).includes('state=online'));
  await using keyturn = await startKeyturnHere({
    KEYTURN_STORE: `redis://127.0.0.1:${primary.port}`,
    KEYTURN_REDIS_WAIT_REPLICAS: '1',
    KEYTURN_LIFETIMES_REFRESH_GRACE: '4m',
  });
  const { accounts, sessions } = keyturn.services;
  const added = await keyturn.addClient();
  const web = await RelyingParty.discover(keyturn, added);
  const authorization = `Basic ${btoa(`${added.client.clientId}:${added.secret}`)}`;
  const post = (path: string, fields: Record<string, string>) =>
    fetch(keyturn.issuer + path, {
      method: 'POST',
      headers: { authorization },
      body: new URLSearchParams(fields),
    });
  const refresh = ({ refresh_token: token = '' }: Tokens) =>
    post('/token', { grant_type: 'refresh_token', refresh_token: token });
  const revoke = (token = '') => post('/revoke', { token });
  const signIn = async (login: string, { password }: { password: string }) =>
    web.signIn(new Person(), { login, password });
  const ada = await keyturn.addAccount('ada');
  const [refreshed, revoked, partly] = [
    await signIn('ada', ada),
    await signIn('ada', ada),
    await signIn('ada', ada),
  ];
  const grace = await keyturn.addAccount('grace');
  await signIn('grace', grace);
  const { subject } = grace.account;
  const asked: Readonly<Record<string, () => Promise<unknown>>> = {
    'a refresh': () => refresh(refreshed),
    'the revocation of a refresh token': () => revoke(revoked.refresh_token),
    'the revocation of an access token': () => revoke(partly.access_token),
    'the end of all sessions': () => sessions.endAllOf(subject),
    'the lock of an account': () => accounts.lock(subject),
  };

  const isActive = async (token = '') => (await web.introspect(token)).active;

  replica.pause();
  for (const time of ['first', 'second']) {
    const asking = Object.entries(asked).map(async ([what, ask]) =>
      assert.ok(await isUnanswered(ask), `${what}, the ${time} time`),
    );
    await Promise.all(asking);
  }
  replica.resume();

  for (const [what, ask] of Object.entries(asked))
    await until(`an acknowledgement of ${what}`, async () => !(await isUnanswered(ask)));
  assert.equal((await refresh(refreshed)).status, 200);
  for (const token of [revoked.refresh_token, revoked.access_token, partly.access_token])
    assert.equal(await isActive(token), false);
  assert.equal(await isActive(partly.refresh_token), true);
  assert.equal((await accounts.findBySubject(subject))?.state, 'locked');
});

/** True if nobody was told what became of it: by 503, or a fault of the store. */
async function isUnanswered(ask: () => Promise<unknown>): Promise<boolean> {
  try {
    return ((await ask()) as { status?: number } | undefined)?.status === 503;
  } catch (error) {
    if (error instanceof StorageFault) return true;
    throw error;
  }
}
