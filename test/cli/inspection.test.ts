import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { InactiveReason } from '#src/cli/inspection/finding.ts';
import { type Inspection, inspectToken } from '#src/cli/inspection/inspection.ts';
import { type Clock, systemClock } from '#src/clock.ts';
import { signJwt } from '#src/signing/jws.ts';
import { KeyHolder } from '#src/signing/key-holder.ts';
import { hours, after as later } from '#src/units.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty, type Tokens } from '#test/support/relying-party.ts';

const API = 'https://api.example.com';
const HANDLES = 'https://handles.example.com';
/** What there is to be asked for at each resource server. */
const SCOPES = { [API]: 'read', [HANDLES]: 'look' };

let keyturn: Keyturn;

before(async () => {
  keyturn = await startKeyturnHere();
  await keyturn.addResourceServer({ identifier: API, scope: ['read'] });
  await keyturn.addResourceServer({ identifier: HANDLES, scope: ['look'], tokenFormat: 'opaque' });
});

after(() => keyturn[Symbol.asyncDispose]());

let persons = 0;

/** A new client with a new person who has signed in to it. */
async function signedIn({ resource = API }: { resource?: typeof API | typeof HANDLES } = {}) {
  const scope = `openid offline_access ${SCOPES[resource]}`;
  persons += 1;
  const name = `person${persons}`;
  const registered = await keyturn.addClient({ scope });
  const app = await RelyingParty.discover(keyturn, registered);
  const { account, password } = await keyturn.addAccount(name);
  const tokens = await app.signIn(new Person(), { login: name, password }, { scope, resource });
  return {
    app,
    client: registered.client,
    account,
    tokens,
    access: tokens.access_token,
    refresh: refreshOf(tokens),
  };
}

const refreshOf = (tokens: Tokens): string => tokens.refresh_token ?? '';

const inspect = (token: string, clock: Clock = systemClock) => inspectToken(token, keyturn.services, clock);

/** How far a token came, in one line a check. */
const course = ({ checks }: Inspection) => checks.map(({ check, outcome }) => `${check} ${outcome}`);

async function assertFails(
  token: string,
  reason: InactiveReason,
  check: string,
  detail: RegExp,
  clock?: Clock,
) {
  const inspection = await inspect(token, clock);
  assert.equal(inspection.reason, reason);
  const failed = inspection.checks.filter(({ outcome }) => outcome === 'failed');
  assert.deepEqual(
    failed.map((each) => each.check),
    [check],
  );
  assert.match(failed[0]?.detail ?? '', detail);
  const behind = inspection.checks.slice(
    inspection.checks.findIndex(({ outcome }) => outcome === 'failed') + 1,
  );
  assert(behind.every(({ outcome, detail: told }) => outcome === 'not_reached' && told === null));
}

/** A JWT that this server might have signed. */
async function signed(claims: object, header = { typ: 'at+jwt' }): Promise<string> {
  const keys = new KeyHolder({
    rotation: keyturn.services.rotation,
    clock: systemClock,
    onFault: (fault) => assert.fail(String(fault)),
  });
  const now = systemClock.now();
  const { issuer: iss } = keyturn;
  const all = {
    iss,
    sub: 'a',
    aud: API,
    client_id: 'a',
    iat: now,
    exp: later(now, hours(1)),
    jti: 'a',
    ...claims,
  };
  return signJwt(keys.signer('ES256'), header, all);
}

