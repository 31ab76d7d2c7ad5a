import { currentRequest } from '#src/oidc/library.ts';
import { CANARY_CLAIM } from '#src/tokens/canary.ts';
import { type StandingSources, standingByItself } from '#src/tokens/standing.ts';
import type { TokenReader } from '#src/tokens/token-reader.ts';

/**
 * What the library is told of a canary that somebody asks about, as of a token of a client; `null` for every other
 * token, and wherever else a canary is brought: it is good for nothing.
 */
export async function canaryAskedAbout(
  jwt: string,
  { reader, standing }: { readonly reader: TokenReader; readonly standing: StandingSources },
): Promise<Record<string, unknown> | null> {
  if (reader.claimedKind(jwt) !== 'canary' || currentRequest().oidc.route !== 'introspection') return null;
  const read = reader.read(jwt);
  if (read.kind !== 'canary') return null;
  const { client_id: clientId, aud, jti, iat, exp, sub } = read.claims;
  const { stands } = await standingByItself(standing, read.kid, jti);
  return stands ? { clientId, aud, jti, iat, exp, extra: { sub, [CANARY_CLAIM]: true } } : null;
}
