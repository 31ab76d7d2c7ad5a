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
