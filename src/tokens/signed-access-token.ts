import { type Signer, signJwt } from '#src/signing/jws.ts';
import { ACCESS_TOKEN_TYPE } from '#src/tokens/access-token.ts';
import type { TokenReader } from '#src/tokens/token-reader.ts';

/**
 * An access token as a JWT: RFC 9068 section 2. What this process has signed itself it need not verify when it is asked
 * about it, which costs more than signing does.
 * @throws SigningFault
 */
export async function signAccessToken(
  claims: Readonly<Record<string, unknown>>,
  { signer, reader }: { readonly signer: Signer; readonly reader: Pick<TokenReader, 'noteSigned'> },
): Promise<string> {
  const jwt = await signJwt(signer, { typ: ACCESS_TOKEN_TYPE }, claims);
  reader.noteSigned(jwt, signer.kid);
  return jwt;
}
