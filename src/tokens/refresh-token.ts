import { after, type EpochSeconds, epochSeconds, type Seconds } from '#src/units.ts';

/**
 * Refresh tokens come in families. A family begins with an authorization, and each use of its current token makes the
 * next generation. The store holds one record per family, not one per token: the generation that is current and when
 * it became so. A token is a function of its family and its generation, signed by a key whose signatures repeat, so
 * everyone who is owed a generation is given the very same token.
 */
export interface RefreshFamily {
  readonly generation: number;
  /** When the current generation began. */
  readonly advancedAt: EpochSeconds;
  /** The same by the clock of the store, which is one for all servers; not there where the store has none. */
  readonly advancedAtOfStore?: EpochSeconds;
  readonly startedAt: EpochSeconds;
  /** What every token of the family says: whom and what it is for. Opaque here. */
  readonly says: Readonly<Record<string, unknown>>;
}

export interface RefreshLifetimes {
  /** How long a token lives unused. */
  readonly idle: Seconds;
  /** How long a family lives, however much it is used. */
  readonly absolute: Seconds;
  /** How long the token before the current one may be presented again by a client that never saw the answer. */
  readonly grace: Seconds;
}

export function newFamily(says: RefreshFamily['says'], now: EpochSeconds): RefreshFamily {
  return { generation: 1, advancedAt: now, startedAt: now, says };
}

/** The family after its current token has been used. */
export function advance(
  { advancedAtOfStore: _, ...family }: RefreshFamily,
  now: EpochSeconds,
  ofStore: EpochSeconds | null = null,
): RefreshFamily {
  const advanced = { ...family, generation: family.generation + 1, advancedAt: now };
  return ofStore === null ? advanced : { ...advanced, advancedAtOfStore: ofStore };
}

/** When the current token of the family ends. */
export function familyExpiresAt(family: RefreshFamily, lifetimes: RefreshLifetimes): EpochSeconds {
  const idle = after(family.advancedAt, lifetimes.idle);
  const absolute = after(family.startedAt, lifetimes.absolute);
  return epochSeconds(Math.min(idle, absolute));
}

/**
 * What presenting a token of this generation means. `current`: it is to be used. `retry`: it has been used, but just
 * now, so its successor is given once more (a lost answer, a second tab). `reuse`: two parties hold the family, and
 * it must end: RFC 9700 section 4.14.2. Generations decide; the clock only bounds the retry. That is the store's where it
 * has one: a retry at a server whose clock is ahead of the other's must not end the family.
 */
export function judge(
  family: RefreshFamily,
  generation: number,
  now: EpochSeconds,
  lifetimes: RefreshLifetimes,
  ofStore: EpochSeconds | null = null,
): 'current' | 'retry' | 'reuse' {
  if (generation === family.generation) return 'current';
  const isPrevious = generation === family.generation - 1;
  const { advancedAt, advancedAtOfStore } = family;
  const isInGrace =
    ofStore === null || advancedAtOfStore === undefined
      ? now <= after(advancedAt, lifetimes.grace)
      : ofStore <= after(advancedAtOfStore, lifetimes.grace);
  return isPrevious && isInGrace ? 'retry' : 'reuse';
}

/** The media type in the header of a refresh token; no other token of this server bears it. RFC 8725 section 3.11. */
export const REFRESH_TOKEN_TYPE = 'rt+jwt';

/** What a refresh token says. Only this server reads it, so the audience is the issuer itself. */
export interface RefreshTokenClaims {
  readonly iss: string;
  readonly aud: string;
  readonly iat: EpochSeconds;
  readonly exp: EpochSeconds;
  readonly jti: string;
}

/** What the current token of a family says. Depends on nothing but its arguments, so it can be said again. */
export function refreshTokenClaims(
  issuer: string,
  authorizationId: string,
  family: RefreshFamily,
  lifetimes: RefreshLifetimes,
): RefreshTokenClaims {
  return {
    iss: issuer,
    aud: issuer,
    iat: family.advancedAt,
    exp: familyExpiresAt(family, lifetimes),
    jti: `${authorizationId}.${family.generation}`,
  };
}

const REFRESH_TOKEN_ID = /^([A-Za-z0-9_-]{1,64})\.([1-9][0-9]{0,9})$/;

export interface RefreshTokenReading {
  readonly authorizationId: string;
  readonly generation: number;
  readonly issuedAt: EpochSeconds;
  readonly expiresAt: EpochSeconds;
}

/** Which family and generation a refresh token is of, its signature having been verified; `null` if it is none of ours. */
export function readRefreshTokenClaims(
  header: Readonly<Record<string, unknown>>,
  claims: Readonly<Record<string, unknown>>,
  issuer: string,
): RefreshTokenReading | null {
  if (header.typ !== REFRESH_TOKEN_TYPE || claims.iss !== issuer || claims.aud !== issuer) return null;
  const { iat, exp, jti } = claims;
  const named = typeof jti === 'string' ? REFRESH_TOKEN_ID.exec(jti) : null;
  if (named === null || !Number.isSafeInteger(iat) || !Number.isSafeInteger(exp)) return null;
  return {
    authorizationId: named[1] as string,
    generation: Number(named[2]),
    issuedAt: iat as EpochSeconds,
    expiresAt: exp as EpochSeconds,
  };
}
