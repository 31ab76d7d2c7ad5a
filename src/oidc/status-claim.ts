import type { AccessToken, ClientCredentials, ResourceServer } from 'oidc-provider';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { Signer } from '#src/signing/jws.ts';
import type { StatusAssigner } from '#src/status-lists/assigner.ts';
import type { AccessTokenClaims } from '#src/tokens/access-token.ts';

export interface StatusClaimPorts {
  readonly statusLists: Pick<StatusAssigner, 'assign'>;
  /** Whether a resource server looks up the status of its tokens. */
  isStatusListed(resourceServer: ResourceServer): boolean;
}

/**
 * Where the status of a token is told, if its resource server looks there: Token Status List section 6.1. What the token
 * falls with is remembered with its place in the list.
 * @throws StorageFault
 */
export async function statusClaim(
  token: AccessToken | ClientCredentials,
  claims: AccessTokenClaims,
  { kid, alg }: Signer,
  { statusLists, isStatusListed }: StatusClaimPorts,
): Promise<Pick<AccessTokenClaims, 'status'>> {
  const { resourceServer } = token;
  if (resourceServer === undefined || !isStatusListed(resourceServer)) return {};
  const { exp, iat, jti, client_id, grant_id, auth_time, rests_on } = claims;
  const account = 'accountId' in token ? token.accountId : null;
  const authorization =
    account === null || grant_id === undefined ? null : ([grant_id, account, auth_time ?? iat] as const);
  const exchanged = rests_on === undefined ? null : claims;
  const status_list = await statusLists.assign(alg as SigningAlgorithm, exp, (index) => [
    index,
    exp,
    iat,
    kid,
    jti,
    client_id,
    authorization,
    exchanged,
  ]);
  return { status: { status_list } };
}
