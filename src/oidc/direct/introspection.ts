import type { Client as LibraryClient } from 'oidc-provider';
import type { RegisteredClients } from '#src/oidc/client-model.ts';
import { mayAskAbout } from '#src/oidc/token-policy.ts';
import { type AccessTokenClaims, toldBesides } from '#src/tokens/access-token.ts';
import { type StandingSources, standingOf } from '#src/tokens/standing.ts';
import type { TokenReader } from '#src/tokens/token-reader.ts';

export interface IntrospectionDependencies {
  readonly registered: RegisteredClients;
  readonly reader: TokenReader;
  readonly standing: StandingSources;
}

export type IntrospectionAnswer = { readonly active: boolean } & Readonly<Record<string, unknown>>;

/** What is told of a token that is good for nothing, or not for whoever asks: RFC 7662 section 2.2. */
const INACTIVE = { active: false } as const;

/**
 * What a caller is told of a JWT access token; `null` where the library is to say it: of refresh tokens, opaque ones, and
 * those that carry more than most do. Whether it stands is asked of the store each time.
 * @throws StorageFault
 */
export async function introspected(
  jwt: string,
  caller: LibraryClient,
  deps: IntrospectionDependencies,
): Promise<IntrospectionAnswer | null> {
  if (caller.introspectionEncryptedResponseAlg !== undefined) return null;
  const read = deps.reader.read(jwt);
  if (read.kind === 'unreadable') return INACTIVE;
  if (read.kind !== 'access') return null;
  const { claims } = read;
  if (claims.rests_on !== undefined || claims.authorization_details !== undefined) return null;
  const standing = await standingOf(deps.standing, read.kid, claims);
  if (!standing.stands || !mayAskAbout(deps.registered.of(caller), claims)) return INACTIVE;
  return activeAnswer(claims);
}

/** As the library puts it: RFC 7662 section 2.2, RFC 8705 section 3.2, RFC 9449 section 6.2. */
function activeAnswer(claims: AccessTokenClaims): IntrospectionAnswer {
  const { sub, client_id, exp, iat, sid, iss, jti, aud, scope, cnf } = claims;
  return {
    active: true,
    sub,
    ...toldBesides(claims),
    client_id,
    exp,
    iat,
    sid,
    iss,
    jti,
    aud,
    scope,
    cnf,
    token_type: cnf?.jkt === undefined ? 'Bearer' : 'DPoP',
  };
}
