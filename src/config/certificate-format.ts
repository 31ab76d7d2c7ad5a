import { type Format, textFormat } from '#src/config/format.ts';

/** A header by which a proxy says that it has verified a client's certificate, or how else that is known. */
export type ProxyVerification =
  /** Nobody knows: no certificate counts as verified. */
  | { readonly kind: 'never' }
  /** The proxy passes on verified certificates only. */
  | { readonly kind: 'always' }
  /** Verified is what comes with exactly this value in that header. */
  | { readonly kind: 'header'; readonly name: string; readonly value: string };

/** The path of a file. */
export const file: Format<string> = textFormat(
  'the path of a file',
  (text) => (text === '' || text.includes('\0') ? { wrong: 'is not understood' } : { value: text }),
  (value) => value,
);

/** RFC 9110 section 5.1. */
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$/;

/** The name of a header. What every request has for another purpose is none of them. */
export const headerName: Format<string> = textFormat(
  'the name of a header, such as Client-Cert',
  (text) => {
    if (!HEADER_NAME.test(text)) return { wrong: 'is not the name of a header' };
    return TAKEN.has(text.toLowerCase()) ? { wrong: 'has another meaning already' } : { value: text };
  },
  (value) => value,
);

const TAKEN: ReadonlySet<string> = new Set(['authorization', 'cookie', 'dpop', 'host', 'x-forwarded-for']);

export const proxyVerification: Format<ProxyVerification> = textFormat<ProxyVerification>(
  '`never`, `always`, or a header with the value that means success, such as `X-SSL-Client-Verify: SUCCESS`',
  (text) => {
    if (text === 'never' || text === 'always') return { value: { kind: text } };
    const [, name = '', value = ''] = /^([^:]+):\s*(\S.*)$/.exec(text) ?? [];
    return HEADER_NAME.test(name)
      ? { value: { kind: 'header', name, value: value.trim() } }
      : { wrong: 'is not understood' };
  },
  (value) => (value.kind === 'header' ? `${value.name}: ${value.value}` : value.kind),
);

/** Another origin of the same server. */
export const httpsOrigin: Format<string> = textFormat(
  'an https origin, such as https://mtls.id.example.com',
  (text) => {
    const url = URL.parse(text);
    if (url === null || url.protocol !== 'https:') return { wrong: 'is not an https URL' };
    return text === url.origin ? { value: text } : { wrong: `is not an origin, which is ${url.origin}` };
  },
  (value) => value,
);
