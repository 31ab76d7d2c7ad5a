import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { type Answer, FapiClient } from '#test/support/fapi-client.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';

type Says = Readonly<Record<string, unknown>>;

describe('a client of FAPI 2.0 Message Signing', () => {
  let keyturn: Keyturn;
  let bank: FapiClient;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    bank = await FapiClient.register(keyturn, { profile: 'fapi-2.0-message-signing' });
  });
  after(() => stopFaultless(keyturn));

  /** Pushes the request as a signed object, with some of it said otherwise. */
  async function push(claims: Says = {}, header: Says = {}, parameters: Says = {}): Promise<Answer> {
    const now = Math.floor(Date.now() / 1000);
    const request = await bank.sign(
      {
        ...bank.request(),
        response_mode: 'jwt',
        iss: bank.client.clientId,
        aud: keyturn.issuer,
        nbf: now,
        exp: now + 300,
        ...claims,
      },
      { typ: 'oauth-authz-req+jwt', ...header },
    );
    return bank.post('/par', { request, ...parameters }, { proof: 'none' });
  }

  const callback = async (pushed: Answer) => new Person().authorize(bank.authorizationUrl(pushed), ada);

  const answerOf = async (returned: URL) => {
    assert.deepEqual([...returned.searchParams.keys()], ['response']);
    const keys = createRemoteJWKSet(new URL(`${keyturn.issuer}/jwks`));
    const expected = {
      issuer: keyturn.issuer,
      audience: bank.client.clientId,
      algorithms: ['ES256', 'PS256'],
    };
    return (await jwtVerify(returned.searchParams.get('response') ?? '', keys, expected)).payload;
  };

  test('signs what it asks for, and is answered in a JWT that this server signed (sections 5.3.1 and 5.4.1)', async () => {
    const { code, state, iss } = await answerOf(await callback(await push()));
    assert.equal(state, bank.state);
    assert.equal(iss, keyturn.issuer);
    assert.equal((await bank.redeem(String(code))).status, 200);
  });

  test('is told in a signed answer too that the person declined (section 5.4.1)', async () => {
    const person = new Person();
    const page = await person.visit(bank.authorizationUrl(await push()));
    const { leftTo } = await person.submit(page, '/cancel');
    assert.equal((await answerOf(leftTo ?? assert.fail('the client was not told'))).error, 'access_denied');
  });

  test('pushes nothing that it has not signed (section 5.3.1)', async () => {
    const unsigned = await bank.push({ parameters: { response_mode: 'jwt' } });
    assert.equal(unsigned.status, 400);
    assert.equal(unsigned.body.error, 'invalid_request');
  });

  test('signs for this server, as itself, for an hour at most (section 5.3.1)', async () => {
    const now = Math.floor(Date.now() / 1000);
    const wrong: readonly [string, Says][] = [
      ['another audience', { aud: 'https://elsewhere.example.com' }],
      ['no audience', { aud: undefined }],
      ['another client', { iss: 'somebody-else' }],
      ['no exp', { exp: undefined }],
      ['no nbf', { nbf: undefined }],
      ['too long', { exp: now + 3700 }],
      ['too long ago', { nbf: now - 3700, exp: now + 10 }],
      ['over', { nbf: now - 600, exp: now - 300 }],
      ['not yet', { nbf: now + 300, exp: now + 600 }],
      ['without PKCE', { code_challenge: undefined, code_challenge_method: undefined }],
    ];
    for (const [what, claims] of wrong) {
      const { status, body } = await push(claims);
      assert.equal(status, 400, what);
      assert.match(String(body.error), /^invalid_request(_object)?$/, what);
    }
    const { status } = await push({}, { typ: 'at+jwt' });
    assert.equal(status, 400);
  });

  test('what it sends beside the signed request counts for nothing (RFC 9101 section 6.3)', async () => {
    const pushed = await push(
      {},
      {},
      { redirect_uri: 'https://evil.example.com/', scope: 'openid email', state: 'x' },
    );
    const { state, code } = await answerOf(await callback(pushed));
    assert.equal(state, bank.state);
    assert.equal((await bank.redeem(String(code))).body.scope, 'openid');
  });

  test('is not answered in the open (section 5.4.1)', async () => {
    const { status, body } = await push({ response_mode: 'query' });
    assert.deepEqual([status, body.error], [400, 'invalid_request']);
  });
});
