import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { setDefaultCACertificates } from 'node:tls';
import { decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose';
import * as oauth from 'openid-client';
import type { ClientRegistration } from '#src/clients/client.ts';
import {
  type CertificateWishes,
  type Certified,
  certify,
  certifyServer,
} from '#test/support/certificates.ts';
import { freePort } from '#test/support/free-port.ts';
import { CALLBACK, type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';
import { fetchOver } from '#test/support/tls-fetch.ts';

const HOUR_MS = 3_600_000;
/** As it stands in certificates, from the root on, and as RFC 4514 writes it, from the leaf on. */
const SUBJECT = 'C=DE, O="Example, Ltd", CN=Payments';
const SUBJECT_DN = 'CN=Payments,O=Example\\, Ltd,C=DE';

describe('mutual TLS at the server itself (RFC 8705)', () => {
  let directory: Awaited<ReturnType<typeof makeTemporaryDirectory>>;
  let keyturn: Keyturn;
  let serverCa: Certified;
  let clientCa: Certified;
  let mtls: string;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    directory = await makeTemporaryDirectory();
    serverCa = await certify({ subject: 'CN=Servers', authority: true });
    clientCa = await certify({ subject: 'CN=Clients', authority: true });
    const server = await certifyServer(serverCa);
    const file = (name: string) => `${directory.path}/${name}.pem`;
    await writeFile(file('server'), server.cert);
    await writeFile(file('key'), server.key);
    await writeFile(file('clients'), clientCa.cert);
    const mtlsPort = String(await freePort());
    mtls = `https://localhost:${mtlsPort}`;
    keyturn = await startKeyturnHere({
      KEYTURN_TLS_CERTIFICATE: file('server'),
      KEYTURN_TLS_KEY: file('key'),
      KEYTURN_TLS_CLIENT_CA: file('clients'),
      KEYTURN_TLS_MTLS_PORT: mtlsPort,
      KEYTURN_MUTUAL_TLS_FROM: 'connection',
    });
    setDefaultCACertificates([serverCa.cert]);
    await keyturn.addResourceServer();
    ada.password = (await keyturn.addAccount('ada')).password;
  });
  after(async () => {
    await stopFaultless(keyturn);
    await directory[Symbol.asyncDispose]();
  });

  const issued = (wishes: CertificateWishes = {}) =>
    certify({ subject: SUBJECT, issuer: clientCa, usage: 'client', ...wishes });
  const over = (shown: Certified | null) =>
    fetchOver({ ca: serverCa.cert, cert: shown?.cert, key: shown?.key });
  const addService = async (registration: Partial<ClientRegistration>) =>
    (
      await keyturn.addClient({
        grantTypes: ['client_credentials'],
        redirectUris: [],
        scope: 'read',
        ...registration,
      })
    ).client.clientId;
  const addBySubject = (metadata: ClientRegistration['metadata']) =>
    addService({ authenticationMethod: 'tls_client_auth', metadata });
  const addSelfSigned = (certified: Certified, registration: Partial<ClientRegistration> = {}) =>
    addService({
      authenticationMethod: 'self_signed_tls_client_auth',
      jwks: { keys: [certified.jwk] },
      ...registration,
    });
  const post = (path: string, shown: Certified | null, fields: Record<string, string>, origin = mtls) =>
    over(shown)(`${origin}${path}`, { method: 'POST', body: new URLSearchParams(fields) });
  const askForToken = (client_id: string, shown: Certified | null, origin = mtls) =>
    post('/token', shown, { grant_type: 'client_credentials', client_id }, origin);

  async function assertRefused(clientId: string, shown: Certified | null, why: string, origin = mtls) {
    const answer = await refusalOf(await askForToken(clientId, shown, origin));
    assert.deepEqual(answer, { status: 401, error: 'invalid_client' }, why);
  }

  /** A relying party on openid-client that shows a certificate and uses the aliases. */
  async function party(clientId: string, shown: Certified | null, authentication = oauth.TlsClientAuth()) {
    const execute = oauth.discovery(
      new URL(keyturn.issuer),
      clientId,
      { use_mtls_endpoint_aliases: true },
      authentication,
      { [oauth.customFetch]: over(shown) as oauth.CustomFetch },
    );
    return execute;
  }

  async function authorize(configuration: oauth.Configuration, parameters: Record<string, string> = {}) {
    const pkceCodeVerifier = oauth.randomPKCECodeVerifier();
    const url = oauth.buildAuthorizationUrl(configuration, {
      redirect_uri: CALLBACK,
      scope: 'openid',
      code_challenge: await oauth.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      ...parameters,
    });
    return { callback: await new Person().authorize(url, ada), checks: { pkceCodeVerifier } };
  }

  test('the metadata says so, and where clients are asked for certificates (RFC 8705 sections 2.1.1, 3.3 and 5)', async () => {
    const answer = await fetch(`${keyturn.issuer}/.well-known/oauth-authorization-server`);
    const document = (await answer.json()) as Record<string, unknown>;
    const { token_endpoint_auth_methods_supported: methods, ...rest } = document;
    for (const endpoint of ['token', 'introspection', 'revocation']) {
      const offered = document[`${endpoint}_endpoint_auth_methods_supported`] as string[];
      for (const method of ['tls_client_auth', 'self_signed_tls_client_auth'])
        assert.ok(offered.includes(method), `${endpoint} ${method}`);
    }
    assert.ok(!(methods as string[]).some((method) => method.startsWith('attest_')));
    assert.equal(rest.tls_client_certificate_bound_access_tokens, true);
    assert.deepEqual(rest.mtls_endpoint_aliases, {
      token_endpoint: `${mtls}/token`,
      revocation_endpoint: `${mtls}/revoke`,
      introspection_endpoint: `${mtls}/introspect`,
      pushed_authorization_request_endpoint: `${mtls}/par`,
      userinfo_endpoint: `${mtls}/userinfo`,
      ...('device_authorization_endpoint' in rest && {
        device_authorization_endpoint: String(rest.device_authorization_endpoint).replace(
          keyturn.issuer,
          mtls,
        ),
      }),
      ...('backchannel_authentication_endpoint' in rest && {
        backchannel_authentication_endpoint: String(rest.backchannel_authentication_endpoint).replace(
          keyturn.issuer,
          mtls,
        ),
      }),
    });
  });

  test('a certificate of a trusted authority is its client by its subject or an alternative name (RFC 8705 section 2.1.2)', async () => {
    const shown = await issued({
      alternatives: [
        { type: 'dns', value: 'client.example.com' },
        { type: 'url', value: 'https://client.example.com/a?b' },
        { type: 'ip', value: '2001:db8::1' },
        { type: 'ip', value: '192.0.2.7' },
        { type: 'email', value: 'ops@Example.com' },
      ],
    });
    for (const [metadata, other] of [
      [{ tls_client_auth_subject_dn: SUBJECT_DN }, 'C=DE,O=Example\\, Ltd,CN=Payments'],
      [{ tls_client_auth_san_dns: 'client.example.com' }, 'example.com'],
      [{ tls_client_auth_san_uri: 'https://client.example.com/a?b' }, 'https://client.example.com/a'],
      [{ tls_client_auth_san_ip: '2001:DB8:0:0::1' }, '2001:db8::2'],
      [{ tls_client_auth_san_ip: '192.0.2.7' }, '192.0.2.70'],
      [{ tls_client_auth_san_email: 'ops@example.com' }, 'OPS@example.com'],
    ] as const) {
      const clientId = await addBySubject(metadata);
      const answer = await askForToken(clientId, shown);
      assert.equal(answer.status, 200, JSON.stringify(metadata));
      const [name = ''] = Object.keys(metadata);
      await assertRefused(await addBySubject({ [name]: other }), shown, `${name} ${other}`);
    }
  });

  test('without a certificate, or with another, the client is refused (RFC 8705 section 2.1)', async () => {
    const clientId = await addBySubject({
      tls_client_auth_subject_dn: SUBJECT_DN,
    });
    assert.equal((await askForToken(clientId, await issued())).status, 200);
    const strangers = await certify({ subject: 'CN=Clients', authority: true });
    for (const [why, shown] of Object.entries({
      'none at all': null,
      'of another authority with the same name': await issued({ issuer: strangers }),
      'of an authority for servers alone': await issued({ issuer: serverCa }),
      'signed by itself': await certify({ subject: SUBJECT, usage: 'client' }),
      expired: await issued({ notAfter: new Date(Date.now() - HOUR_MS) }),
      'for servers': await issued({ usage: 'server' }),
      'of another subject': await issued({ subject: SUBJECT.replace('DE', 'FR') }),
      'of a subject with one part more': await issued({ subject: `${SUBJECT}, DC=example` }),
      'that names the subject elsewhere': await issued({
        subject: 'CN=Other',
        alternatives: [{ type: 'dns', value: 'Payments' }],
      }),
    })) {
      await assertRefused(clientId, shown, why);
    }
    await assertRefused(clientId, await issued(), 'at the port that asks for none', keyturn.issuer);
  });

  test('a certificate that it has registered is the client, whoever signed it (RFC 8705 section 2.2)', async () => {
    const own = await certify({ subject: 'CN=whoever', notAfter: new Date(Date.now() - HOUR_MS) });
    const clientId = await addSelfSigned(own);
    assert.equal((await askForToken(clientId, own)).status, 200);
    const sameKey = await certify({ subject: 'CN=whoever' });
    for (const [why, shown] of Object.entries({
      'none at all': null,
      'another of the same name': sameKey,
      'one of a trusted authority': await issued(),
    })) {
      await assertRefused(clientId, shown, why);
    }
  });

  test('a method is not changed by the client: a certificate is no secret and a secret no certificate', async () => {
    const shown = await issued();
    const { client, secret } = await keyturn.addClient({
      grantTypes: ['client_credentials'],
      redirectUris: [],
      scope: 'read',
    });
    await assertRefused(client.clientId, shown, 'of a client with a secret');
    const clientId = await addSelfSigned(shown);
    const answer = await post('/token', shown, {
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: secret,
    });
    assert.equal((await refusalOf(answer)).status, 401);
  });

  test('a token that is bound to a certificate says to which, and so does introspection (RFC 8705 sections 3.1 and 3.2)', async () => {
    const shown = await issued();
    const clientId = await addSelfSigned(shown, {
      metadata: { tls_client_certificate_bound_access_tokens: true },
    });
    const { access_token: token, token_type } = (await (await askForToken(clientId, shown)).json()) as {
      access_token: string;
      token_type: string;
    };
    assert.equal(token_type, 'Bearer');
    assert.deepEqual(decodeJwt(token).cnf, { 'x5t#S256': shown.thumbprint });
    const answer = await post('/introspect', shown, { client_id: clientId, token });
    const { active, cnf } = (await answer.json()) as Record<string, unknown>;
    assert.deepEqual({ active, cnf }, { active: true, cnf: { 'x5t#S256': shown.thumbprint } });
    const unbound = await addSelfSigned(shown);
    const { access_token: bearer } = (await (await askForToken(unbound, shown)).json()) as {
      access_token: string;
    };
    assert.equal(decodeJwt(bearer).cnf, undefined, 'authenticating by a certificate binds nothing by itself');
  });

  test('pushed requests, introspection and revocation take the certificate, and no other (RFC 8705 section 2)', async () => {
    const [shown, other] = [await issued(), await issued()];
    const clientId = await addSelfSigned(shown, {
      grantTypes: ['authorization_code', 'client_credentials'],
      redirectUris: [CALLBACK],
      scope: 'openid read',
    });
    const { access_token: token } = (await (await askForToken(clientId, shown)).json()) as {
      access_token: string;
    };
    const pushed = {
      client_id: clientId,
      response_type: 'code',
      redirect_uri: CALLBACK,
      scope: 'openid',
      code_challenge: await oauth.calculatePKCECodeChallenge(oauth.randomPKCECodeVerifier()),
      code_challenge_method: 'S256',
    };
    for (const [path, fields, status] of [
      ['/par', pushed, 201],
      ['/introspect', { client_id: clientId, token }, 200],
      ['/revoke', { client_id: clientId, token }, 200],
    ] as const) {
      for (const wrong of [other, null]) {
        const answer = await refusalOf(await post(path, wrong, fields));
        assert.deepEqual(answer, { status: 401, error: 'invalid_client' }, path);
      }
      assert.equal((await post(path, shown, fields)).status, status, path);
    }
  });

  test('a public client has its tokens bound as well: userinfo and refreshing want the certificate (RFC 8705 sections 3 and 4)', async () => {
    const [shown, other] = [await issued(), await issued()];
    const { client } = await keyturn.addClient({
      authenticationMethod: 'none',
      scope: 'openid',
      metadata: { tls_client_certificate_bound_access_tokens: true },
    });
    const bound = await party(client.clientId, shown, oauth.None());
    const { callback, checks } = await authorize(bound);
    const bare = await party(client.clientId, null, oauth.None());
    await assert.rejects(oauth.authorizationCodeGrant(bare, callback, checks), { error: 'invalid_grant' });
    const tokens = await oauth.authorizationCodeGrant(bound, callback, checks);
    assert.deepEqual(decodeJwt(tokens.access_token).cnf, { 'x5t#S256': shown.thumbprint });
    const sub = tokens.claims()?.sub ?? '';
    assert.equal((await oauth.fetchUserInfo(bound, tokens.access_token, sub)).sub, sub);
    for (const shows of [null, other]) {
      const answer = await over(shows)(`${mtls}/userinfo`, {
        headers: { authorization: `Bearer ${tokens.access_token}` },
      });
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Bearer .*error="invalid_token"/);
      assert.deepEqual(await refusalOf(answer), { status: 401, error: 'invalid_token' });
      const stranger = await party(client.clientId, shows, oauth.None());
      await assert.rejects(oauth.refreshTokenGrant(stranger, tokens.refresh_token ?? ''), {
        error: 'invalid_grant',
      });
    }
    const refreshed = await oauth.refreshTokenGrant(bound, tokens.refresh_token ?? '');
    assert.deepEqual(decodeJwt(refreshed.access_token).cnf, { 'x5t#S256': shown.thumbprint });
  });

  test('a client whose tokens are bound gets none without a certificate, however it authenticates (RFC 8705 section 3)', async () => {
    const { client, secret } = await keyturn.addClient({
      grantTypes: ['client_credentials'],
      redirectUris: [],
      scope: 'read',
      metadata: { tls_client_certificate_bound_access_tokens: true },
    });
    const fields = { grant_type: 'client_credentials', client_id: client.clientId, client_secret: secret };
    assert.deepEqual(await refusalOf(await post('/token', null, fields)), {
      status: 400,
      error: 'invalid_grant',
    });
    const shown = await certify({ subject: 'CN=anything' });
    const { access_token: token } = (await (await post('/token', shown, fields)).json()) as {
      access_token: string;
    };
    assert.deepEqual(decodeJwt(token).cnf, { 'x5t#S256': shown.thumbprint });
  });

  test('a proof of DPoP names the endpoint under the address that was called (RFC 9449 section 4.3)', async () => {
    const shown = await issued();
    const clientId = await addSelfSigned(shown, { metadata: { dpop_bound_access_tokens: true } });
    const configuration = await party(clientId, shown);
    const pair = await oauth.randomDPoPKeyPair();
    const DPoP = oauth.getDPoPHandle(configuration, pair);
    const tokens = await oauth.clientCredentialsGrant(configuration, undefined, { DPoP });
    assert.equal(tokens.token_type, 'dpop');
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const proof = await new SignJWT({ htm: 'POST', htu: `${keyturn.issuer}/token`, jti: crypto.randomUUID() })
      .setIssuedAt()
      .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk: await exportJWK(publicKey) })
      .sign(privateKey);
    const answer = await over(shown)(`${mtls}/token`, {
      method: 'POST',
      headers: { dpop: proof },
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId }),
    });
    assert.deepEqual(await refusalOf(answer), { status: 400, error: 'invalid_dpop_proof' });
  });
});
