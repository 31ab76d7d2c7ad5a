/** The ways in which proxies write a certificate into a header. */
export type CertificateHeaderFormat = 'rfc9440' | 'pem' | 'base64' | 'xfcc';

/** The DER of the one certificate that a header holds; `null` if it does not hold exactly that. */
export function readCertificateHeader(value: string, format: CertificateHeaderFormat): Buffer | null {
  switch (format) {
    case 'rfc9440':
      // A Byte Sequence of RFC 9651 section 3.3.5.
      return fromBase64(/^:(.*):$/.exec(value)?.[1]);
    case 'pem':
      return fromPem(unescaped(value));
    case 'base64':
      // Traefik appends the chain behind commas.
      return fromBase64(unescaped(value)?.split(',')[0]);
    case 'xfcc':
      return fromPem(unescaped(certificateOfElement(value)));
  }
}

function fromBase64(text: string | undefined): Buffer | null {
  if (text === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return null;
  return Buffer.from(text, 'base64');
}

function fromPem(text: string | undefined): Buffer | null {
  const inner = /^-----BEGIN CERTIFICATE-----\s([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/.exec(
    text ?? '',
  );
  return fromBase64(inner?.[1]?.replaceAll(/\s/g, ''));
}

/** Percent-decoded; plus signs are left alone, since they are letters of base64. */
function unescaped(text: string | undefined): string | undefined {
  try {
    return text === undefined ? undefined : decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** One pair of an element: a value without quotes has no separator in it. */
const PAIR = /([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^",;]*)/y;

/**
 * The certificate of the one element of `X-Forwarded-Client-Cert`. Several elements would mean that Envoy has appended
 * to what it was sent, and then an earlier one may be anybody's.
 */
function certificateOfElement(value: string): string | undefined {
  const certificates: string[] = [];
  for (let at = 0; at < value.length; at = PAIR.lastIndex + 1) {
    PAIR.lastIndex = at;
    const [, key = '', written = ''] = PAIR.exec(value) ?? [];
    if (key === '') return undefined;
    const separator = value[PAIR.lastIndex];
    if (separator !== undefined && separator !== ';') return undefined;
    if (key.toLowerCase() === 'cert') certificates.push(written.replace(/^"(.*)"$/s, '$1'));
  }
  return certificates.length === 1 ? certificates[0] : undefined;
}
