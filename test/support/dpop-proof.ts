import { exportJWK, type generateKeyPair, SignJWT } from 'jose';

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;

/** A proof of DPoP by hand, with anything about it changed: RFC 9449 section 4.2. */
export async function proofBy(
  pair: KeyPair,
  claims: Readonly<Record<string, unknown>>,
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const says = { jti: crypto.randomUUID(), iat: Math.floor(Date.now() / 1000), ...claims };
  const jwk = await exportJWK(pair.publicKey);
  return new SignJWT(JSON.parse(JSON.stringify(says)))
    .setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk, ...header })
    .sign(pair.privateKey);
}
