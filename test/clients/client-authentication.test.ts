import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import {
  authenticationMethodsOf,
  authenticationProblemsIn,
  CLIENT_AUTHENTICATION_METHODS,
  type ClientAuthenticationMethod,
} from '#src/clients/client-authentication.ts';
import type { ClientMetadata } from '#src/clients/client-metadata.ts';
import { PLAIN_METHODS } from '#test/clients/plain-methods.ts';
import { type Certified, certify } from '#test/support/certificates.ts';

const NONE = { certificates: false, verifiedCertificates: false, attestations: false };

describe('how clients authenticate', () => {
  let own: Certified;
  before(async () => {
    own = await certify({ subject: 'CN=own' });
  });

  const problems = (
    authenticationMethod: ClientAuthenticationMethod,
    metadata: ClientMetadata = {},
    keys: { jwks?: { keys: Record<string, unknown>[] }; jwksUri?: string } = {},
    offered: readonly ClientAuthenticationMethod[] = CLIENT_AUTHENTICATION_METHODS,
  ) => [
    ...authenticationProblemsIn(
      { authenticationMethod, metadata, jwks: keys.jwks ?? null, jwksUri: keys.jwksUri ?? null },
      offered,
    ),
  ];
  const found = (list: readonly string[], ...words: RegExp[]) => {
    assert.equal(list.length, words.length, list.join('\n'));
    for (const [index, each] of words.entries()) assert.match(list[index] ?? '', each);
  };

  test('is offered as far as the server has the means', () => {
    const plain = [
      'client_secret_basic',
      'client_secret_post',
      'client_secret_jwt',
      'private_key_jwt',
      'none',
    ];
    const attested = ['attest_jwt_client_auth', 'attest_jwt_client_auth_dpop'];
    const sorted = (means: Partial<typeof NONE>) => authenticationMethodsOf({ ...NONE, ...means }).toSorted();
    assert.deepEqual(sorted({}), plain.toSorted());
    assert.deepEqual(sorted({ certificates: true }), [...plain, 'self_signed_tls_client_auth'].toSorted());
    assert.deepEqual(
      sorted({ certificates: true, verifiedCertificates: true, attestations: true }),
      [...plain, ...attested, 'self_signed_tls_client_auth', 'tls_client_auth'].toSorted(),
    );
  });

  test('is by a method that the server offers, and so are the bounds of its tokens', () => {
    found(
      problems('tls_client_auth', { tls_client_auth_san_dns: 'a.example' }, {}, PLAIN_METHODS),
      /^authenticationMethod: .*does not offer tls_client_auth/,
    );
    found(
      problems('none', { tls_client_certificate_bound_access_tokens: true }, {}, PLAIN_METHODS),
      /needs a server that sees certificates/,
    );
    found(
      problems('none', { tls_client_certificate_bound_access_tokens: true, dpop_bound_access_tokens: true }),
      /not to both/,
    );
  });

  test('is by exactly one subject with tls_client_auth, and by none without (RFC 8705 section 2.1.2)', () => {
    found(problems('tls_client_auth', { tls_client_auth_subject_dn: 'CN=a' }));
    found(problems('tls_client_auth'), /exactly one of/);
    found(
      problems('tls_client_auth', { tls_client_auth_subject_dn: 'CN=a', tls_client_auth_san_dns: 'a' }),
      /exactly one of/,
    );
    found(problems('none', { tls_client_auth_san_dns: 'a' }), /are for tls_client_auth/);
    found(problems('tls_client_auth', { tls_client_auth_subject_dn: 'a' }), /RFC 4514/);
    found(problems('tls_client_auth', { tls_client_auth_san_ip: '192.0.2.300' }), /not an IP address/);
    found(problems('tls_client_auth', { tls_client_auth_san_uri: 'a' }), /not an absolute URI/);
  });

  test('is by a certificate of its own key with self_signed_tls_client_auth (RFC 8705 section 2.2, RFC 7517 section 4.7)', async () => {
    const other = await certify({ subject: 'CN=other' });
    const { x5c, ...bare } = own.jwk;
    const method = 'self_signed_tls_client_auth';
    found(problems(method, {}, { jwks: { keys: [own.jwk] } }));
    found(problems(method, {}, { jwks: { keys: [own.jwk, bare] } }));
    found(problems(method, {}, { jwksUri: 'https://a.example/jwks' }));
    found(problems(method), /needs the public keys/);
    found(problems(method, {}, { jwks: { keys: [bare] } }), /a key with its certificate in x5c/);
    for (const wrong of [
      { ...bare, x5c: other.jwk.x5c },
      { ...bare, x5c: [] },
      { ...bare, x5c: ['x'] },
    ]) {
      found(problems(method, {}, { jwks: { keys: [wrong] } }), /certificate of another key/);
    }
  });

  test('is with an algorithm that fits the method (OpenID Connect Dynamic Client Registration section 2)', () => {
    const keys = { jwksUri: 'https://a.example/jwks' };
    const signing = (alg: string) => ({ token_endpoint_auth_signing_alg: alg });
    found(problems('private_key_jwt', signing('ES256'), keys));
    found(problems('client_secret_jwt', signing('HS256')));
    found(problems('private_key_jwt', signing('HS256'), keys), /is not one for private_key_jwt/);
    found(problems('client_secret_jwt', signing('ES256')), /is not one for client_secret_jwt/);
    found(problems('client_secret_basic', signing('ES256')), /signs no assertion/);
  });
});
