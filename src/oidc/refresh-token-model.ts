import { errors, type Provider, type RefreshToken } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import type { AssertAnswerable } from '#src/oidc/assert-answerable.ts';
import { currentRequest, type LibraryModel, teachable } from '#src/oidc/library.ts';
import { jwtIn } from '#src/oidc/token-value.ts';
import type { Signer } from '#src/signing/jws.ts';
import { signJwt } from '#src/signing/jws.ts';
import type { Authorizations, Presentation } from '#src/tokens/authorization.ts';
import {
  newFamily,
  REFRESH_TOKEN_TYPE,
  type RefreshFamily,
  type RefreshLifetimes,
  refreshTokenClaims,
} from '#src/tokens/refresh-token.ts';
import { keyStands, type StandingSources } from '#src/tokens/standing.ts';
import type { TokenReader } from '#src/tokens/token-reader.ts';
import type { EpochSeconds } from '#src/units.ts';

export interface RefreshTokenDependencies {
  readonly issuer: string;
  readonly clock: Clock;
  readonly authorizations: Authorizations;
  readonly reader: TokenReader;
  readonly lifetimes: RefreshLifetimes;
  readonly standing: Pick<StandingSources, 'accountStands' | 'clientStands' | 'records'>;
  /** The key that signed refresh tokens at that time; the same for everyone who asks. */
  refreshKeyAt(time: EpochSeconds): Signer;
  /** Turns to the newest ring of keys. */
  readRing(): Promise<unknown>;
  readonly assertAnswerable: AssertAnswerable;
  /** Told when a family ends because one of its old tokens came back. */
  onReuse(replay: RefreshReplay): void;
  /** Told when an old token came back within the grace, whose successor is given once more. */
  onRetry(replay: RefreshReplay): void;
}

/** A refresh token that had been used before. */
export interface RefreshReplay {
  readonly requestId: unknown;
  readonly authorizationId: string;
  readonly clientId: string;
  readonly generation: number;
}

type Token = RefreshToken & LibraryModel;

/** What the library's instance does not say: which generation was presented, and what it is owed. */
interface Presented {
  readonly authorizationId: string;
  readonly generation: number;
  readonly outcome: Presentation['outcome'];
  successor?: string;
}

/** What every token of a family says, of what the library keeps on a refresh token. */
const FAMILY_SAYS = [
  'acr',
  'amr',
  'attestationJkt',
  'authTime',
  'claims',
  'gty',
  'jkt',
  'nonce',
  'rar',
  'resource',
  'scope',
  'sid',
  'x5t#S256',
] as const;

/** What the tokens of a family are to say, of all that is known of the sign-in. */
export function familySays(known: Readonly<Record<string, unknown>>): RefreshFamily['says'] {
  return Object.fromEntries(
    FAMILY_SAYS.map((name) => [name, known[name]]).filter(([, value]) => value !== undefined),
  );
}

/**
 * Teaches the library's refresh tokens to be generations of a family: JWTs that are refused without a look into the
 * store when forged or expired, used by one compare-and-set, and the same for everyone who is owed the same one.
 */
