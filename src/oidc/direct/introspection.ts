import type { Client as LibraryClient, Provider } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import type { RegisteredClients } from '#src/oidc/client-model.ts';
import { registeredClient } from '#src/oidc/direct/caller.ts';
import { grantedIn } from '#src/oidc/direct/granted.ts';
import { groundOf, type OpaqueToken, type OpaqueTokens } from '#src/oidc/opaque-tokens.ts';
import { subjectFor } from '#src/oidc/subjects.ts';
import { mayAskAbout } from '#src/oidc/token-policy.ts';
import { type AccessTokenClaims, type Confirmation, toldBesides } from '#src/tokens/access-token.ts';
import type { PairwiseSubjects } from '#src/tokens/pairwise-subject.ts';
import { type StandingSources, standingOf, standingOfGround } from '#src/tokens/standing.ts';
import type { TokenReader } from '#src/tokens/token-reader.ts';

export interface IntrospectionDependencies {
  readonly provider: Provider;
  readonly issuer: string;
  readonly clock: Clock;
  readonly registered: RegisteredClients;
  readonly reader: TokenReader;
  readonly opaqueTokens: OpaqueTokens;
  readonly standing: StandingSources;
  readonly pairwise: PairwiseSubjects;
}

export type IntrospectionAnswer = { readonly active: boolean } & Readonly<Record<string, unknown>>;

/** What is told of a token that is good for nothing, or not for whoever asks: RFC 7662 section 2.2. */
const INACTIVE = { active: false } as const;

/** The letters of opaque tokens. */
const OPAQUE = /^[\w-]+$/;

/**
 * What a caller is told of an access token; `null` where the library is to say it: of refresh tokens, and of those that
 * carry more than most do. Whether it stands is asked of the store each time.
 * @throws StorageFault
 */
export async function introspected(
  token: string,
  caller: LibraryClient,
  deps: IntrospectionDependencies,
): Promise<IntrospectionAnswer | null> {
  if (caller.introspectionEncryptedResponseAlg !== undefined) return null;
  if (token.includes('.')) return introspectedJwt(token, caller, deps);
  return OPAQUE.test(token) ? introspectedOpaque(token, caller, deps) : null;
}

async function introspectedJwt(
  jwt: string,
  caller: LibraryClient,
  deps: IntrospectionDependencies,
): Promise<IntrospectionAnswer | null> {
  const read = deps.reader.read(jwt);
  if (read.kind === 'unreadable') return INACTIVE;
  if (read.kind !== 'access') return null;
  const { claims } = read;
  if (claims.rests_on !== undefined || claims.authorization_details !== undefined) return null;
  const standing = await standingOf(deps.standing, read.kid, claims);
  if (!standing.stands || !mayAskAbout(deps.registered.of(caller), claims)) return INACTIVE;
  return activeAnswer(claims, toldBesides(claims));
}

async function introspectedOpaque(
  text: string,
  caller: LibraryClient,
  deps: IntrospectionDependencies,
): Promise<IntrospectionAnswer | null> {
  const token = await deps.opaqueTokens.find(text);
  if (token === null) return INACTIVE;
  const { clientId, aud, extra } = token;
  if (token.rar !== undefined) return null;
  const [standing, holder] = await Promise.all([
    standingOfGround(deps.standing, groundOf(token)),
    clientId === caller.clientId ? caller : registeredClient(deps.provider, clientId),
  ]);
  const now = deps.clock.now();
  if (!standing.stands || token.exp <= now) return INACTIVE;
  if (!mayAskAbout(deps.registered.of(caller), { client_id: clientId, aud })) return INACTIVE;
  const { authorization } = standing;
  if (holder === null || (authorization !== null && grantedIn(authorization, clientId, now) === null))
    return null;
  return activeAnswer(claimsOf(token, holder, deps), extra);
}

type Claimed<Claims> = { readonly [Name in keyof Claims]?: Claims[Name] | undefined };

/** What a token says of itself, of which the name is not told where that is its text. */
interface ToldClaims extends Claimed<Omit<AccessTokenClaims, 'cnf'>> {
  readonly cnf?: Claimed<Confirmation> | undefined;
}

function claimsOf(
  token: OpaqueToken,
  holder: LibraryClient,
  { issuer, pairwise }: Pick<IntrospectionDependencies, 'issuer' | 'pairwise'>,
): ToldClaims {
  const { clientId, accountId, aud, iat, exp, scope, sid, jkt, 'x5t#S256': thumbprint } = token;
  const isBound = jkt !== undefined || thumbprint !== undefined;
  return {
    iss: issuer,
    sub: accountId === undefined ? clientId : subjectFor(holder, accountId, pairwise),
    aud,
    client_id: clientId,
    iat,
    exp,
    scope,
    sid,
    cnf: isBound ? { jkt, 'x5t#S256': thumbprint } : undefined,
  };
}

/** As the library puts it: RFC 7662 section 2.2, RFC 8705 section 3.2, RFC 9449 section 6.2. */
function activeAnswer(claims: ToldClaims, besides: object | undefined): IntrospectionAnswer {
  const { sub, client_id, exp, iat, sid, iss, jti, aud, scope, cnf } = claims;
  return {
    active: true,
    sub,
    ...besides,
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
