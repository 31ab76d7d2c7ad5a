import type { Client } from '#src/clients/client.ts';

/**
 * What of a registration names the algorithm of what is signed for a client. OpenID Connect Registration section 2;
 * RFC 9701 section 6; JARM section 5.
 */
export const RESPONSE_SIGNING_MEMBERS = [
  'id_token_signed_response_alg',
  'userinfo_signed_response_alg',
  'introspection_signed_response_alg',
  'authorization_signed_response_alg',
] as const;

export type ResponseSigningMember = (typeof RESPONSE_SIGNING_MEMBERS)[number];

/** The members of a client's registration that name this algorithm. */
export function membersNaming(
  alg: string,
  { idTokenSignedResponseAlg, metadata }: Pick<Client, 'idTokenSignedResponseAlg' | 'metadata'>,
): readonly ResponseSigningMember[] {
  const registered = { ...metadata, id_token_signed_response_alg: idTokenSignedResponseAlg };
  return RESPONSE_SIGNING_MEMBERS.filter((member) => registered[member] === alg);
}

/** The algorithms that a client's registration names. */
export function signingAlgorithmsNamedIn({
  idTokenSignedResponseAlg,
  metadata,
}: Pick<Client, 'idTokenSignedResponseAlg' | 'metadata'>): ReadonlySet<string> {
  const registered = { ...metadata, id_token_signed_response_alg: idTokenSignedResponseAlg };
  return new Set(RESPONSE_SIGNING_MEMBERS.flatMap((member) => registered[member] ?? []));
}

/** What changes in a client's registration when `to` takes the place of the algorithm `from`; nothing else does. */
export function responsesMoved(client: Client, from: string, to: string): Readonly<Record<string, unknown>> {
  const members = membersNaming(from, client);
  const metadata = members
    .filter((member) => member !== 'id_token_signed_response_alg')
    .map((member) => [member, to]);
  return {
    ...(members.includes('id_token_signed_response_alg') ? { idTokenSignedResponseAlg: to } : undefined),
    ...(metadata.length > 0 ? { metadata: Object.fromEntries(metadata) } : undefined),
  };
}
