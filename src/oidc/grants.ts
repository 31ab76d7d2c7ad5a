import type { Grant, KoaContextWithOIDC, Provider } from 'oidc-provider';
import { ACCOUNT_CLIENT_ID } from '#src/clients/account-client.ts';
import { type Consent, type Consents, NO_CONSENT } from '#src/interaction/consent.ts';
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
    const whose = { accountId: account.accountId, clientId: client.clientId };
    // This server needs nobody's leave to show people what is theirs.
    const own = client.clientId === ACCOUNT_CLIENT_ID ? OWN_CONSENT : null;
    return newGrant(provider, whose, own ?? consent ?? NO_CONSENT, deps.random);
  };
}

const OWN_CONSENT: Consent = { ...NO_CONSENT, scope: ['openid'] };

/** A grant, not stored yet, of what a person agrees to. */
export function newGrant(
  provider: Provider,
  whose: { readonly accountId: string; readonly clientId: string },
  { scope, resources, claims }: Consent,
  random: Random,
): Grant & { jti: string } {
  const grant = Object.assign(new provider.Grant(whose), { jti: newIdentifier(random) });
  if (scope.length > 0) grant.addOIDCScope(scope.join(' '));
  grant.addOIDCClaims([...claimsOfScopes(scope), ...claims]);
  for (const [identifier, scopes] of Object.entries(resources)) {
    // Without a scope too: a token for it is something that the person has agreed to.
    grant.addResourceScope(identifier, scopes.join(' '));
  }
  return grant;
}
