import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt, generateKeyPair } from 'jose';
import type { ClientRegistration } from '#src/clients/client.ts';
import { type Certified, certify } from '#test/support/certificates.ts';
import { proofBy } from '#test/support/dpop-proof.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { refusalOf } from '#test/support/refused.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';
import { fetchOver } from '#test/support/tls-fetch.ts';

const PROXY = '127.0.0.2';
const STRANGER = '127.0.0.3';
const ORIGIN = 'https://mtls.example.com';

describe('client certificates behind a proxy that passes them on (RFC 9440, RFC 8705 section 6.5)', () => {
  const running: Keyturn[] = [];
  let certified: Certified;
  before(async () => {
    certified = await certify({
      subject: 'C=DE, CN=Payments',
      alternatives: [{ type: 'dns', value: 'pay.example' }],
    });
  });
  after(async () => {
    for (const keyturn of running) {
      await stopFaultless(keyturn);
    }
  });

  async function start(settings: Record<string, string> = {}): Promise<Keyturn> {
    const keyturn = await startKeyturnHere({
      KEYTURN_TRUST_PROXY: `${PROXY}/32`,
      KEYTURN_MUTUAL_TLS_FROM: 'header',
      ...settings,
    });
    running.push(keyturn);
    await keyturn.addResourceServer();
    return keyturn;
  }

  const addService = async (keyturn: Keyturn, registration: Partial<ClientRegistration>) =>
    (
      await keyturn.addClient({
        grantTypes: ['client_credentials'],
        redirectUris: [],
        scope: 'read',
        ...registration,
      })
    ).client.clientId;
  const addSelfSigned = (keyturn: Keyturn, metadata: ClientRegistration['metadata'] = {}) =>
    addService(keyturn, {
      authenticationMethod: 'self_signed_tls_client_auth',
      jwks: { keys: [certified.jwk] },
      metadata,
    });
  const addBySubject = (keyturn: Keyturn) =>
    addService(keyturn, {
      authenticationMethod: 'tls_client_auth',
      metadata: { tls_client_auth_subject_dn: 'CN=Payments,C=DE' },
    });

  /** Asks for a token as the neighbour at that address, with those headers, each of them once or more often. */
  const ask = (keyturn: Keyturn, clientId: string, headers: [string, string][], from = PROXY) =>
    fetchOver({ localAddress: from })(`${keyturn.issuer}/token`, {
      method: 'POST',
      headers,
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId }),
    });

  const base64 = () => certified.x509.raw.toString('base64');
  const rfc9440 = (): [string, string] => ['Client-Cert', `:${base64()}:`];
  const REFUSED = { status: 401, error: 'invalid_client' };

  test('the certificate that a trusted proxy names is the client, in each of the forms that proxies use', async () => {
    const escaped = encodeURIComponent(certified.cert);
    const oneLine = certified.cert.replaceAll('\n', '%0A').replaceAll(' ', '%20');
    for (const [format, header, values] of [
      ['rfc9440', 'Client-Cert', [`:${base64()}:`]],
      ['pem', 'X-SSL-Client-Cert', [escaped, oneLine]],
      [
        'base64',
        'X-Forwarded-Tls-Client-Cert',
        [base64(), encodeURIComponent(base64()), `${base64()},${base64()}`],
      ],
      [
        'xfcc',
        'X-Forwarded-Client-Cert',
        [`Hash=${'0'.repeat(64)};Cert="${escaped}";Subject="CN=Payments,C=DE;x";URI=`, `Cert=${escaped}`],
      ],
    ] as const) {
      const keyturn = await start({
        KEYTURN_MUTUAL_TLS_HEADER: header,
        KEYTURN_MUTUAL_TLS_HEADER_FORMAT: format,
      });
      const clientId = await addSelfSigned(keyturn, { tls_client_certificate_bound_access_tokens: true });
      for (const value of values) {
        const answer = await ask(keyturn, clientId, [[header, value]]);
        assert.equal(answer.status, 200, `${format} ${value}`);
        const { access_token: token } = (await answer.json()) as { access_token: string };
        assert.deepEqual(decodeJwt(token).cnf, { 'x5t#S256': certified.thumbprint });
      }
      assert.deepEqual(await refusalOf(await ask(keyturn, clientId, [])), REFUSED);
      assert.deepEqual(
        await refusalOf(await ask(keyturn, clientId, [[header, '']])),
        REFUSED,
        'an empty one',
      );
    }
  });

  test('from anyone else the header is not looked at (RFC 9440 section 4)', async () => {
    const keyturn = await start();
    const clientId = await addSelfSigned(keyturn);
    for (const from of [STRANGER, '127.0.0.1']) {
      const claims: [string, string][] = [
        rfc9440(),
        ['X-Forwarded-For', PROXY],
        ['Forwarded', `for=${PROXY}`],
      ];
      assert.deepEqual(await refusalOf(await ask(keyturn, clientId, claims, from)), REFUSED, from);
    }
    assert.equal((await ask(keyturn, clientId, [rfc9440()])).status, 200);
  });

  test('a header under another name, or one beside the real one, is of no use (RFC 9440 section 4)', async () => {
    const keyturn = await start();
    const clientId = await addSelfSigned(keyturn);
    for (const name of ['Client_Cert', 'X-Client-Cert', 'X-SSL-Client-Cert', 'X-Forwarded-Client-Cert']) {
      const [, value] = rfc9440();
      assert.deepEqual(await refusalOf(await ask(keyturn, clientId, [[name, value]])), REFUSED, name);
    }
    const another = await certify({ subject: 'CN=Another' });
    const theirs: [string, string] = ['Client-Cert', `:${another.x509.raw.toString('base64')}:`];
    for (const both of [
      [rfc9440(), theirs],
      [theirs, rfc9440()],
      [rfc9440(), rfc9440()],
    ]) {
      assert.deepEqual(await refusalOf(await ask(keyturn, clientId, both)), {
        status: 400,
        error: 'invalid_request',
      });
    }
  });

  test('what is no certificate is refused, and never a fault', async () => {
    for (const [format, values] of Object.entries({
      rfc9440: [base64(), `:${base64()}`, `:${base64()}:;a`, '::', ':AAAA:', ':!:', `"${base64()}"`],
      pem: [
        encodeURIComponent(certified.cert.slice(0, 60)),
        '%',
        '%FF',
        encodeURIComponent(certified.cert + certified.cert),
        'x',
      ],
      base64: ['AAAA', ',', `x,${base64()}`, '%'],
      xfcc: [
        'Hash=00',
        `Cert="${encodeURIComponent(certified.cert)}",Cert="${encodeURIComponent(certified.cert)}"`,
        `Cert=;Cert="${encodeURIComponent(certified.cert)}"`,
        'Cert="',
        ';',
        '=',
      ],
    })) {
      const keyturn = await start({ KEYTURN_MUTUAL_TLS_HEADER_FORMAT: format });
      const clientId = await addSelfSigned(keyturn);
      for (const value of values) {
        const answer = await refusalOf(await ask(keyturn, clientId, [['Client-Cert', value]]));
        assert.deepEqual(answer, { status: 400, error: 'invalid_request' }, `${format} ${value}`);
      }
    }
  });

  test('who signed it is what the proxy says, where the settings say how (RFC 8705 section 2.1)', async () => {
    const verdict = 'X-SSL-Client-Verify';
    const keyturn = await start({ KEYTURN_MUTUAL_TLS_HEADER_VERIFIED: `${verdict}: SUCCESS` });
    const clientId = await addBySubject(keyturn);
    assert.equal((await ask(keyturn, clientId, [rfc9440(), [verdict, 'SUCCESS']])).status, 200);
    for (const said of [
      [],
      [[verdict, '']],
      [[verdict, 'FAILED:self signed certificate']],
      [[verdict, 'success']],
      [
        [verdict, 'SUCCESS'],
        [verdict, 'NONE'],
      ],
    ] as [string, string][][]) {
      assert.deepEqual(
        await refusalOf(await ask(keyturn, clientId, [rfc9440(), ...said])),
        REFUSED,
        String(said),
      );
    }
    const bare: [string, string][] = [[verdict, 'SUCCESS']];
    assert.deepEqual(await refusalOf(await ask(keyturn, clientId, bare)), REFUSED, 'without a certificate');
    const strict = await start({ KEYTURN_MUTUAL_TLS_HEADER_VERIFIED: 'always' });
    assert.equal((await ask(strict, await addBySubject(strict), [rfc9440()])).status, 200);
  });

  test('a proxy that verifies nothing leaves tls_client_auth off, in the metadata and at registration', async () => {
    const keyturn = await start();
    const answer = await fetch(`${keyturn.issuer}/.well-known/openid-configuration`);
    const document = (await answer.json()) as Record<string, unknown>;
    const methods = document.token_endpoint_auth_methods_supported as string[];
    assert.ok(methods.includes('self_signed_tls_client_auth') && !methods.includes('tls_client_auth'));
    assert.equal(document.mtls_endpoint_aliases, undefined);
    await assert.rejects(addBySubject(keyturn), /does not offer tls_client_auth/);
  });

  test('the second origin of the proxy is published, and its name is the one that was called (RFC 8705 section 5)', async () => {
    const keyturn = await start({ KEYTURN_MUTUAL_TLS_ORIGIN: ORIGIN });
    const answer = await fetch(`${keyturn.issuer}/.well-known/openid-configuration`);
    const document = (await answer.json()) as { mtls_endpoint_aliases: Record<string, string> };
    assert.equal(document.mtls_endpoint_aliases.token_endpoint, `${ORIGIN}/token`);
    const clientId = await addSelfSigned(keyturn);
    const pair = await generateKeyPair('ES256', { extractable: true });
    for (const [host, origin, status] of [
      ['mtls.example.com', ORIGIN, 200],
      ['mtls.example.com', keyturn.issuer, 400],
      ['elsewhere.example', 'https://elsewhere.example', 400],
      ['elsewhere.example', keyturn.issuer, 200],
    ] as const) {
      const dpop = await proofBy(pair, { htm: 'POST', htu: `${origin}/token` });
      const answer = await ask(keyturn, clientId, [rfc9440(), ['Host', host], ['DPoP', dpop]]);
      assert.equal(answer.status, status, `${host} ${origin}`);
    }
  });

  test('a client that is registered for certificates is refused once the server sees none, and gets nothing unbound', async () => {
    await using directory = await makeTemporaryDirectory();
    const store = {
      KEYTURN_STORE: `sqlite:${directory.path}/keyturn.db`,
      KEYTURN_KEYS_DIR: `${directory.path}/keys`,
    };
    const before = await startKeyturnHere({
      ...store,
      KEYTURN_MUTUAL_TLS_FROM: 'header',
      KEYTURN_TRUST_PROXY: `${PROXY}/32`,
    });
    await before.addResourceServer();
    const clientId = await addSelfSigned(before);
    const bound = await before.addClient({
      grantTypes: ['client_credentials'],
      redirectUris: [],
      scope: 'read',
      metadata: { tls_client_certificate_bound_access_tokens: true },
    });
    await before[Symbol.asyncDispose]();
    await using afterwards = await startKeyturnHere(store);
    assert.equal((await refusalOf(await ask(afterwards, clientId, [rfc9440()]))).error, 'invalid_client');
    const authorization = `Basic ${btoa(`${bound.client.clientId}:${bound.secret}`)}`;
    const answer = await ask(afterwards, bound.client.clientId, [['Authorization', authorization]]);
    assert.equal((await refusalOf(answer)).error, 'invalid_client');
  });

  test('without mutual TLS nothing of it is on', async () => {
    const keyturn = await startKeyturnHere();
    running.push(keyturn);
    const answer = await fetch(`${keyturn.issuer}/.well-known/openid-configuration`);
    const document = (await answer.json()) as Record<string, unknown>;
    const methods = document.token_endpoint_auth_methods_supported as string[];
    assert.ok(!methods.some((method) => method.includes('tls')));
    assert.equal(document.tls_client_certificate_bound_access_tokens, undefined);
    assert.equal(document.mtls_endpoint_aliases, undefined);
    await assert.rejects(addSelfSigned(keyturn), /does not offer self_signed_tls_client_auth/);
  });
});
