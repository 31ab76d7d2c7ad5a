import type { ParsedUrlQuery } from 'node:querystring';
import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import { CIBA_GRANT } from '#src/clients/backchannel-delivery.ts';
import { DEVICE_CODE_GRANT } from '#src/clients/client.ts';
import { ROUTES } from '#src/oidc/endpoints.ts';
import { isNamedIn } from '#src/resources/resource-server.ts';

/**
 * The names of this server's own protected resource, userinfo, which its metadata says (RFC 9728 section 1.2), and which
 * a request may therefore name as its resource (RFC 8707). The library knows userinfo by the absence of any resource, so
 * the names are taken out of requests, once it has been seen that the rest of the request agrees with them.
 */
export function isOwnResource(issuer: string, identifier: string): boolean {
  return isNamedIn([issuer, issuer + ROUTES.userinfo], identifier);
}

/** The library's `extraParams.resource`: what is left of the resources of an authorization request are those of others. */
export function withoutOwnResource(issuer: string) {
  return ({ oidc }: KoaContextWithOIDC, named: unknown): void => {
    if (named === undefined || oidc.params === undefined) return;
    const identifiers = [named].flat() as string[];
    const others = identifiers.filter((each) => !isOwnResource(issuer, each));
    if (others.length === identifiers.length) return;
    for (const each of identifiers) if (!others.includes(each)) delete oidc.resourceServers?.[each];
    oidc.params.resource = others.length > 1 ? others : others[0];
  };
}

/** The grants by which a person's approval, given before, becomes tokens. */
const APPROVED_BEFORE: ReadonlySet<unknown> = new Set([
  'authorization_code',
  'refresh_token',
  DEVICE_CODE_GRANT,
  CIBA_GRANT,
]);

/** Takes the resource out of a token request that is for userinfo alone. True if it was one. */
export function takeOwnResource(form: ParsedUrlQuery, issuer: string): boolean {
  const { grant_type: grantType, resource } = form;
  if (!APPROVED_BEFORE.has(grantType) || typeof resource !== 'string' || !isOwnResource(issuer, resource))
    return false;
  delete form.resource;
  return true;
}

/** Userinfo is for whoever signed in by OpenID Connect. @throws errors.InvalidTarget */
export function assertOpenId(scopes: ReadonlySet<string | undefined>): void {
  if (!scopes.has('openid'))
    throw new errors.InvalidTarget('userinfo takes no token without the scope openid');
}
