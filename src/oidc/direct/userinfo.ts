import type { Provider } from 'oidc-provider';
import { type Account, claimsOf, standsSince } from '#src/accounts/account.ts';
import type { Clock } from '#src/clock.ts';
import { claimsAskedBy } from '#src/oidc/account-claims.ts';
import { registeredClient } from '#src/oidc/direct/caller.ts';
import { grantedIn } from '#src/oidc/direct/granted.ts';
import { groundOf, type OpaqueTokens } from '#src/oidc/opaque-tokens.ts';
import { subjectFor } from '#src/oidc/subjects.ts';
import { type AccessTokenClaims, audiencesOf } from '#src/tokens/access-token.ts';
import type { PairwiseSubjects } from '#src/tokens/pairwise-subject.ts';
import { type Standing, type StandingSources, standingOf, standingOfGround } from '#src/tokens/standing.ts';
import type { TokenReader } from '#src/tokens/token-reader.ts';

export interface UserinfoDependencies {
  readonly provider: Provider;
  readonly issuer: string;
  readonly clock: Clock;
  readonly reader: TokenReader;
  readonly opaqueTokens: OpaqueTokens;
  readonly standing: StandingSources;
  readonly pairwise: PairwiseSubjects;
  findAccount(subject: string): Promise<Account | null>;
}

export interface Told {
  readonly clientId: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * What the bearer of an access token is told of the person: OpenID Connect Core section 5.3. `null` where the library is to
 * say it: every refusal, tokens that carry more than most do, clients that are answered by a JWT or asked for single claims.
 * @throws StorageFault
 */
export async function toldOfPerson(token: string, deps: UserinfoDependencies): Promise<Told | null> {
  const presented = token.includes('.') ? presentedJwt(token, deps) : await presentedOpaque(token, deps);
  if (presented === null || !presented.isUsual) return null;
  const { clientId, scopes, exp } = presented;
  if (!audiencesOf(presented).includes(deps.issuer) || !scopes.includes('openid')) return null;
  const [standing, client] = await Promise.all([
    presented.standing(),
    registeredClient(deps.provider, clientId),
  ]);
  if (!standing.stands || standing.authorization === null || client === null) return null;
  if (client.userinfoSignedResponseAlg ?? client.userinfoEncryptedResponseAlg) return null;
  const { authorization } = standing;
  const { subject, signedInAt, claims: single = authorization.family?.says.claims } = authorization;
  const now = deps.clock.now();
  const grant = grantedIn(authorization, clientId, now);
  if (grant === null || exp <= now || !isEmpty(single)) return null;
  const account = await deps.findAccount(subject);
  if (!standsSince(account, signedInAt)) return null;
  const granted = (grant.openid?.scope ?? '').split(' ').filter((each) => scopes.includes(each));
  const sub = subjectFor(client, subject, deps.pairwise);
  return { clientId, claims: claimsAskedBy(granted, { ...claimsOf(account), sub }) };
}

/** What a token says, whether it says so itself or the store does. */
interface Presented extends Pick<AccessTokenClaims, 'aud' | 'exp'> {
  readonly clientId: string;
  readonly scopes: readonly string[];
  /** True unless it is bound to a key, was exchanged, or asks for single claims. */
  readonly isUsual: boolean;
  standing(): Promise<Standing>;
}

function presentedJwt(jwt: string, { reader, standing }: UserinfoDependencies): Presented | null {
  const read = reader.read(jwt);
  if (read.kind !== 'access') return null;
  const { kid, claims } = read;
  const { client_id: clientId, aud, exp, scope = '', cnf, rests_on: restsOn } = claims;
  return {
    clientId,
    aud,
    exp,
    scopes: scope.split(' '),
    isUsual: cnf === undefined && restsOn === undefined,
    standing: () => standingOf(standing, kid, claims),
  };
}

async function presentedOpaque(
  text: string,
  { opaqueTokens, standing }: UserinfoDependencies,
): Promise<Presented | null> {
  const token = await opaqueTokens.find(text);
  if (token === null) return null;
  const { clientId, aud, exp, scope = '', extra, claims } = token;
  const isBound = token.jkt !== undefined || token['x5t#S256'] !== undefined;
  return {
    clientId,
    aud,
    exp,
    scopes: scope.split(' '),
    isUsual: !isBound && extra?.rests_on === undefined && isEmpty(claims),
    standing: () => standingOfGround(standing, groundOf(token)),
  };
}

const isEmpty = (claims: unknown) => Object.keys(claims ?? {}).length === 0;
