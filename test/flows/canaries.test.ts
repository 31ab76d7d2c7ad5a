import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '#src/clock.ts';
import { newIdentifier, systemRandom } from '#src/random.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';
import { signJwt } from '#src/signing/jws.ts';
import { publishedKeys, stateOf } from '#src/signing/key-ring.ts';
import { signerOf } from '#src/signing/key-view.ts';
import { ACCESS_TOKEN_TYPE } from '#src/tokens/access-token.ts';
import { CANARY_NOBODY, canaryClaims } from '#src/tokens/canary.ts';
import { revokeAccessToken } from '#src/tokens/standing.ts';
import { epochSeconds, minutes, seconds } from '#src/units.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';
import { TOKEN_EXCHANGE, TYPE } from '#test/support/token-exchange.ts';

const API = 'https://api.example.com';

describe('a canary', () => {
  let keyturn: Keyturn;
  let api: { resourceServer: ResourceServer; secret: string };
  let other: { resourceServer: ResourceServer; secret: string };
  let rehearsed: string;

  before(async () => {
    keyturn = await startKeyturnHere();
    api = await keyturn.addResourceServer({ identifier: API });
    other = await keyturn.addResourceServer({ identifier: 'https://other.example.com' });
    const until = epochSeconds(systemClock.now() + 600);
    rehearsed = (await keyturn.services.rotation.rehearse('ES256', until)).kid;
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const keys = () => publishedKeys(keyturn.services.rotation.held.ring, systemClock.now());
  const inUse = () => {
    const { ring } = keyturn.services.rotation.held;
    const active = keys().find(
      (key) => key.alg === 'ES256' && stateOf(ring, key, systemClock.now()) === 'active',
    );
    return active?.kid ?? assert.fail();
  };
  const signed = (kid: string, claims: object, typ: string = ACCESS_TOKEN_TYPE): Promise<string> => {
    const key = keys().find((each) => each.kid === kid) ?? assert.fail();
    return Promise.resolve(
      signJwt(signerOf(key, { outside: null, onSigning: null }), { typ }, claims as Record<string, unknown>),
    );
  };
  const claims = (lifetime = minutes(1)) =>
    canaryClaims(
      { issuer: keyturn.issuer, audience: API, jti: newIdentifier(systemRandom), lifetime },
      systemClock.now(),
    );
  const asked = async (token: string, { resourceServer, secret } = api) => {
    const credentials = Buffer.from(`${resourceServer.clientId}:${secret}`).toString('base64');
    const answer = await fetch(`${keyturn.issuer}/introspect`, {
      method: 'POST',
      headers: { authorization: `Basic ${credentials}` },
      body: new URLSearchParams({ token }),
    });
    return (await answer.json()) as Record<string, unknown>;
  };

  test('is active for the resource server that it is for, whichever key it is of, and says what it is', async () => {
    for (const kid of [rehearsed, inUse()]) {
      const said = claims();
      const { active, ...about } = await asked(await signed(kid, said));
      assert.equal(active, true);
      assert.deepEqual(about, {
        iss: keyturn.issuer,
        sub: CANARY_NOBODY,
        client_id: CANARY_NOBODY,
        aud: API,
        iat: said.iat,
        exp: said.exp,
        jti: said.jti,
        token_type: 'Bearer',
        keyturn_canary: true,
      });
    }
  });

  test('is not active for anyone else who asks', async () => {
    const token = await signed(rehearsed, claims());
    assert.deepEqual(await asked(token, other), { active: false });
    const { client, secret } = await keyturn.addClient({
      grantTypes: ['client_credentials'],
      redirectUris: [],
    });
    const service = await RelyingParty.discover(keyturn, { client, secret });
    assert.equal((await service.introspect(token)).active, false);
  });

  test('is not active once it has expired, was revoked, or its key was taken back', async () => {
    const kid = inUse();
    assert.deepEqual(await asked(await signed(kid, claims(seconds(0)))), { active: false });
    const said = claims();
    const token = await signed(kid, said);
    assert.equal((await asked(token)).active, true);
    await revokeAccessToken(keyturn.services.store.records, said);
    assert.deepEqual(await asked(token), { active: false });

    const until = epochSeconds(systemClock.now() + 600);
    const short = (await keyturn.services.rotation.rehearse('ES256', until)).kid;
    const left = await signed(short, claims());
    assert.equal((await asked(left)).active, true);
    await keyturn.services.rotation.withdraw(short);
    assert.deepEqual(await asked(left), { active: false });
  });

  test('is no token at userinfo, whatever it is addressed to', async () => {
    for (const kid of [rehearsed, inUse()]) {
      for (const aud of [API, keyturn.issuer, [API, keyturn.issuer]]) {
        const token = await signed(kid, { ...claims(), aud, scope: 'openid' });
        const answer = await fetch(`${keyturn.issuer}/userinfo`, {
          headers: { authorization: `Bearer ${token}` },
        });
        assert.equal(answer.status, 401);
        assert.match(answer.headers.get('www-authenticate') ?? '', /error="invalid_token"/);
        await answer.body?.cancel();
      }
    }
  });

  test('is exchanged for nothing, neither as who is meant nor as who acts (RFC 8693 section 2.2.2)', async () => {
    const { client, secret } = await keyturn.addClient({
      grantTypes: ['client_credentials', TOKEN_EXCHANGE],
      redirectUris: [],
      scope: 'read',
      tokenExchange: { from: [API], to: ['https://other.example.com'] },
    });
    const exchange = (fields: Record<string, string>) =>
      fetch(`${keyturn.issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`${client.clientId}:${secret}`).toString('base64')}` },
        body: new URLSearchParams({
          grant_type: TOKEN_EXCHANGE,
          subject_token_type: `${TYPE}access_token`,
          resource: 'https://other.example.com',
          ...fields,
        }),
      });
    const canary = { ...claims(), scope: 'read' };
    const { keyturn_canary: _, ...said } = canary;
    const ordinary = await signed(inUse(), { ...said, client_id: client.clientId, sub: client.clientId });
    const good = await exchange({ subject_token: ordinary });
    assert.equal(good.status, 200, await good.text());
    const actor_token_type = `${TYPE}access_token`;
    for (const kid of [inUse(), rehearsed]) {
      const token = await signed(kid, canary);
      for (const fields of [
        { subject_token: token },
        { subject_token: token, subject_token_type: `${TYPE}jwt` },
        { subject_token: ordinary, actor_token: token, actor_token_type },
      ]) {
        const answer = await exchange(fields);
        assert.equal(answer.status, 400);
        assert.equal(((await answer.json()) as { error: string }).error, 'invalid_request');
      }
    }
  });

  test('is the only kind of token that a key in a rehearsal makes: whatever else it signed counts for nothing', async () => {
    const { client } = await keyturn.addClient({
      grantTypes: ['client_credentials'],
      redirectUris: [],
      scope: 'read',
    });
    const { keyturn_canary: _, ...said } = claims();
    const token = { ...said, client_id: client.clientId, sub: client.clientId, scope: 'read' };
    assert.equal(
      (await asked(await signed(inUse(), token))).active,
      true,
      'such a token of the key in use is good',
    );
    assert.deepEqual(await asked(await signed(rehearsed, token)), { active: false });
  });

  test('of a key in a rehearsal is no hint of who is there, as no ID token is (OpenID Connect RP-Initiated Logout section 2)', async () => {
    const { account, password } = await keyturn.addAccount('ada');
    const { client, secret } = await keyturn.addClient();
    const web = await RelyingParty.discover(keyturn, { client, secret });
    const { id_token: genuine = '' } = await web.signIn(
      new Person(),
      { login: 'ada', password },
      { scope: 'openid' },
    );
    const status = async (hint: string) => {
      const answer = await fetch(`${keyturn.issuer}/logout?id_token_hint=${hint}`);
      await answer.body?.cancel();
      return answer.status;
    };
    assert.equal(await status(genuine), 200);
    const said = {
      iss: keyturn.issuer,
      sub: account.subject,
      aud: client.clientId,
      iat: systemClock.now(),
      exp: systemClock.now() + 60,
    };
    const key = keys().find((each) => each.kid === rehearsed) ?? assert.fail();
    const forged = await signJwt(
      signerOf(key, { outside: null, onSigning: null }),
      {} as { typ: string },
      said,
    );
    assert.equal(await status(forged), 400);
  });

  test('makes nobody a client or a person by its names', async () => {
    await assert.rejects(keyturn.addClient({ clientId: CANARY_NOBODY } as never), {
      code: 'invalid_client_metadata',
    });
    assert.equal(await keyturn.services.accounts.findBySubject(CANARY_NOBODY), null);
  });

  test('and nothing but it signs with a key in a rehearsal: tokens are of the key in use all the time', async () => {
    const { client, secret } = await keyturn.addClient({
      grantTypes: ['client_credentials'],
      redirectUris: [],
      scope: 'read',
    });
    const answer = await fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${client.clientId}:${secret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'read', resource: API }),
    });
    const { access_token: token = '' } = (await answer.json()) as { access_token?: string };
    const { kid } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as {
      kid: string;
    };
    assert.equal(kid, inUse());
  });
});
