import { file, headerName, httpsOrigin, proxyVerification } from '#src/config/certificate-format.ts';
import { choice, choices, duration, wholeNumber } from '#src/config/format.ts';
import { group, setting, unlessSet } from '#src/config/setting.ts';
import { minutes, seconds } from '#src/units.ts';

/** RFC 9449 section 4.2 wants asymmetric signatures; those that RFC 8725 section 3.2 would still recommend come first. */
const PROOF_ALGORITHMS = [
  'ES256',
  'ES384',
  'ES512',
  'PS256',
  'PS384',
  'PS512',
  'Ed25519',
  'EdDSA',
  'RS256',
  'RS384',
  'RS512',
] as const;

const atMost = (max: string) => duration({ min: '1s', max });

export const tls = group('TLS of its own', {
  certificate: unlessSet(
    file,
    "The server's certificate and its chain, in PEM; with it the server speaks HTTPS by itself, and reads the file anew when it changes.",
  ),
  key: unlessSet(file, 'The private key of that certificate, in PEM.'),
  clientCa: unlessSet(
    file,
    'The authorities whose client certificates are verified for `tls_client_auth`, in PEM; nobody else is ever trusted.',
  ),
  mtlsPort: unlessSet(
    wholeNumber({ min: 1, max: 65_535 }),
    'A second port, where alone clients are asked for certificates, so that no browser asks a person for one (RFC 8705 section 5).',
  ),
  reloadEvery: setting(atMost('1d'), seconds(30), 'How often those files are looked at for a change.'),
});

export const mutualTls = group('Client certificates', {
  from: setting(
    choice(['off', 'connection', 'header']),
    'off',
    'Where client certificates come from: the TLS connection, or a header in which a trusted proxy passes them on.',
  ),
  origin: unlessSet(
    httpsOrigin,
    'The origin at which clients are asked for certificates, if it is another than the issuer: published as `mtls_endpoint_aliases`. With `tls.mtlsPort` it is the host of the issuer with that port.',
  ),
  header: setting(headerName, 'Client-Cert', 'The header in which the proxy passes the certificate on.'),
  headerFormat: setting(
    choice(['rfc9440', 'pem', 'base64', 'xfcc']),
    'rfc9440',
    'How it does: as RFC 9440 says, URL-encoded PEM (nginx), base64 of the DER (Traefik, HAProxy), or `X-Forwarded-Client-Cert` (Envoy).',
  ),
  headerVerified: setting(
    proxyVerification,
    { kind: 'never' },
    'How the proxy says that it verified the certificate, without which there is no `tls_client_auth` behind it.',
  ),
});

export const dpop = group('DPoP', {
  algorithms: setting(
    choices(PROOF_ALGORITHMS),
    ['ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'Ed25519', 'EdDSA'],
    'The signature algorithms that a proof may use.',
  ),
  nonces: setting(
    choice(['off', 'offered', 'required']),
    'off',
    'Whether proofs carry a nonce of this server: not, if the client likes (a proof of a wrong clock is then told to), or always (RFC 9449 section 8).',
  ),
});

export const clientAuthentication = group('Client authentication', {
  assertionLifetimeMax: setting(
    atMost('1d'),
    minutes(10),
    "The longest that a client's assertion may still be good for.",
  ),
  assertionAudience: setting(
    choice(['issuer', 'endpoint']),
    'endpoint',
    'Which audience a client may write into its assertion: the issuer alone, as FAPI 2.0 wants, or as well the URL of the token endpoint or of the endpoint it calls.',
  ),
  attesters: unlessSet(
    file,
    'Whose attestations of client instances are believed: a JSON file that names each attester with its JWK Set. Without it there is no attestation-based client authentication.',
  ),
});
