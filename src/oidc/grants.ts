import type { Grant, KoaContextWithOIDC } from 'oidc-provider';
import type { Consent, Consents } from '#src/interaction/consent.ts';
import { claimsOfScopes } from '#src/oidc/account-claims.ts';
import { newIdentifier, type Random } from '#src/random.ts';

/**
 * The library's `loadExistingGrant`: each sign-in of a client gets a grant of its own, made of what the person has
 * consented to so far. So a revoked token ends one sign-in's tokens and not those of another device, and the consent
 * is remembered all the same. It is not stored here: the authorization code that carries it does that.
 */
export function grantLoader(deps: { consents: Consents; random: Random }) {
  return async (ctx: KoaContextWithOIDC): Promise<Grant | undefined> => {
    const { account, client, provider } = ctx.oidc;
    if (account === undefined || client === undefined) return undefined;
    const consent = await deps.consents.find(account.accountId, client.clientId);
    const grant = new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
    grant.jti = newIdentifier(deps.random);
    if (consent !== null) fill(grant, consent);
    return grant;
  };
}

function fill(grant: Grant, { scope, resources, claims }: Consent): void {
  if (scope.length > 0) grant.addOIDCScope(scope.join(' '));
  grant.addOIDCClaims([...claimsOfScopes(scope), ...claims]);
  for (const [identifier, scopes] of Object.entries(resources)) {
    // Without a scope too: a token for it is something that the person has agreed to.
    grant.addResourceScope(identifier, scopes.join(' '));
  }
}