describe('the inspection of a token', () => {
  test('tells what was checked of an active access token of a person', async () => {
    const { access, client, account } = await signedIn();
    const inspection = await inspect(access);
    assert.equal(inspection.reason, null);
    assert.equal(inspection.kind, 'access_token_of_person');
    assert.deepEqual([inspection.clientId, inspection.subject], [client.clientId, account.subject]);
    assert.equal(inspection.claims?.sub, account.subject);
    assert.deepEqual(
      course(inspection),
      ['format', 'signature', 'issuer', 'expiry', 'revocation', 'client', 'authorization', 'account'].map(
        (check) => `${check} passed`,
      ),
    );
  });

  test('tells what was checked of an active refresh token', async () => {
    const { refresh } = await signedIn();
    const inspection = await inspect(refresh);
    assert.equal(inspection.reason, null);
    assert.deepEqual(inspection.family, { generation: 1, currentGeneration: 1 });
    assert.deepEqual(
      course(inspection),
      ['format', 'signature', 'issuer', 'expiry', 'authorization', 'generation', 'client', 'account'].map(
        (check) => `${check} passed`,
      ),
    );
  });

  test('tells what is kept of an active opaque token, but not the token', async () => {
    const { access } = await signedIn({ resource: HANDLES });
    const inspection = await inspect(access);
    assert.equal(inspection.reason, null);
    assert.match(String(inspection.claims?.scope), /\blook\b/);
    assert.equal(JSON.stringify(inspection).includes(access), false);
    await assertFails(`${access}x`, 'not_found', 'record', /never was one of ours/);
  });

  test('finds what is wrong with a token before the store is asked', async () => {
    const { access, tokens } = await signedIn();
    await assertFails('a.b.c', 'malformed', 'format', /no JWT/);
    await assertFails(String(tokens.id_token), 'not_ours', 'format', /an ID token is for the client alone/);
    await assertFails(
      access.slice(0, -4) + (access.endsWith('AAAA') ? 'BBBB' : 'AAAA'),
      'bad_signature',
      'signature',
      /changed or forged/,
    );
    const foreign = Buffer.from('{"typ":"at+jwt","alg":"ES256","kid":"elsewhere"}').toString('base64url');
    await assertFails(
      access.replace(/^[^.]+/, foreign),
      'unknown_key',
      'signature',
      /no key of this server is called elsewhere/,
    );
    await assertFails(
      await signed({ iss: 'https://other.example' }),
      'not_ours',
      'issuer',
      /"https:\/\/other\.example" is not http/,
    );
    await assertFails(
      await signed({ exp: systemClock.now() - 60 }),
      'expired',
      'expiry',
      /^expired 1 minute ago/,
    );
    const tomorrow = { now: () => later(systemClock.now(), hours(24)) };
    await assertFails(access, 'expired', 'expiry', /^expired/, tomorrow);
  });

  test('finds a token that was revoked by itself', async () => {
    const { access, refresh, app } = await signedIn();
    await app.revoke(access);
    await assertFails(access, 'revoked', 'revocation', /the token has been revoked/);
    assert.equal((await inspect(refresh)).reason, null);
  });

  test('finds an authorization that has ended', async () => {
    const { access, refresh, app } = await signedIn();
    await app.revoke(refresh);
    await assertFails(access, 'authorization_ended', 'authorization', /has ended/);
    await assertFails(refresh, 'authorization_ended', 'authorization', /has ended/);
    const opaque = await signedIn({ resource: HANDLES });
    await opaque.app.revoke(opaque.refresh);
    await assertFails(opaque.access, 'not_found', 'record', /revoked/);
  });

  test('finds a client that was removed', async () => {
    for (const resource of [API, HANDLES] as const) {
      const { access, refresh, client } = await signedIn({ resource });
      await keyturn.services.clients.remove(client.clientId);
      await assertFails(access, 'client_removed', 'client', new RegExp(`no client ${client.clientId}`));
      await assertFails(refresh, 'client_removed', 'client', new RegExp(`no client ${client.clientId}`));
    }
  });

  test('finds an account that was locked or removed', async () => {
    for (const resource of [API, HANDLES] as const) {
      const { access, refresh, account } = await signedIn({ resource });
      await keyturn.services.accounts.lock(account.subject);
      await assertFails(access, 'account_unavailable', 'account', /^person\d+, locked$/);
      await assertFails(refresh, 'account_unavailable', 'account', /^person\d+, locked$/);
      await keyturn.services.accounts.unlock(account.subject);
      assert.equal((await inspect(access)).reason, null);
      await keyturn.services.accounts.remove(account.subject);
      assert.notEqual((await inspect(access)).reason, null, "what was the account's is gone with it");
    }
  });

  test('tells a refresh token that was just used from one that comes back, and ends no family', async () => {
    const { refresh: first, app } = await signedIn();
    const second = refreshOf(await app.refresh(first));
    await assertFails(first, 'superseded', 'generation', /the same successor once more/);
    const third = refreshOf(await app.refresh(second));
    await assertFails(first, 'reused', 'generation', /generation 1 was used long ago, 3 is current/);
    assert.equal((await inspect(third)).reason, null);
    assert.notEqual(refreshOf(await app.refresh(third)), third, 'the family stands');
  });

  test('finds a key that was revoked, and why', async () => {
    const { access } = await signedIn();
    const { header } = await inspect(access);
    await keyturn.services.rotation.revoke(String(header?.kid), 'found in a paste');
    await assertFails(access, 'key_revoked', 'signature', /was revoked .*: found in a paste/);
  });
});
