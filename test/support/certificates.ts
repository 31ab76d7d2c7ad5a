import { type webcrypto, X509Certificate } from 'node:crypto';
import type * as x509 from '@peculiar/x509';

/** A certificate with its private key, both in PEM. */
export interface Certified {
  readonly cert: string;
  readonly key: string;
  readonly x509: X509Certificate;
  /** The public key with the certificate in it: RFC 7517 section 4.7. */
  readonly jwk: Record<string, unknown>;
  /** RFC 8705 section 3.1. */
  readonly thumbprint: string;
  readonly keys: webcrypto.CryptoKeyPair;
}

export interface CertificateWishes {
  readonly subject?: string | x509.JsonNameParams;
  readonly alternatives?: x509.JsonGeneralNames;
  /** Whose signature it carries; its own if left out. */
  readonly issuer?: Certified;
  readonly authority?: boolean;
  readonly usage?: 'client' | 'server';
  readonly notAfter?: Date;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const HOUR_MS = 3_600_000;

/** Makes a certificate of X.509, as an authority or a client itself does. */
export async function certify(wishes: CertificateWishes): Promise<Certified> {
  const library = await load();
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const { issuer } = wishes;
  const subject = new library.Name(wishes.subject ?? 'CN=client');
  const usage = { client: library.ExtendedKeyUsage.clientAuth, server: library.ExtendedKeyUsage.serverAuth };
  const made = await library.X509CertificateGenerator.create({
    serialNumber: Buffer.from(crypto.getRandomValues(new Uint8Array(8)).map((byte) => byte & 0x7f)).toString(
      'hex',
    ),
    subject,
    issuer: issuer === undefined ? subject : new library.X509Certificate(issuer.cert).subject,
    notBefore: new Date(Date.now() - 48 * HOUR_MS),
    notAfter: wishes.notAfter ?? new Date(Date.now() + 24 * HOUR_MS),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    extensions: [
      ...(wishes.authority === true ? [new library.BasicConstraintsExtension(true, undefined, true)] : []),
      ...(wishes.usage === undefined ? [] : [new library.ExtendedKeyUsageExtension([usage[wishes.usage]])]),
      ...(wishes.alternatives === undefined
        ? []
        : [new library.SubjectAlternativeNameExtension(wishes.alternatives)]),
    ],
  });
  const certificate = new X509Certificate(Buffer.from(made.rawData));
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', keys.publicKey);
  const digest = await crypto.subtle.digest('SHA-256', certificate.raw);
  return {
    cert: certificate.toString(),
    key: library.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
    x509: certificate,
    jwk: { kty, crv, x, y, x5c: [certificate.raw.toString('base64')] },
    thumbprint: Buffer.from(digest).toString('base64url'),
    keys,
  };
}

/** The certificate of a server on this machine, by that authority. */
export function certifyServer(issuer: Certified): Promise<Certified> {
  const alternatives = [
    { type: 'dns', value: 'localhost' },
    { type: 'ip', value: '127.0.0.1' },
  ] as const;
  return certify({ subject: 'CN=localhost', issuer, usage: 'server', alternatives: [...alternatives] });
}

/** The library wants a part of the decorator metadata proposal, which Node does not have. */
async function load(): Promise<typeof x509> {
  if (!('getMetadata' in Reflect)) {
    const metadata = new WeakMap<object, Map<unknown, unknown>>();
    const get = (key: unknown, target: object) => metadata.get(target)?.get(key);
    Object.assign(Reflect, {
      getMetadata: get,
      getOwnMetadata: get,
      defineMetadata: (key: unknown, value: unknown, target: object) => {
        metadata.set(target, (metadata.get(target) ?? new Map()).set(key, value));
      },
    });
  }
  const library = await import('@peculiar/x509');
  library.cryptoProvider.set(crypto);
  return library;
}
