import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { Refusal } from '#src/fault.ts';
import { type Answer, FapiClient, type Odd } from '#test/support/fapi-client.ts';
import { CALLBACK, type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';

describe('a client of the FAPI 2.0 Security Profile', () => {
  let keyturn: Keyturn;
  let bank: FapiClient;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    bank = await FapiClient.register(keyturn);
  });
  after(() => stopFaultless(keyturn));

  const now = () => Math.floor(Date.now() / 1000);
  const refused = (answer: Answer, error: string, status = 400) =>
    assert.deepEqual([answer.status, answer.body.error], [status, error], JSON.stringify(answer.body));
  const code = (odd?: Odd, by = bank) => by.code(new Person(), ada, odd);

  test('pushes, is sent back with code, state and iss, and gets tokens that are bound to its key (section 5.3.2.2)', async () => {
    const pushed = await bank.push();
    assert.equal(pushed.status, 201);
    assert.ok(Number(pushed.body.expires_in) < 600);
    const callback = await new Person().authorize(bank.authorizationUrl(pushed), ada);
    assert.equal(callback.searchParams.get('state'), bank.state);
    assert.equal(callback.searchParams.get('iss'), keyturn.issuer);
    const { status, body } = await bank.redeem(callback.searchParams.get('code') ?? '');
    assert.equal(status, 200);
    assert.equal(body.token_type, 'DPoP');
    assert.ok((decodeJwt(String(body.access_token)).cnf as { jkt?: string }).jkt);
    assert.notEqual(decodeProtectedHeader(String(body.id_token)).alg, 'RS256');
    assert.equal(await bank.userinfo(body.access_token), 200);
  });

  for (const alg of ['ES256', 'Ed25519']) {
    test(`may sign with ${alg} (section 5.4.1)`, async () => {
      const other = await FapiClient.register(keyturn, {}, alg);
      assert.equal((await other.redeem(await code({}, other))).status, 200);
    });
  }

  test('is not served with a request that was not pushed (section 5.3.2.2)', async () => {
    const url = new URL(`${keyturn.issuer}/authorize`);
    for (const [name, value] of Object.entries(bank.request())) url.searchParams.set(name, String(value));
    const { leftTo, html } = await new Person().visit(url);
    assert.equal(leftTo?.searchParams.get('error') ?? /invalid_request/.exec(html)?.[0], 'invalid_request');
    assert.equal(leftTo?.searchParams.get('code') ?? null, null);
  });

  test('pushes no request without PKCE, with plain, without redirect URI, for another response type (section 5.3.2.2)', async () => {
    const wrong: Record<string, Record<string, unknown>> = {
      'no challenge': { code_challenge: undefined, code_challenge_method: undefined },
      plain: { code_challenge_method: 'plain' },
      'no redirect URI': { redirect_uri: undefined },
      'an unknown redirect URI': { redirect_uri: `${CALLBACK}/other` },
      'a request_uri': { request_uri: 'urn:ietf:params:oauth:request_uri:x' },
    };
    for (const [what, parameters] of Object.entries(wrong)) {
      const answer = await bank.push({ parameters });
      assert.equal(answer.status, 400, what);
    }
    for (const response_type of ['token', 'code id_token', 'code token', 'none']) {
      const answer = await bank.push({ parameters: { response_type } });
      assert.ok(
        ['unsupported_response_type', 'unauthorized_client', 'invalid_request'].includes(
          String(answer.body.error),
        ),
      );
    }
  });

  test('uses a request_uri once, and only its own (RFC 9126 section 4)', async () => {
    const stranger = await FapiClient.register(keyturn);
    const pushed = await bank.push();
    const abroad = await new Person().visit(stranger.authorizationUrl(pushed));
    assert.equal(abroad.leftTo?.searchParams.get('code') ?? null, null);
    const url = bank.authorizationUrl(pushed);
    const person = new Person();
    assert.ok((await person.authorize(url, ada)).searchParams.get('code'));
    const again = await person.visit(url);
    assert.equal(again.leftTo?.searchParams.get('code') ?? null, null);
  });

  test('redeems a code once, with its verifier, and no other client does (sections 5.3.2.2 and 6.2)', async () => {
    const first = await code();
    refused(await bank.redeem(first, { parameters: { code_verifier: 'x'.repeat(43) } }), 'invalid_grant');
    const stranger = await FapiClient.register(keyturn);
    refused(await stranger.redeem(await code()), 'invalid_grant');
    const used = await code();
    assert.equal((await bank.redeem(used)).status, 200);
    refused(await bank.redeem(used), 'invalid_grant');
  });

  test('has its code bound to the key that it pushed with (RFC 9449 section 10)', async () => {
    const url = `${keyturn.issuer}/par`;
    const stranger = await FapiClient.register(keyturn);
    const pushed = await bank.push({ proof: {} });
    assert.equal(pushed.status, 201, url);
    const callback = await new Person().authorize(bank.authorizationUrl(pushed), ada);
    const bound = callback.searchParams.get('code') ?? '';
    const byAnother = await fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      headers: { DPoP: await stranger.proof('POST', `${keyturn.issuer}/token`) },
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code: bound,
        redirect_uri: CALLBACK,
        code_verifier: bank.verifier,
        client_id: bank.client.clientId,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: await bank.assertion(),
      }),
    });
    assert.equal(((await byAnother.json()) as { error: string }).error, 'invalid_grant');
  });

  test('gets no token without a proof of its key (section 5.3.2.1)', async () => {
    refused(await bank.redeem(await code(), { proof: 'none' }), 'invalid_grant');
  });

  test('keeps its refresh token, which no rotation replaces (section 5.3.2.1)', async () => {
    const { body } = await bank.redeem(await code());
    for (let round = 0; round < 3; round += 1) {
      const refreshed = await bank.refresh(body.refresh_token);
      assert.equal(refreshed.status, 200, JSON.stringify(refreshed.body));
      assert.ok(
        refreshed.body.refresh_token === undefined || refreshed.body.refresh_token === body.refresh_token,
      );
      assert.equal(await bank.userinfo(refreshed.body.access_token), 200);
    }
  });

  test('names the issuer and nothing else as the audience of its assertions (section 5.3.2.1)', async () => {
    assert.equal((await bank.push({ assertion: { aud: keyturn.issuer } })).status, 201);
    for (const aud of [
      `${keyturn.issuer}/token`,
      `${keyturn.issuer}/par`,
      [keyturn.issuer],
      [keyturn.issuer, 'https://elsewhere.example.com'],
    ]) {
      const answer = await bank.push({ assertion: { aud } });
      refused(answer, 'invalid_client', 401);
    }
  });

  test('signs its assertions with PS256, ES256 or Ed25519 alone (section 5.4.1)', async () => {
    for (const alg of ['RS256', 'ES384', 'PS512']) {
      const other = await FapiClient.register(keyturn, {}, alg);
      refused(await other.push(), 'invalid_client', 401);
    }
  });

  test('may have a clock that is ten seconds ahead, and not one that is two minutes ahead (section 5.3.2.1)', async () => {
    const ahead = (seconds: number) => ({ iat: now() + seconds, nbf: now() + seconds, exp: now() + 300 });
    assert.equal((await bank.push({ assertion: ahead(8) })).status, 201);
    refused(await bank.push({ assertion: ahead(120) }), 'invalid_client', 401);
    const [first, second] = [await code(), await code()];
    assert.equal((await bank.redeem(first, { proof: { iat: now() + 8 } })).status, 200);
    refused(await bank.redeem(second, { proof: { iat: now() + 120 } }), 'invalid_dpop_proof');
  });

  test('signs its proofs with PS256, ES256 or Ed25519 alone (section 5.4.1)', async () => {
    for (const alg of ['ES384', 'ES512', 'PS512']) {
      const other = await FapiClient.register(keyturn, {}, 'PS256', alg);
      refused(await other.redeem(await code({}, other)), 'invalid_dpop_proof');
    }
    const third = await FapiClient.register(keyturn, {}, 'PS256', 'Ed25519');
    assert.equal((await third.redeem(await code({}, third))).status, 200);
  });

  test('presents each assertion once (RFC 7523 section 3)', async () => {
    const assertion = { jti: crypto.randomUUID() };
    assert.equal((await bank.push({ assertion })).status, 201);
    refused(await bank.push({ assertion }), 'invalid_client', 401);
  });

  test('is told when the person declines, with state and iss (RFC 9207 section 2)', async () => {
    const person = new Person();
    const page = await person.visit(bank.authorizationUrl(await bank.push()));
    const { leftTo } = await person.submit(page, '/cancel');
    assert.equal(leftTo?.searchParams.get('error'), 'access_denied');
    assert.equal(leftTo?.searchParams.get('state'), bank.state);
    assert.equal(leftTo?.searchParams.get('iss'), keyturn.issuer);
  });

  test('may leave state and nonce out', async () => {
    assert.match(await code({ parameters: { state: undefined } }), /^[\w-]+$/);
  });

  test('is refused when its server takes up the profile and it does not keep it', async () => {
    await using strict = await startKeyturnHere({ KEYTURN_PROFILE: 'fapi-2.0-security' });
    await assert.rejects(strict.addClient(), (problem) => {
      assert.ok(problem instanceof Refusal && problem.code === 'invalid_client_metadata');
      return /fapi-2\.0-security authenticates by private_key_jwt/.test(problem.message);
    });
  });
});
