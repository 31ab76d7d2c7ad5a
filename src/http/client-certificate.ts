import { X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { type CertificateHeaderFormat, readCertificateHeader } from '#src/http/certificate-header.ts';

/** Where the certificate of whoever sends a request is to be found. */
export type CertificateSource =
  | { readonly from: 'off' }
  | { readonly from: 'connection' }
  | {
      readonly from: 'header';
      readonly name: string;
      readonly format: CertificateHeaderFormat;
      readonly verified: HeaderVerification;
      /** Whether this neighbour may say such a thing. */
      readonly trusts: (peer: string) => boolean;
    };

/** How a proxy says that it has verified the certificate. */
export type HeaderVerification =
  | { readonly kind: 'never' }
  | { readonly kind: 'always' }
  | { readonly kind: 'header'; readonly name: string; readonly value: string };

/** The certificate whose private key the sender of a request holds, as the TLS handshake has shown. */
export interface ClientCertificate {
  readonly certificate: X509Certificate;
  /** Whether it was issued, for this purpose and at this time, by an authority that is trusted here. */
  readonly verified: boolean;
}

/**
 * The certificate of whoever sent the request; `null` if there is none, `'unreadable'` for a header that is not what
 * the settings say of it. Whatever anyone but a trusted proxy writes into the header is not looked at: RFC 9440
 * section 4.
 */
export function clientCertificateOf(
  request: IncomingMessage,
  source: CertificateSource,
): ClientCertificate | null | 'unreadable' {
  if (source.from === 'off') return null;
  if (source.from === 'connection') return certificateOfConnection(request);
  if (!source.trusts(request.socket.remoteAddress ?? '')) return null;
  const values = request.headersDistinct[source.name.toLowerCase()] ?? [];
  if (values.every((value) => value === '')) return null;
  // Two of them are one too many: the proxy has let the client's own through.
  const der = values.length === 1 ? readCertificateHeader(values.join(), source.format) : null;
  const certificate = der === null ? null : parse(der);
  if (certificate === null) return 'unreadable';
  return { certificate, verified: isVerified(request, source.verified) };
}

function certificateOfConnection({ socket }: IncomingMessage): ClientCertificate | null {
  if (!(socket instanceof TLSSocket)) return null;
  const certificate = socket.getPeerX509Certificate();
  return certificate === undefined ? null : { certificate, verified: socket.authorized };
}

function isVerified({ headersDistinct }: IncomingMessage, verification: HeaderVerification): boolean {
  if (verification.kind !== 'header') return verification.kind === 'always';
  const values = headersDistinct[verification.name.toLowerCase()] ?? [];
  return values.length === 1 && values[0] === verification.value;
}

function parse(der: Buffer): X509Certificate | null {
  try {
    return new X509Certificate(der);
  } catch {
    return null;
  }
}
