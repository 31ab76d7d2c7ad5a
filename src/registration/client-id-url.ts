/**
 * Client identifiers that are URLs: OAuth Client ID Metadata Document. Under such a URL lies a document in which the
 * client says what it is, and nobody has to register it.
 */

const CLIENT_ID_URL_CHARS_MAX = 1024;

/**
 * The URL, if the identifier is one that may name a document: https, with a path, without dot segments, fragment and
 * credentials. Of the spellings of a URL the normal one alone is taken, since identifiers are compared as strings: one
 * document would be several clients otherwise.
 */
export function parseClientIdUrl(clientId: string): URL | null {
  if (clientId.length > CLIENT_ID_URL_CHARS_MAX || !clientId.startsWith('https://')) return null;
  const url = URL.parse(clientId);
  if (url === null || url.href !== clientId) return null;
  // The same host for DNS, and another name for whoever lists hosts: RFC 1034 section 3.1.
  if (url.hostname.endsWith('.')) return null;
  return clientId.includes('#') || url.username !== '' || url.password !== '' ? null : url;
}

/** Whose documents are read: nobody's, those of the hosts that are listed, or anyone's. */
export const METADATA_DOCUMENT_POLICIES = ['off', 'listed', 'any'] as const;

export interface MetadataDocumentPolicy {
  readonly policy: (typeof METADATA_DOCUMENT_POLICIES)[number];
  /** With `listed`: host names, and `*.` before one for every host below it. */
  readonly hosts: readonly string[];
  /** In the same way, hosts whose clients are not served whatever else is said. */
  readonly refusedHosts: readonly string[];
}

/** True if a client may go by this identifier. What the document says is another question. */
export function admitsClientId(
  { policy, hosts, refusedHosts }: MetadataDocumentPolicy,
  clientId: string,
): boolean {
  const hostname = parseClientIdUrl(clientId)?.hostname;
  if (hostname === undefined || policy === 'off' || isAmong(hostname, refusedHosts)) return false;
  return policy === 'any' || isAmong(hostname, hosts);
}

function isAmong(hostname: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) =>
    pattern.startsWith('*.') ? hostname.endsWith(pattern.slice(1)) : hostname === pattern,
  );
}
