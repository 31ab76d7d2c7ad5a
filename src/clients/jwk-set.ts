import { createPublicKey } from 'node:crypto';
import { z } from 'zod';
import { webUri } from '#src/clients/client-metadata.ts';
import { isLoopbackHost } from '#src/clients/redirect-uri.ts';

const JWKS_KEYS_MAX = 20;

/**
 * Where someone publishes their keys: over https, so that nobody on the way can put others in their place (RFC 7517
 * section 9.1). Plain http is for a machine that talks to itself.
 */
export const keysUri = webUri.refine(
  (uri) => !uri.startsWith('http:') || isLoopbackHost(URL.parse(uri)?.hostname ?? ''),
  'must be an https URI',
);

/** The members that make a key private or symmetric: RFC 7518 section 6. Such a key is its owner's alone. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];

const publicJwk = z
  .record(z.string(), z.unknown())
  .refine(isPublicKey, 'must be a public key and nothing private (RFC 7517 section 4)');

/** The public keys of someone who registers: RFC 7517 section 5. */
export const publicJwks = z.object({ keys: z.array(publicJwk).min(1).max(JWKS_KEYS_MAX) });

export type PublicJwks = Readonly<z.output<typeof publicJwks>>;

/** True for a public key that can be used, on its curve and without anything private. */
export function isPublicKey(jwk: Readonly<Record<string, unknown>>): boolean {
  if (PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member))) return false;
  try {
    return createPublicKey({ key: jwk, format: 'jwk' }).type === 'public';
  } catch {
    return false;
  }
}