export function teachRefreshTokens(provider: Provider, deps: RefreshTokenDependencies): void {
  const RefreshTokens = teachable<RefreshToken>(provider.RefreshToken);
  const presentations = new WeakMap<object, Presented>();

  RefreshTokens.find = async (value) => {
    const jwt = typeof value === 'string' ? jwtIn(value, currentRequest().oidc.route) : null;
    const read = jwt === null || deps.reader.claimedKind(jwt) !== 'refresh' ? null : deps.reader.read(jwt);
    if (read?.kind !== 'refresh' || !(await keyStands(deps.standing, read.kid))) return undefined;
    const { authorizationId, generation, issuedAt, expiresAt } = read.reading;
    const presented = await deps.authorizations.present(authorizationId, generation);
    if (presented.outcome === 'absent') return undefined;
    const { authorization, family, outcome } = presented;
    const { subject, signedInAt } = authorization;
    if (!(await deps.standing.accountStands(subject, signedInAt))) return undefined;
    if (!(await deps.standing.clientStands(authorization.clientId, issuedAt))) return undefined;
    const token = new RefreshTokens({
      ...family.says,
      accountId: subject,
      clientId: authorization.clientId,
      grantId: authorizationId,
      iiat: family.startedAt,
      iat: issuedAt,
      exp: expiresAt,
      jti: `${authorizationId}.${generation}`,
    });
    presentations.set(token, { authorizationId, generation, outcome });
    if (outcome === 'reuse') token.consumed = deps.clock.now();
    // Introspection asks whether it is the token to use, and one with a successor is not.
    if (outcome !== 'current') Object.defineProperty(token, 'isValid', { value: false });
    return token;
  };

  RefreshTokens.prototype.consume = async function consume(this: Token) {
    const presented = presentationOf(this);
    // Whatever the request got wrong must be told before the token is used up, else a typing error costs a sign-in.
    await deps.assertAnswerable(currentRequest(), this);
    const used = await deps.authorizations.use(presented.authorizationId, presented.generation);
    if (used.outcome === 'absent') throw new errors.InvalidGrant('the authorization has been ended');
    if (used.outcome === 'reuse') {
      await this.destroy();
      throw new errors.InvalidGrant('refresh token already used');
    }
    presented.successor = await refreshTokenOf(presented.authorizationId, used.family, deps);
    if (used.outcome === 'retry') deps.onRetry(replayOf(this));
    this.emit('consumed');
  };

  RefreshTokens.prototype.save = async function save(this: Token) {
    const rotated = currentRequest().oidc.entities.RotatedRefreshToken;
    const successor = rotated === undefined ? undefined : presentations.get(rotated)?.successor;
    if (successor !== undefined) return successor;
    const says = familySays(this as unknown as Readonly<Record<string, unknown>>);
    const authorizationId = this.grantId as string;
    // An authorization that ended while its code was being redeemed leaves a token that was never alive.
    const family =
      (await deps.authorizations.startFamily(authorizationId, says)) ?? newFamily(says, deps.clock.now());
    return refreshTokenOf(authorizationId, family, deps);
  };

  RefreshTokens.prototype.destroy = async function destroy(this: Token) {
    const { authorizationId, outcome } = presentationOf(this);
    await deps.authorizations.end(authorizationId);
    if (outcome === 'reuse' && currentRequest().oidc.route === 'token') deps.onReuse(replayOf(this));
    this.emit('destroyed');
  };

  // The library asks every model in turn; access tokens, which it always asks, end the authorization or let it be.
  RefreshTokens.revokeByGrantId = async () => {};

  function replayOf(token: Token): RefreshReplay {
    const { authorizationId, generation } = presentationOf(token);
    const { requestId } = currentRequest().state;
    return { requestId, authorizationId, clientId: token.clientId as string, generation };
  }

  function presentationOf(token: Token): Presented {
    const presented = presentations.get(token);
    if (presented === undefined) throw new Error('this refresh token was not presented by anyone');
    return presented;
  }
}

/** What is needed to sign the tokens of families. */
export type RefreshTokenSigning = Pick<
  RefreshTokenDependencies,
  'issuer' | 'lifetimes' | 'standing' | 'refreshKeyAt' | 'readRing'
>;

/** The current token of a family: the same for everyone who is owed it. */
export async function refreshTokenOf(
  authorizationId: string,
  family: RefreshFamily,
  deps: RefreshTokenSigning,
): Promise<string> {
  const claims = refreshTokenClaims(deps.issuer, authorizationId, family, deps.lifetimes);
  return signJwt(await keyAt(family.advancedAt, deps), { typ: REFRESH_TOKEN_TYPE }, { ...claims });
}

/** What a key signs that was revoked a moment ago, without this node having read of it, would cost a person a sign-in. */
async function keyAt(time: EpochSeconds, deps: RefreshTokenSigning): Promise<Signer> {
  const key = deps.refreshKeyAt(time);
  if (await keyStands(deps.standing, key.kid)) return key;
  await deps.readRing();
  return deps.refreshKeyAt(time);
}
