import { isIP, isIPv4, isIPv6 } from 'node:net';
import { isAdmissibleScheme } from '#src/clients/redirect-uri.ts';
import { asList, type Format, format, quoted, type Reading, textFormat } from '#src/config/format.ts';
import { parseStoreLocation, writtenStoreLocation } from '#src/store-location.ts';

/** Which neighbours may say in `X-Forwarded-For` whom they speak for. */
export type ProxyTrust =
  | { readonly kind: 'nobody' }
  /** That many proxies stand in front, whoever they are; nothing else may be able to reach the server. */
  | { readonly kind: 'hops'; readonly count: number }
  /** Addresses and CIDR blocks of proxies. */
  | { readonly kind: 'addresses'; readonly blocks: readonly string[] };

/** More proxies than this in a row is a slip of the finger. */
const HOPS_MAX = 16;

/** `localhost` is either of two addresses, depending on who asks, so it is served at both. */
const LOCALHOST: readonly string[] = ['127.0.0.1', '::1'];

/** The server's own name: what stands before every endpoint, and as `iss` in every token. */
export const issuerUrl: Format<string> = textFormat(
  'the https origin that clients see, such as https://id.example.com (http only for localhost and loopback addresses)',
  readIssuer,
  (value) => value,
);

/** The addresses to listen on: a list, because `localhost` has two. One that the machine lacks may be left out. */
export const listenHost: Format<readonly string[]> = textFormat(
  '`localhost`, an IP address without a port, or a host name of this machine',
  (text) => {
    if (text === 'localhost') return { value: LOCALHOST };
    return isIP(text) !== 0 || isHostName(text) ? { value: [text] } : { wrong: 'is not an address' };
  },
  (value) => (value.length === 1 ? value.join() : 'localhost'),
);

/** Where the records live, as it is written; shown without the password that may be in it. */
export const storeLocation: Format<string> = textFormat(
  '`sqlite:` and the path of a file, or the URL of a Redis: `redis://user@host:6379`, `redis+sentinel://host,host/name`, `redis+cluster://host,host`, and the same with `rediss` for TLS',
  (text) => {
    const location = parseStoreLocation(text);
    return 'wrong' in location ? location : { value: text };
  },
  (value) => {
    const location = parseStoreLocation(value);
    return 'wrong' in location ? '' : writtenStoreLocation(location);
  },
);

export const trustedProxies: Format<ProxyTrust> = format(
  '`off`, the number of proxies in front, or a list of their addresses and CIDR blocks',
  readProxyTrust,
  (value) => {
    if (value.kind === 'nobody') return 'off';
    return value.kind === 'hops' ? value.count : value.blocks;
  },
);

/** Neighbours by address; nobody, if there are none. Everybody cannot be said. */
export const addressBlocks: Format<readonly string[]> = format(
  'a list of addresses and CIDR blocks',
  (raw) => {
    const blocks = asList(raw);
    const strange = blocks.find((block) => !isBlock(block));
    return strange === undefined ? { value: blocks } : noBlock(strange);
  },
  (value) => value,
);

/** Hosts by name, or all below one. */
export const hostPatterns: Format<readonly string[]> = format(
  'a list of host names, with `*.` before one for every host below it',
  (raw) => {
    const patterns = asList(raw).map((pattern) => pattern.toLowerCase());
    const strange = patterns.find((pattern) => !isHostName(pattern.replace(/^\*\./, '')));
    return strange === undefined
      ? { value: patterns }
      : { wrong: `holds ${quoted(strange)}, which is no host name` };
  },
  (value) => value,
);

/** Schemes of URIs that lead to applications. */
export const applicationSchemes: Format<readonly string[]> = format(
  'a list of URI schemes of applications, such as `cursor`',
  (raw) => {
    const schemes = asList(raw);
    const strange = schemes.find((scheme) => !isAdmissibleScheme(scheme));
    return strange === undefined
      ? { value: schemes }
      : { wrong: `holds ${quoted(strange)}, which is no scheme that leads to an application` };
  },
  (value) => value,
);

function readIssuer(text: string): Reading<string> {
  const url = URL.parse(text);
  if (url === null || !/^https?:\/\//i.test(text)) return { wrong: 'is not an absolute http or https URL' };
  if (url.username !== '' || url.password !== '') return { wrong: 'carries a user name or a password' };
  // RFC 8414 section 2: a URL "that has no query or fragment components".
  if (text.includes('?') || text.includes('#')) return { wrong: 'has a query or a fragment' };
  if (url.pathname !== '/')
    return { wrong: 'has a path, and the server answers at the root of its host only' };
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    return { wrong: 'is plain http, where anyone on the way could read codes, tokens and passwords' };
  }
  // Issuers are compared as strings (RFC 8414 section 3.3), so only one spelling may exist.
  return text === url.origin ? { value: text } : { wrong: `has another spelling, which is ${url.origin}` };
}

/** RFC 6761 section 6.3: every name under `localhost.` is the machine itself. */
function isLoopback(hostname: string): boolean {
  if (hostname === 'localhost' || hostname.endsWith('.localhost') || hostname === '[::1]') return true;
  return isIPv4(hostname) && hostname.startsWith('127.');
}

function isHostName(text: string): boolean {
  const labels = text.split('.');
  if (text.length > 253 || !labels.every((label) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i.test(label))) {
    return false;
  }
  return !/^\d+$/.test(labels.at(-1) ?? '');
}

function readProxyTrust(raw: string | readonly string[]): Reading<ProxyTrust> {
  if (raw === 'off' || raw === 'false') return { value: { kind: 'nobody' } };
  if (raw === 'true') return { wrong: 'would let anyone choose the address that is seen' };
  if (typeof raw === 'string' && /^\d+$/.test(raw)) {
    const count = Number(raw);
    return count >= 1 && count <= HOPS_MAX
      ? { value: { kind: 'hops', count } }
      : { wrong: `is not a number of proxies from 1 to ${HOPS_MAX}` };
  }
  const blocks = asList(raw);
  if (blocks.length === 0) return { wrong: 'is an empty list' };
  const strange = blocks.find((block) => !isBlock(block));
  if (strange === undefined) return { value: { kind: 'addresses', blocks } };
  return noBlock(strange);
}

function noBlock(text: string): { readonly wrong: string } {
  if (isIP(text.replace(/\/0$/, '')) !== 0) return { wrong: `holds ${text}, which is everyone` };
  return { wrong: `holds ${quoted(text)}, which is neither an address nor a CIDR block` };
}

function isBlock(text: string): boolean {
  const parts = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text);
  const address = parts?.[1] ?? '';
  const bits = parts?.[2] === undefined ? 1 : Number(parts[2]);
  return bits >= 1 && ((isIPv4(address) && bits <= 32) || (isIPv6(address) && bits <= 128));
}
