import type { ResourceServer } from '#src/resources/resource-server.ts';

/** What of a registration names the algorithm of what is signed for a resource server. RFC 9068 section 4; RFC 9701 section 6. */
export type TokenSigningMember = 'signing_algorithm' | 'introspection_signed_response_alg';

/** The members of its registration that name this algorithm. */
export function membersNaming(
  alg: string,
  { signingAlgorithm, introspection }: Pick<ResourceServer, 'signingAlgorithm' | 'introspection'>,
): readonly TokenSigningMember[] {
  return [
    ...(signingAlgorithm === alg ? (['signing_algorithm'] as const) : []),
    ...(introspection.introspection_signed_response_alg === alg
      ? (['introspection_signed_response_alg'] as const)
      : []),
  ];
}

/** What changes in its registration when `to` takes the place of the algorithm `from`; nothing else does. */
export function tokensMoved(
  resourceServer: ResourceServer,
  from: string,
  to: string,
): Readonly<Record<string, unknown>> {
  const members = membersNaming(from, resourceServer);
  return {
    ...(members.includes('signing_algorithm') ? { signingAlgorithm: to } : undefined),
    ...(members.includes('introspection_signed_response_alg')
      ? { introspection: { introspection_signed_response_alg: to } }
      : undefined),
  };
}
