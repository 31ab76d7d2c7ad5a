import type { Client, Provider } from 'oidc-provider';
import { sectorOf } from '#src/clients/sector-identifier.ts';
import type { PairwiseSubjects } from '#src/tokens/pairwise-subject.ts';

/**
 * What a client knows an account as: its subject or, for a client that is registered for pairwise ones, an identifier
 * that no client of another sector knows. Everything that this client is told says the same: ID tokens, userinfo, logout
 * tokens, introspection, and its access tokens, which it holds and could read (RFC 9068 section 6).
 */
export function subjectFor(client: Client, accountId: string, pairwise: PairwiseSubjects): string {
  if (client.subjectType !== 'pairwise') return accountId;
  const { clientId, redirectUris = [], sectorIdentifierUri, jwksUri } = client;
  return pairwise.of(sectorOf({ clientId, redirectUris, sectorIdentifierUri, jwksUri }), accountId);
}

/** The same for whoever knows a client only by its identifier; `null` if there is none under it any more. */
export function subjectNames(provider: Provider, pairwise: PairwiseSubjects) {
  return async (clientId: string, accountId: string): Promise<string | null> => {
    // A client is as its document says, if that can be had, and else as most are.
    const client = await provider.Client.find(clientId).catch(() => null);
    if (client === null) return accountId;
    return client === undefined ? null : subjectFor(client, accountId, pairwise);
  };
}
