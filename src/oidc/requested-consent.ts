import type { AuthorizationDetail } from '#src/authorization-details/detail.ts';
import { isOpenIdScope } from '#src/clients/scope.ts';
import type { Consent } from '#src/interaction/consent.ts';
import { claimsOfScopes, PERSONAL_CLAIMS } from '#src/oidc/account-claims.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';

/** What a request, which the library has looked at, asks of the person in all. */
export async function requestedOf(
  params: Record<string, unknown>,
  resources: ResourceRegistry,
): Promise<Consent> {
  const scopes = (text(params.scope) ?? '').split(' ').filter((scope) => scope !== '');
  const identifiers = [params.resource ?? []].flat().filter((value) => typeof value === 'string');
  const perResource = await Promise.all(
    identifiers.map(async (identifier): Promise<[string, string[]]> => {
      const offered = (await resources.findByIndicator(identifier))?.scope ?? [];
      return [identifier, scopes.filter((scope) => offered.includes(scope))];
    }),
  );
  return {
    scope: scopes.filter(isOpenIdScope),
    resources: Object.fromEntries(perResource),
    claims: claimsBeyond(scopes, params.claims),
  };
}

/** The personal claims that the parameter `claims` asks for and no scope does. The library has looked at its form. */
function claimsBeyond(scopes: readonly string[], claims: unknown): readonly string[] {
  if (typeof claims !== 'string') return [];
  const { id_token: idToken = {}, userinfo = {} } = JSON.parse(claims) as Record<string, object | undefined>;
  const byScope = claimsOfScopes(scopes);
  const names = new Set([...Object.keys(idToken), ...Object.keys(userinfo)]);
  return [...names].filter((name) => PERSONAL_CLAIMS.has(name) && !byScope.includes(name));
}

/** What a request asks for in detail: RFC 9396. The library has looked at its form. */
export function detailsIn(parameter: unknown): readonly AuthorizationDetail[] {
  return typeof parameter === 'string' ? (JSON.parse(parameter) as AuthorizationDetail[]) : [];
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
