import { Refusal } from '#src/fault.ts';

/**
 * True if `requested` is one of the registered redirect URIs, compared as strings, byte for byte. The one exception
 * is the port of an http loopback URI, which an application on the person's own machine picks as it starts.
 * RFC 9700 section 2.1; RFC 8252 section 7.3.
 */
export function redirectUriAllowed(registered: readonly string[], requested: string): boolean {
  if (registered.includes(requested)) return true;
  const portless = withoutLoopbackPort(requested);
  return portless !== null && registered.some((uri) => withoutLoopbackPort(uri) === portless);
}

export const REDIRECT_URI_LENGTH_MAX = 2048;
export const REDIRECT_URIS_MAX = 32;

/** Schemes that a browser would run or read instead of handing the answer to an application. */
const FORBIDDEN_SCHEMES = new Set([
  'javascript:',
  'vbscript:',
  'data:',
  'blob:',
  'file:',
  'about:',
  'ftp:',
  'ws:',
  'wss:',
]);

/** Reserved, unreserved and percent-encoded characters: RFC 3986 section 2. */
const URI_CHARACTERS = /^(?:[\w.~:/?#[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+$/;

/** Browsers put the slashes in where they are missing, others do not. */
const SCHEME_WITHOUT_AUTHORITY = /^https?:(?!\/\/[^/])/i;

/** Also empty ones: whatever comes before `@` is easily mistaken for the host. RFC 3986 section 7.6. */
const CREDENTIALS = /^[^/?#]*\/\/[^/?#]*@/;

const LOOPBACK_AUTHORITY = /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(?::([0-9]{1,5}))?(?=[/?]|$)/;

const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Schemes that belong to one application are named after a domain of its maker: RFC 8252 section 7.1. */
const PRIVATE_USE_SCHEME = /^[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:$/;

/**
 * Accepts a redirect URI for registration: https anywhere, http on the loopback interface only, or a private-use
 * scheme; absolute, without fragment, credentials or wildcard.
 * RFC 6749 section 3.1.2; RFC 8252 section 7; RFC 9700 section 2.1.
 * @throws Refusal `invalid_redirect_uri`, saying what is wrong.
 */
export function parseRedirectUri(text: string): string {
  const refuse = (why: string) => new Refusal('invalid_redirect_uri', `${JSON.stringify(text)}: ${why}`);
  if (text.length > REDIRECT_URI_LENGTH_MAX)
    throw refuse(`longer than ${REDIRECT_URI_LENGTH_MAX} characters`);
  if (!URI_CHARACTERS.test(text)) throw refuse('only the characters of RFC 3986 section 2 are allowed');
  const uri = URL.parse(text);
  if (uri === null || SCHEME_WITHOUT_AUTHORITY.test(text)) throw refuse('not an absolute URI');
  // One spelling of it, so that nobody has to think of the others: RFC 3986 section 6.2.2.1.
  if (!text.startsWith(uri.protocol)) throw refuse('the scheme must be in lower case');
  if (text.includes('#')) throw refuse('must not have a fragment');
  if (CREDENTIALS.test(text)) throw refuse('must not carry credentials');
  if (FORBIDDEN_SCHEMES.has(uri.protocol)) throw refuse(`the scheme ${uri.protocol} is not allowed`);
  if (uri.hostname.includes('*')) throw refuse('wildcards are not allowed; register each URI');
  if (uri.protocol === 'https:') return text;
  if (uri.protocol === 'http:') {
    if (LOOPBACK_AUTHORITY.test(text)) return text;
    throw refuse('http is allowed for localhost, 127.0.0.1 and [::1] only; use https');
  }
  if (PRIVATE_USE_SCHEME.test(uri.protocol)) return text;
  throw refuse('a private-use scheme must be named after a domain, such as com.example.app:/callback');
}

/** True for a scheme of the application's own, which any other application on the device may claim as well. */
export function isPrivateUseUri(uri: string): boolean {
  return !/^https?:/i.test(uri);
}

/** True for a host that is the machine itself, as URLs write it. */
export function isLoopbackHost(host: string): boolean {
  return LOOPBACK_HOSTS.has(host);
}

/** True for http, which is allowed on the loopback interface alone. */
export function isLoopbackHttpUri(uri: string): boolean {
  return LOOPBACK_AUTHORITY.test(uri);
}

/** True for https on the loopback interface, where no certificate of a public authority can be. */
export function isLoopbackHttpsUri(uri: string): boolean {
  const parsed = URL.parse(uri);
  return parsed?.protocol === 'https:' && isLoopbackHost(parsed.hostname);
}

function withoutLoopbackPort(uri: string): string | null {
  const match = LOOPBACK_AUTHORITY.exec(uri);
  // A port that no machine has makes no URI that a browser could be sent to.
  if (match === null || !URL.canParse(uri)) return null;
  return `http://${match[1]}${uri.slice(match[0].length)}`;
}
