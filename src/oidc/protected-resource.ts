import type { Context } from 'koa';
import { ROUTES } from '#src/oidc/endpoints.ts';

const WELL_KNOWN = '/.well-known/oauth-protected-resource';

/** Where the metadata of the userinfo endpoint is: RFC 9728 section 3.1. */
const USERINFO_METADATA = WELL_KNOWN + ROUTES.userinfo;

/** What userinfo takes of the ways in which a token can be sent: RFC 6750 sections 2.1 and 2.2. */
const BEARER_METHODS = ['header', 'body'];

/** What the metadata of the server says that concerns userinfo too, and under which name it is said of a resource. */
const SAID_OF_BOTH: Readonly<Record<string, string>> = {
  dpop_signing_alg_values_supported: 'dpop_signing_alg_values_supported',
  tls_client_certificate_bound_access_tokens: 'tls_client_certificate_bound_access_tokens',
  userinfo_signing_alg_values_supported: 'resource_signing_alg_values_supported',
};

/**
 * The metadata of this server's own protected resource, userinfo, by path: RFC 9728 section 2. It has two identifiers:
 * its address, under which whoever was refused there looks, and the issuer, which its tokens name as their audience.
 * `discovery` is what the server says of itself.
 */
export function protectedResources(
  issuer: string,
  discovery: Readonly<Record<string, unknown>>,
): Readonly<Record<string, object>> {
  const scopes = discovery.scopes_supported as readonly string[];
  const said = Object.entries(SAID_OF_BOTH).flatMap(([name, ofResource]) =>
    discovery[name] === undefined ? [] : [[ofResource, discovery[name]]],
  );
  const common = {
    authorization_servers: [issuer],
    jwks_uri: discovery.jwks_uri,
    // Offline access is asked of the authorization server, and means nothing here.
    scopes_supported: scopes.filter((scope) => scope !== 'offline_access'),
    bearer_methods_supported: BEARER_METHODS,
    ...Object.fromEntries(said),
  };
  return {
    [USERINFO_METADATA]: { resource: issuer + ROUTES.userinfo, ...common },
    [WELL_KNOWN]: { resource: issuer, ...common },
  };
}

/** Says in every challenge where the metadata of the resource is: RFC 9728 section 5.1. */
export function nameMetadata(ctx: Context, issuer: string): void {
  if (!ctx.res.hasHeader('WWW-Authenticate')) return;
  const challenges = [ctx.response.get('WWW-Authenticate')].flat();
  const parameter = `resource_metadata="${issuer}${USERINFO_METADATA}"`;
  ctx.set(
    'WWW-Authenticate',
    challenges.map((challenge) => `${challenge}, ${parameter}`),
  );
}
