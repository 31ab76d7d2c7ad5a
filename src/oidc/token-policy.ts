import {
  type AccessToken,
  type ClientCredentials,
  errors,
  type KoaContextWithOIDC,
  type Client as LibraryClient,
  type RefreshToken,
} from 'oidc-provider';
import { isConfidential } from '#src/clients/client.ts';
import type { Registered, RegisteredClients } from '#src/oidc/client-model.ts';
import { type AccessTokenClaims, audiencesOf } from '#src/tokens/access-token.ts';

type Token = AccessToken | ClientCredentials | RefreshToken;

/** Who may ask about a token: the resource server that it is meant for, and the client that holds it. RFC 7662 section 4. */
export function introspectionAllowed(registered: RegisteredClients) {
  return (_ctx: KoaContextWithOIDC, caller: LibraryClient, token: Token): boolean => {
    const aud = token.kind === 'RefreshToken' ? [] : ((token as AccessToken).aud ?? []);
    return mayAskAbout(registered.of(caller), { client_id: token.clientId as string, aud });
  };
}

/** Whether a token is the caller's own, or meant for it. */
export function mayAskAbout(
  asking: Registered,
  { client_id, aud }: Pick<AccessTokenClaims, 'client_id' | 'aud'>,
): boolean {
  if (asking.kind === 'client') return isConfidential(asking.client) && client_id === asking.client.clientId;
  return audiencesOf({ aud }).includes(asking.resourceServer.audience);
}

/** Only the client that a token was issued to may revoke it, and another is told so: RFC 7009 section 2.1. */
export function revocationAllowed(_ctx: KoaContextWithOIDC, caller: LibraryClient, token: Token): boolean {
  if (token.clientId === caller.clientId) return true;
  throw new errors.UnauthorizedClient('the token was not issued to this client');
}

/**
 * Every code flow needs PKCE, but for a confidential client that was registered without it and signs somebody in:
 * OpenID Connect Core section 3.1.2.1 knows neither PKCE nor, in this flow, a required nonce. Where OAuth 2.1 is to be
 * kept, a nonce has to stand in for it: RFC 9700 section 2.1.1.
 */
export function pkceRequired(registered: RegisteredClients) {
  return (ctx: KoaContextWithOIDC, caller: LibraryClient): boolean => {
    const client = registered.application(caller);
    if (client === null || client.requirePkce || !isConfidential(client)) return true;
    const { requestParamScopes, params } = ctx.oidc;
    if (!requestParamScopes.has('openid')) return true;
    return registered.profilesOf(caller).has('oauth-2.1') && typeof params?.nonce !== 'string';
  };
}

/** Pages of a client may call from the origins that it is registered to be sent back to. */
export function corsAllowed(_ctx: KoaContextWithOIDC, origin: string, client: LibraryClient): boolean {
  return origin !== 'null' && (client.redirectUris ?? []).some((uri) => URL.parse(uri)?.origin === origin);
}
