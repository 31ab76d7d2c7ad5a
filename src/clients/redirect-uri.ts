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

/** Schemes that browsers and systems run, read or open by themselves, instead of handing the answer to an application. */
const FORBIDDEN_SCHEMES: ReadonlySet<string> = new Set([
  'about',
  'android-app',
  'blob',
  'chrome',
  'data',
  'edge',
  'file',
  'filesystem',
  'ftp',
  'intent',
  'jar',
  'javascript',
  'mailto',
  'resource',
  'sms',
  'tel',
  'urn',
  'vbscript',
  'view-source',
  'ws',
  'wss',
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
const DOMAIN_SCHEME = /^[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:/;

/** RFC 3986 section 3.1, in its one spelling. */
const SCHEME = /^[a-z][a-z0-9+.-]*$/;

/**
 * Accepts the form of a redirect URI: https anywhere, http on the loopback interface only, or a private-use scheme, of
 * which `hasAdmittedScheme` says whether it will do; absolute, without fragment, credentials or wildcard.
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
  if (FORBIDDEN_SCHEMES.has(uri.protocol.slice(0, -1)))
    throw refuse(`the scheme ${uri.protocol} is not allowed`);
  if (uri.hostname.includes('*')) throw refuse('wildcards are not allowed; register each URI');
  if (uri.protocol === 'http:' && !LOOPBACK_AUTHORITY.test(text))
    throw refuse('http is allowed for localhost, 127.0.0.1 and [::1] only; use https');
  return text;
}

/** True if a scheme that is named after no domain may be admitted all the same: one that leads to an application. */
export function isAdmissibleScheme(scheme: string): boolean {
  return SCHEME.test(scheme) && !FORBIDDEN_SCHEMES.has(scheme) && scheme !== 'http' && scheme !== 'https';
}

/**
 * True for a redirect URI of the web, and for one of a private-use scheme that is named after a domain, so that it
 * belongs to one application (RFC 8252 section 7.1), or is among those that are `admitted` beside them.
 */
export function hasAdmittedScheme(uri: string, admitted: readonly string[]): boolean {
  if (!isPrivateUseUri(uri) || DOMAIN_SCHEME.test(uri)) return true;
  return admitted.includes(uri.slice(0, uri.indexOf(':')));
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
