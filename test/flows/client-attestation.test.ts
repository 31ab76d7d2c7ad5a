import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as oauth from 'openid-client';
import { CALLBACK, type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { allAtOnce, rawRequest } from '#test/support/raw-http.ts';
import { refusalOf } from '#test/support/refused.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;

const ATTESTER = 'https://attester.example';
const now = () => Math.floor(Date.now() / 1000);

describe('clients whose instances are attested (draft-ietf-oauth-attestation-based-client-auth)', () => {
  let directory: Awaited<ReturnType<typeof makeTemporaryDirectory>>;
  let keyturn: Keyturn;
  let attester: KeyPair;
  let instance: KeyPair;
  let clientId: string;
  const ada = { login: 'ada', password: '' };

  const newKeys = () => generateKeyPair('ES256', { extractable: true });
  before(async () => {
    directory = await makeTemporaryDirectory();
    attester = await newKeys();
    instance = await newKeys();
    const other = await exportJWK((await newKeys()).publicKey);
    const file = `${directory.path}/attesters.json`;
    const attesters = {
      [ATTESTER]: { keys: [{ ...(await exportJWK(attester.publicKey)), kid: 'one' }] },
      'https://other.example': { keys: [{ ...other, kid: 'two' }] },
    };
    await writeFile(file, JSON.stringify(attesters));
    keyturn = await startKeyturnHere({ KEYTURN_CLIENT_AUTHENTICATION_ATTESTERS: file });
    ada.password = (await keyturn.addAccount('ada')).password;
    await keyturn.addResourceServer();
    clientId = await addClient();
  });
  afterEach(() => mock.timers.reset());
  after(async () => {
    await stopFaultless(keyturn);
    await directory[Symbol.asyncDispose]();
  });

  const addClient = async (authenticationMethod = 'attest_jwt_client_auth') =>
    (
      await keyturn.addClient({
        authenticationMethod: authenticationMethod as 'none',
        grantTypes: ['authorization_code', 'refresh_token', 'client_credentials'],
        scope: 'openid read',
      })
    ).client.clientId;

  interface Changes {
    readonly claims?: Record<string, unknown>;
    readonly header?: Record<string, unknown>;
    readonly key?: KeyPair;
  }

  const sign = async (typ: string, key: KeyPair, claims: object, header: object = {}) =>
    new SignJWT(JSON.parse(JSON.stringify(claims)))
      .setProtectedHeader({ alg: 'ES256', typ, ...header })
      .sign(key.privateKey);

  const attestation = async ({ claims, header, key = attester }: Changes = {}) =>
    sign(
      'oauth-client-attestation+jwt',
      key,
      {
        iss: ATTESTER,
        sub: clientId,
        iat: now(),
        exp: now() + 3_600,
        cnf: { jwk: await exportJWK(instance.publicKey) },
        ...claims,
      },
      { kid: 'one', ...header },
    );

  const possession = async ({ claims, header, key = instance }: Changes = {}) =>
    sign(
      'oauth-client-attestation-pop+jwt',
      key,
      { aud: keyturn.issuer, jti: crypto.randomUUID(), iat: now(), challenge: await challenge(), ...claims },
      header,
    );

  async function challenge(): Promise<string> {
    const answer = await fetch(`${keyturn.issuer}/challenge`, { method: 'POST' });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('cache-control') ?? '', /no-store/);
    return ((await answer.json()) as { attestation_challenge: string }).attestation_challenge;
  }

  const headersOf = async (attested?: Changes, proven?: Changes) => ({
    'OAuth-Client-Attestation': await attestation(attested),
    'OAuth-Client-Attestation-PoP': await possession(proven),
  });

  const ask = (headers: Record<string, string>, fields: Record<string, string> = {}) =>
    fetch(`${keyturn.issuer}/token`, {
      method: 'POST',
      headers,
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'read', ...fields }),
    });

  test('are off unless attesters are named, and the metadata says what is on (section 10)', async () => {
    const document = async (issuer: string) =>
      (await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json()) as Record<
        string,
        unknown
      >;
    const on = await document(keyturn.issuer);
    const methods = on.token_endpoint_auth_methods_supported as string[];
    assert.ok(methods.includes('attest_jwt_client_auth') && methods.includes('attest_jwt_client_auth_dpop'));
    assert.equal(on.challenge_endpoint, `${keyturn.issuer}/challenge`);
    assert.ok((on.client_attestation_signing_alg_values_supported as string[]).includes('ES256'));
    await using plain = await startKeyturnHere();
    const off = await document(plain.issuer);
    assert.equal(off.challenge_endpoint, undefined);
    assert.ok(
      !(off.token_endpoint_auth_methods_supported as string[]).some((each) => each.startsWith('attest')),
    );
    assert.equal((await fetch(`${plain.issuer}/challenge`, { method: 'POST' })).status, 404);
    await assert.rejects(
      plain.addClient({ authenticationMethod: 'attest_jwt_client_auth' }),
      /does not offer attest_jwt_client_auth/,
    );
  });

  test('are served with an attestation and the proof of its key, once (sections 5 and 8)', async () => {
    assert.equal((await ask(await headersOf())).status, 200);
    assert.equal((await ask(await headersOf(), { client_id: clientId })).status, 200);
    const nameless = await headersOf({ claims: { iss: undefined } });
    assert.equal((await ask(nameless)).status, 200, 'an attester need not say who it is');
    const headers = await headersOf();
    const answers = await allAtOnce(
      keyturn.issuer,
      rawRequest(
        'POST /token',
        { ...headers, 'Content-Type': 'application/x-www-form-urlencoded' },
        'grant_type=client_credentials&scope=read',
      ),
      50,
    );
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    assert.equal((await refusalOf(await ask(headers))).error, 'invalid_client', 'a proof that was used');
  });

  test('are refused with one that is wrong in any way, and never by a fault (section 8)', async () => {
    const stranger = await newKeys();
    const secret = await exportJWK(instance.privateKey);
    const other = await addClient();
    for (const [what, headers] of Object.entries({
      'an attester whom nobody named': await headersOf({ key: stranger }),
      'an attester who is another': await headersOf({ claims: { iss: 'https://other.example' } }),
      'an unknown attester': await headersOf({ claims: { iss: 'https://evil.example' } }),
      'an unknown key': await headersOf({ header: { kid: 'three' } }),
      'the key of another attester': await headersOf({ header: { kid: 'two' } }),
      'no key named where there are two': await headersOf({
        header: { kid: undefined },
        claims: { iss: undefined },
      }),
      expired: await headersOf({ claims: { exp: now() - 120 } }),
      'without an end': await headersOf({ claims: { exp: undefined } }),
      'without an instance key': await headersOf({ claims: { cnf: undefined } }),
      'with a private key': await headersOf({ claims: { cnf: { jwk: secret } } }),
      'of another type': await headersOf({ header: { typ: 'JWT' } }),
      'of another client': await headersOf({ claims: { sub: 'nobody' } }),
      'a proof by another key': await headersOf({}, { key: stranger }),
      'a proof of another type': await headersOf({}, { header: { typ: 'JWT' } }),
      'a proof for another server': await headersOf({}, { claims: { aud: 'https://other.example' } }),
      'a proof for several': await headersOf({}, { claims: { aud: [keyturn.issuer] } }),
      'a proof without an identifier': await headersOf({}, { claims: { jti: undefined } }),
      'the attestation alone': { 'OAuth-Client-Attestation': await attestation() },
      'two attestations': {
        ...(await headersOf()),
        'OAuth-Client-Attestation': `${await attestation()}, ${await attestation()}`,
      },
      nonsense: { 'OAuth-Client-Attestation': 'x', 'OAuth-Client-Attestation-PoP': 'x' },
    })) {
      const { status, error } = await refusalOf(await ask(headers));
      assert.ok(
        (status === 401 && error === 'invalid_client') || (status === 400 && error === 'invalid_request'),
        `${what} ${status} ${error}`,
      );
    }
    const swapped = await headersOf({ claims: { sub: other } });
    assert.equal((await refusalOf(await ask(swapped, { client_id: clientId }))).status, 400, 'two clients');
    const bare = await refusalOf(await ask({}, { client_id: clientId }));
    assert.deepEqual(bare, { status: 401, error: 'invalid_client' }, 'without any');
    const secretToo = await ask({ ...(await headersOf()), authorization: `Basic ${btoa(`${clientId}:x`)}` });
    assert.equal((await refusalOf(secretToo)).status, 400, 'two mechanisms');
  });

  test('are given a challenge of this server, which ends (section 8)', async () => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    const fresh = await challenge();
    for (const claims of [{ challenge: undefined }, { challenge: 'x' }, { challenge: 7 }]) {
      const answer = await ask(await headersOf({}, { claims }));
      assert.ok(answer.headers.get('oauth-client-attestation-challenge'));
      assert.equal((await refusalOf(answer)).error, 'use_attestation_challenge');
    }
    assert.equal((await ask(await headersOf({}, { claims: { challenge: fresh } }))).status, 200);
    mock.timers.tick(10 * 60_000);
    const late = await ask(await headersOf({}, { claims: { challenge: fresh } }));
    assert.equal((await refusalOf(late)).error, 'use_attestation_challenge');
  });

  test('hold refresh tokens that are bound to the instance (section 13)', async () => {
    const verifier = oauth.randomPKCECodeVerifier();
    const url = new URL(
      `${keyturn.issuer}/authorize?${new URLSearchParams({
        client_id: clientId,
        response_type: 'code',
        redirect_uri: CALLBACK,
        scope: 'openid',
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      })}`,
    );
    const callback = await new Person().authorize(url, ada);
    const granted = await ask(await headersOf(), {
      grant_type: 'authorization_code',
      scope: 'openid',
      code: callback.searchParams.get('code') ?? '',
      redirect_uri: CALLBACK,
      code_verifier: verifier,
    });
    assert.equal(granted.status, 200);
    const { refresh_token } = (await granted.json()) as { refresh_token: string };
    const another = await newKeys();
    const refresh = async (key: KeyPair) =>
      ask(await headersOf({ claims: { cnf: { jwk: await exportJWK(key.publicKey) } } }, { key }), {
        grant_type: 'refresh_token',
        scope: 'openid',
        refresh_token,
      });
    assert.equal((await refusalOf(await refresh(another))).error, 'invalid_grant');
    assert.equal((await refresh(instance)).status, 200);
  });

  test('may prove the key by DPoP instead, with a nonce of this server', async () => {
    const combined = await addClient('attest_jwt_client_auth_dpop');
    const jwk = await exportJWK(instance.publicKey);
    const send = async (claims: object) =>
      ask({
        'OAuth-Client-Attestation': await attestation({ claims: { sub: combined } }),
        DPoP: await sign(
          'dpop+jwt',
          instance,
          { htm: 'POST', htu: `${keyturn.issuer}/token`, jti: crypto.randomUUID(), iat: now(), ...claims },
          { jwk },
        ),
      });
    const refused = await send({});
    const nonce = refused.headers.get('dpop-nonce');
    assert.equal((await refusalOf(refused)).error, 'use_dpop_nonce');
    const granted = await send({ nonce });
    assert.equal(granted.status, 200);
    const { access_token: token } = (await granted.json()) as { access_token: string };
    const { cnf } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
      cnf: unknown;
    };
    assert.deepEqual(cnf, { jkt: await calculateJwkThumbprint(jwk) });
  });
});
