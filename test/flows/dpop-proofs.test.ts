import assert from 'node:assert/strict';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { generateKeyPair, SignJWT } from 'jose';
import * as oauth from 'openid-client';
import { proofBy } from '#test/support/dpop-proof.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { allAtOnce, exchange, rawRequest } from '#test/support/raw-http.ts';
import { refusalOf } from '#test/support/refused.ts';

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;

describe('proofs of DPoP at the token endpoint (RFC 9449 section 4.3)', () => {
  let keyturn: Keyturn;
  /** The credentials of a client that acts for itself. */
  let service: string;

  before(async () => {
    keyturn = await startKeyturnHere();
    await keyturn.addResourceServer();
    const { client, secret } = await keyturn.addClient({
      grantTypes: ['client_credentials'],
      redirectUris: [],
      scope: 'read',
    });
    service = `Basic ${btoa(`${client.clientId}:${secret}`)}`;
  });
  afterEach(() => mock.timers.reset());
  after(() => stopFaultless(keyturn));

  const proof = (pair: KeyPair, claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
    proofBy(pair, { htm: 'POST', htu: `${keyturn.issuer}/token`, ...claims }, header);

  /** A proof as someone would make it who takes a secret for a key. */
  const symmetric = () =>
    new SignJWT({ htm: 'POST', htu: `${keyturn.issuer}/token`, jti: crypto.randomUUID() })
      .setIssuedAt()
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } as object })
      .sign(Buffer.alloc(32));

  const metadata = async () =>
    (await (await fetch(`${keyturn.issuer}/.well-known/oauth-authorization-server`)).json()) as Record<
      string,
      unknown
    >;

  /** Asks for a token of a client that acts for itself. */
  const askAsService = (dpop: string) =>
    fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      headers: { authorization: service, dpop },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });

  test('each algorithm that the metadata names is taken, and no other (RFC 9449 sections 4.3, 5.1 and 11.6)', async () => {
    const named = (await metadata()).dpop_signing_alg_values_supported as string[];
    assert.deepEqual(named, ['ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'Ed25519', 'EdDSA']);
    for (const alg of named) {
      const pair = await generateKeyPair(alg, { extractable: true });
      assert.equal((await askAsService(await proof(pair, {}, { alg }))).status, 200, alg);
    }
    const rsa = await generateKeyPair('RS256', { extractable: true });
    const head = Buffer.from(JSON.stringify({ typ: 'dpop+jwt', alg: 'none' })).toString('base64url');
    for (const [what, dpop] of Object.entries({
      RS256: await proof(rsa, {}, { alg: 'RS256' }),
      HS256: await symmetric(),
      none: `${head}.${(await proof(rsa, {}, { alg: 'RS256' })).split('.')[1]}.`,
    })) {
      assert.deepEqual(
        await refusalOf(await askAsService(dpop)),
        { status: 400, error: 'invalid_dpop_proof' },
        what,
      );
    }
  });

  test('the address in a proof is compared without its query and fragment, and normalised (RFC 9449 section 4.3)', async () => {
    const pair = await oauth.randomDPoPKeyPair('ES256', { extractable: true });
    const endpoint = `${keyturn.issuer}/token`;
    for (const htu of [`${endpoint}?a=b`, `${endpoint}#a`, endpoint.replace('http', 'HTTP')]) {
      assert.equal((await askAsService(await proof(pair, { htu }))).status, 200, htu);
    }
    for (const htu of [`${endpoint}/`, `${keyturn.issuer}//token`, '/token', keyturn.issuer, '', null]) {
      assert.equal(
        (await refusalOf(await askAsService(await proof(pair, { htu })))).error,
        'invalid_dpop_proof',
      );
    }
  });

  test('there is one proof to a request: a second header spoils it (RFC 9449 section 4.3)', async () => {
    const pair = await oauth.randomDPoPKeyPair('ES256', { extractable: true });
    const [one, other] = [await proof(pair), await proof(pair)];
    const body = 'grant_type=client_credentials';
    const request = rawRequest(
      'POST /token',
      { Authorization: service, 'Content-Type': 'application/x-www-form-urlencoded', DPoP: one },
      body,
    ).replace('\r\n\r\n', `\r\nDPoP: ${other}\r\n\r\n`);
    const [answer] = await exchange(keyturn.issuer, request);
    assert.equal(answer?.status, 400);
    assert.equal((JSON.parse(answer.body) as { error: string }).error, 'invalid_dpop_proof');
  });

  test('of fifty requests at once with one proof, one is served (RFC 9449 section 11.1)', async () => {
    const pair = await oauth.randomDPoPKeyPair('ES256', { extractable: true });
    const headers = {
      Authorization: service,
      'Content-Type': 'application/x-www-form-urlencoded',
      DPoP: await proof(pair),
    };
    const request = rawRequest('POST /token', headers, 'grant_type=client_credentials');
    const answers = await allAtOnce(keyturn.issuer, request, 50);
    assert.deepEqual(answers.map(({ status }) => status).toSorted(), [
      200,
      ...Array.from({ length: 49 }, () => 400),
    ]);
  });

  test('a proof that was dated ahead is not taken again when its time has come (RFC 9449 section 11.1)', async () => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const pair = await oauth.randomDPoPKeyPair('ES256', { extractable: true });
    const ahead = await proof(pair, { iat: Math.floor(Date.now() / 1000) + 290 });
    assert.equal((await askAsService(ahead)).status, 200);
    for (let minute = 1; minute <= 11; minute += 1) {
      mock.timers.tick(60_000);
      assert.equal((await askAsService(ahead)).status, 400, `after ${minute} minutes`);
    }
  });
});
