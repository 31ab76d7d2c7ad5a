import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { load, problemsOf } from '#test/config/sources.ts';

const TLS = { KEYTURN_TLS_CERTIFICATE: 'tls/server.crt', KEYTURN_TLS_KEY: '/etc/tls/server.key' };
const CONNECTION = { ...TLS, KEYTURN_MUTUAL_TLS_FROM: 'connection' };
const HEADER = { KEYTURN_MUTUAL_TLS_FROM: 'header', KEYTURN_TRUST_PROXY: '10.0.0.0/8' };

describe('the settings of TLS and of client certificates', () => {
  test('fit together as they are meant to', () => {
    for (const env of [
      {},
      TLS,
      { ...CONNECTION, KEYTURN_TLS_CLIENT_CA: 'ca.pem', KEYTURN_TLS_MTLS_PORT: '3443' },
      { ...CONNECTION, KEYTURN_MUTUAL_TLS_ORIGIN: 'https://mtls.example.com' },
      { ...HEADER, KEYTURN_MUTUAL_TLS_HEADER_VERIFIED: 'X-SSL-Client-Verify: SUCCESS' },
    ]) {
      assert.deepEqual(problemsOf({ env }), [], JSON.stringify(env));
    }
  });

  test('have the server be https by default where it speaks TLS, and their paths absolute', () => {
    const { config } = load({ env: { ...TLS, KEYTURN_PORT: '8443' } });
    assert.equal(config.issuer, 'https://localhost:8443');
    assert.equal(config.tls.certificate, '/srv/tls/server.crt');
    assert.equal(config.tls.key, '/etc/tls/server.key');
    assert.equal(config.tls.clientCa, null);
    assert.equal(load({ env: { ...TLS, KEYTURN_PORT: '443' } }).config.issuer, 'https://localhost');
  });

  test('are refused where they do not, each with the setting that is to blame and the reason', () => {
    for (const [env, setting, words] of [
      [{ KEYTURN_TLS_CERTIFICATE: 'a' }, 'tls.certificate', /set together/],
      [{ KEYTURN_TLS_KEY: 'a', KEYTURN_ISSUER: 'http://localhost:3000' }, 'tls.key', /set together/],
      [{ ...TLS, KEYTURN_ISSUER: 'http://localhost:3000' }, 'issuer', /https URL/],
      [{ KEYTURN_MUTUAL_TLS_FROM: 'connection' }, 'mutualTls.from', /without TLS carries no certificate/],
      [{ KEYTURN_MUTUAL_TLS_FROM: 'header' }, 'mutualTls.from', /forged/],
      [{ ...HEADER, KEYTURN_TRUST_PROXY: '1' }, 'mutualTls.from', /forged/],
      [{ ...HEADER, KEYTURN_TLS_CLIENT_CA: 'ca.pem' }, 'tls.clientCa', /by itself/],
      [{ ...TLS, KEYTURN_TLS_MTLS_PORT: '3443' }, 'tls.mtlsPort', /nobody is asked/],
      [{ ...CONNECTION, KEYTURN_TLS_MTLS_PORT: '3000' }, 'tls.mtlsPort', /another port/],
      [{ KEYTURN_MUTUAL_TLS_ORIGIN: 'https://a.example' }, 'mutualTls.origin', /for nothing/],
      [
        { ...HEADER, KEYTURN_ISSUER: 'https://a.example', KEYTURN_MUTUAL_TLS_ORIGIN: 'https://a.example' },
        'mutualTls.origin',
        /not the endpoint itself/,
      ],
      [
        { ...CONNECTION, KEYTURN_MUTUAL_TLS_HEADER_VERIFIED: 'always' },
        'mutualTls.headerVerified',
        /clientCa/,
      ],
    ] as const) {
      const problems = problemsOf({ env });
      assert.deepEqual(
        problems.map((problem) => problem.setting),
        [setting],
        JSON.stringify(env),
      );
      assert.match(problems[0]?.message ?? '', words);
    }
  });

  test('name headers, origins and the word of the proxy in one way only', () => {
    const one = (name: string, value: string) => problemsOf({ env: { ...HEADER, [name]: value } }).length;
    for (const value of ['', 'X-SSL-Cert', 'client-cert'])
      assert.equal(one('KEYTURN_MUTUAL_TLS_HEADER', value), 0);
    for (const value of ['X SSL', 'a:', 'Cookie', 'authorization', 'X-Forwarded-For', 'é'])
      assert.equal(one('KEYTURN_MUTUAL_TLS_HEADER', value), 1, value);
    for (const value of ['never', 'always', 'X: 0', 'X:y'])
      assert.equal(one('KEYTURN_MUTUAL_TLS_HEADER_VERIFIED', value), 0, value);
    for (const value of ['SUCCESS', 'X-Verify', 'X-Verify:', ': a', 'x y: z'])
      assert.equal(one('KEYTURN_MUTUAL_TLS_HEADER_VERIFIED', value), 1, value);
    for (const value of ['http://a.example', 'https://a.example/', 'a.example', 'https://a.example/x'])
      assert.equal(one('KEYTURN_MUTUAL_TLS_ORIGIN', value), 1, value);
  });
});
