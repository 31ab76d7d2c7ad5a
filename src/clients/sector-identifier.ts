import type { ClientMetadata } from '#src/clients/client-metadata.ts';
import { isLoopbackHost } from '#src/clients/redirect-uri.ts';

/** What tells which sector a client is of. */
export interface SectorMember {
  readonly clientId: string;
  readonly redirectUris: readonly string[];
  readonly sectorIdentifierUri: string | undefined;
  readonly jwksUri: string | undefined;
}

/**
 * The sector of a client: the host that vouches for it, or else the one that it sends people back to (OpenID Connect
 * Core section 8.1), or for one that sends nobody anywhere that of its keys (CIBA section 4). An application that is reached on the loopback interface or by a scheme of its own has no host
 * that others could not have as well: it is a sector by itself.
 */
export function sectorOf({ clientId, redirectUris, sectorIdentifierUri, jwksUri }: SectorMember): string {
  const uri = URL.parse(sectorIdentifierUri ?? redirectUris[0] ?? jwksUri ?? '');
  return uri?.protocol === 'https:' && !isLoopbackHost(uri.hostname) ? uri.hostname : `client:${clientId}`;
}

/** The grants whose clients the library asks for more than redirect URIs, as they may have none. */
const WITHOUT_REDIRECT: ReadonlySet<string> = new Set([
  'urn:ietf:params:oauth:grant-type:device_code',
  'urn:openid:params:grant-type:ciba',
]);

/** In what a client with pairwise subjects is not described well enough to know its sector, with the path of its field. */
export function* sectorProblemsIn(client: {
  readonly authenticationMethod: string;
  readonly grantTypes: readonly string[];
  readonly redirectUris: readonly string[];
  readonly jwksUri: string | null;
  readonly metadata: ClientMetadata;
}): Generator<string> {
  const { authenticationMethod, grantTypes, redirectUris, jwksUri, metadata } = client;
  const { subject_type, sector_identifier_uri: sectorUri } = metadata;
  if (sectorUri !== undefined && !sectorUri.startsWith('https:'))
    yield 'metadata.sector_identifier_uri: must be an https URI (OpenID Connect Core section 8.1)';
  if (subject_type !== 'pairwise') return;
  const hosts = new Set(redirectUris.map((uri) => URL.parse(uri)?.host));
  const decoupled = grantTypes.some((grant) => WITHOUT_REDIRECT.has(grant));
  if (hosts.size === 0 && !decoupled)
    yield 'metadata.subject_type: nobody signs in to a client that has no redirect URI';
  if (hosts.size > 1 && sectorUri === undefined)
    yield 'metadata.sector_identifier_uri: needed, as the redirect URIs have several hosts';
  if (!decoupled) return;
  if (hosts.size === 1 && sectorUri === undefined)
    yield 'metadata.sector_identifier_uri: needed beside this grant';
  if (jwksUri === null) yield 'jwksUri: needed by pairwise clients of this grant';
  if (!['private_key_jwt', 'self_signed_tls_client_auth'].includes(authenticationMethod))
    yield 'authenticationMethod: pairwise clients of this grant prove who they are by a key of their own';
}
