import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { exportJWK, generateKeyPair, type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose';
import { BackchannelClient } from '#test/support/backchannel-client.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { refusalOf } from '#test/support/refused.ts';

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;

describe('a signed authentication request (OpenID Connect CIBA Core section 7.1.1)', () => {
  let keyturn: Keyturn;
  let bank: BackchannelClient;
  let keys: KeyPair;

  before(async () => {
    keyturn = await startKeyturnHere({
      KEYTURN_BACKCHANNEL_ENABLED: 'true',
      KEYTURN_THROTTLE_BACKCHANNEL_WAITING: '100',
      KEYTURN_THROTTLE_BACKCHANNEL_ASKED: '1000',
    });
    await keyturn.addAccount('ada');
    keys = await generateKeyPair('ES256');
    bank = await BackchannelClient.register(keyturn, {
      jwks: { keys: [{ ...(await exportJWK(keys.publicKey)) }] },
      metadata: { backchannel_authentication_request_signing_alg: 'ES256' },
    });
  });
  after(() => keyturn[Symbol.asyncDispose]());

  async function signed(
    changes: JWTPayload = {},
    {
      header = {},
      key = keys.privateKey,
      beside = {},
    }: {
      header?: Partial<JWTHeaderParameters>;
      key?: KeyPair['privateKey'];
      beside?: Record<string, string>;
    } = {},
  ): Promise<Response> {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: bank.clientId,
      aud: keyturn.issuer,
      iat: now,
      nbf: now,
      exp: now + 60,
      jti: crypto.randomUUID(),
      scope: 'openid',
      login_hint: 'ada',
      ...changes,
    };
    const request = await new SignJWT(JSON.parse(JSON.stringify(claims)) as JWTPayload)
      .setProtectedHeader({ alg: 'ES256', ...header })
      .sign(key);
    return bank.ask({ request, ...beside });
  }

  const assertRefused = async (response: Response, what: string) =>
    assert.deepEqual(await refusalOf(response), { status: 400, error: 'invalid_request' }, what);

  test('is taken as if its claims had been parameters', async () => {
    const response = await signed({ binding_message: 'W4SCT', requested_expiry: 60 });
    const answer = (await response.json()) as { auth_req_id: string; expires_in: number };
    assert.equal(response.status, 200, JSON.stringify(answer));
    assert.ok([59, 60].includes(Number(answer.expires_in)), String(answer.expires_in));
    assert.equal(await bank.pollError(answer.auth_req_id), 'authorization_pending');
  });

  test('must have aud, iss, exp, iat, nbf and jti', async () => {
    for (const claim of ['aud', 'iss', 'exp', 'iat', 'nbf', 'jti'])
      await assertRefused(await signed({ [claim]: undefined }), claim);
  });

  test('is for this server, by this client, now, and signed with its registered key and algorithm', async () => {
    const now = Math.floor(Date.now() / 1000);
    await assertRefused(await signed({ aud: 'https://other.example.com' }), 'aud');
    await assertRefused(await signed({ iss: 'another' }), 'iss');
    await assertRefused(await signed({ exp: now - 60 }), 'exp');
    await assertRefused(await signed({ nbf: now + 300, exp: now + 600 }), 'nbf');
    const stranger = await generateKeyPair('ES256');
    await assertRefused(await signed({}, { key: stranger.privateKey }), 'key');
    const secret = new TextEncoder().encode(bank.secret) as never;
    await assertRefused(await signed({}, { header: { alg: 'HS256' }, key: secret }), 'alg');
  });

  test('is the only request that such a client can make, and says everything itself', async () => {
    await assertRefused(await bank.ask({ scope: 'openid', login_hint: 'ada' }), 'unsigned');
    const response = await signed({ login_hint: undefined }, { beside: { login_hint: 'ada' } });
    await assertRefused(response, 'a hint beside it does not count');
  });
});
