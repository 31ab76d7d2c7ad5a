import type { Client } from '#src/clients/client.ts';
import type { LivingTokens } from '#src/key-usage/key-usage.ts';
import { needsPeople, type Reliance } from '#src/key-usage/reliance.ts';
import { USE_STEP } from '#src/key-usage/usage.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';
import type { KeyListing } from '#src/signing/key-listing.ts';
import type { RingPolicy } from '#src/signing/ring-policy.ts';
import { after, type EpochSeconds } from '#src/units.ts';

/** What the revocation of keys of the JWK Set means for whoever holds, or takes, the tokens that they signed. */
export interface Aftermath {
  readonly accessTokens: number;
  readonly idTokens: number;
  /** Those that were given access tokens and cannot get others without a person, having no refresh token. */
  readonly clientsWithoutRefresh: readonly Client[];
  /** Those that verify access tokens by themselves. */
  readonly verifiers: readonly ResourceServer[];
  /** Until when they may take the old tokens, if they neither listen to revocations nor look into status lists. */
  readonly acceptedUntil: EpochSeconds;
}

/** A key as it was before it was revoked, what of it was alive then, and who had to do with its algorithm. */
export interface RevokedKey {
  readonly key: KeyListing;
  readonly tokens: LivingTokens | undefined;
  readonly reliance: Reliance;
}

export function aftermathOf(
  revoked: readonly RevokedKey[],
  { ringPoll, jwksMaxAge, longestToken }: RingPolicy,
  now: EpochSeconds,
): Aftermath {
  const sum = (kind: 'access' | 'id') =>
    revoked.reduce((total, { tokens }) => total + (tokens?.[kind] ?? 0), 0);
  const [clients, verifiers] = [new Map<string, Client>(), new Map<string, ResourceServer>()];
  for (const { key, reliance } of revoked) {
    // What has never signed has ended nothing; but whoever has stolen it may have signed with it.
    for (const { client, lastUsedAt } of hasSigned(key) ? reliance.holders : []) {
      const mayHoldOne = after(after(lastUsedAt, longestToken), USE_STEP) > now;
      if (mayHoldOne && needsPeople(client)) clients.set(client.clientId, client);
    }
    for (const { resourceServer, members } of reliance.resourceServers) {
      const verifies = resourceServer.tokenFormat === 'jwt' && members.includes('signing_algorithm');
      if (verifies) verifiers.set(resourceServer.identifier, resourceServer);
    }
  }
  return {
    accessTokens: sum('access'),
    idTokens: sum('id'),
    clientsWithoutRefresh: [...clients.values()],
    verifiers: [...verifiers.values()],
    // The last server to follow serves the JWK Set as it was for `ringPoll`.
    acceptedUntil: after(after(now, ringPoll), jwksMaxAge),
  };
}

const hasSigned = ({ state }: KeyListing) => state === 'active' || state === 'retired';
