import { z } from 'zod';
import type { Clock } from '#src/clock.ts';
import type { Services } from '#src/services.ts';
import { parseJwt } from '#src/signing/jws.ts';
import { KeyHolder } from '#src/signing/key-holder.ts';
import type { AccessTokenClaims, RestsOn } from '#src/tokens/access-token.ts';
import type { RefreshTokenReading } from '#src/tokens/refresh-token.ts';
import { type FallenReason, standingByItself, standingOf, standingOfGround } from '#src/tokens/standing.ts';
import { TokenReader, type UnreadableReason } from '#src/tokens/token-reader.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/** What was found out about a token. */
export interface Finding {
  readonly kind: TokenKind;
  /** `null` for a token that is active. */
  readonly reason: InactiveReason | null;
  readonly header: Members | null;
  /** What the token says, or what is kept of an opaque one. To be believed only where the signature has passed. */
  readonly claims: Members | null;
  readonly clientId: string | null;
  /** The account that it was issued for; `null` for a client that acts for itself. */
  readonly subject: string | null;
  readonly authorizationId: string | null;
  /** Where a refresh token stands in its family. */
  readonly family: { readonly generation: number; readonly currentGeneration: number } | null;
}

export type TokenKind =
  | 'access_token_of_person'
  | 'access_token_of_client'
  | 'canary'
  | 'refresh_token'
  | 'opaque_token'
  | 'unknown';

/** `superseded`: used a moment ago, and good for the same successor once more. `reused`: good for ending its family. */
export type InactiveReason = UnreadableReason | FallenReason | 'not_found' | 'superseded' | 'reused';

type Members = Readonly<Record<string, unknown>>;

/** Finds out whether a token is active, by the same rules as the server, and changes nothing on the way. */
export function findToken(token: string, services: Services, clock: Clock): Promise<Finding> {
  return token.includes('.') ? findJwt(token, services, clock) : findOpaque(token, services);
}

type Outcome = Omit<Finding, 'kind' | 'header' | 'claims'>;

const UNREAD = { clientId: null, subject: null, authorizationId: null, family: null };

async function findJwt(token: string, services: Services, clock: Clock): Promise<Finding> {
  const keys = new KeyHolder({ rotation: services.rotation, clock, onFault: () => {} });
  const reader = new TokenReader({ keys, issuer: services.config.issuer, clock });
  const parsed = parseJwt(token);
  const said = {
    kind: kindOf(reader.claimedKind(token)),
    header: parsed?.header ?? null,
    claims: parsed?.claims ?? null,
  };
  const read = reader.read(token);
  if (read.kind === 'access') return { ...said, ...(await accessOutcome(read, services)) };
  if (read.kind === 'canary') return { ...said, ...(await canaryOutcome(read, services)) };
  if (read.kind === 'refresh') return { ...said, ...(await refreshOutcome(read.reading, services)) };
  const reason = read.reason === 'unknown_key' ? await whyUnknown(said.header?.kid, services) : read.reason;
  return { ...said, ...UNREAD, reason };
}

/** A key that was revoked verifies nothing any more, and is remembered for as long as its tokens would have lived. */
async function whyUnknown(kid: unknown, { rotation }: Services): Promise<InactiveReason> {
  const key = (await rotation.list()).find((each) => each.kid === kid);
  return key?.state === 'revoked' ? 'key_revoked' : 'unknown_key';
}

function kindOf(claimed: ReturnType<TokenReader['claimedKind']>): TokenKind {
  if (claimed === 'access-of-person') return 'access_token_of_person';
  if (claimed === 'access-of-client') return 'access_token_of_client';
  if (claimed === 'canary') return 'canary';
  return claimed === 'refresh' ? 'refresh_token' : 'unknown';
}

async function accessOutcome(
  { kid, claims }: { kid: string; claims: AccessTokenClaims },
  services: Services,
): Promise<Outcome> {
  const standing = await standingOf(services.standing, kid, claims);
  const authorizationId = claims.grant_id ?? null;
  const authorization = authorizationId === null ? null : await services.authorizations.find(authorizationId);
  return {
    reason: standing.stands ? null : standing.reason,
    clientId: claims.client_id,
    // What the token calls its subject is not always the account's own (OpenID Connect Core section 8.1).
    subject: authorizationId === null ? null : (authorization?.subject ?? claims.sub),
    authorizationId,
    family: null,
  };
}

async function canaryOutcome(
  { kid, claims }: { kid: string; claims: AccessTokenClaims },
  services: Services,
): Promise<Outcome> {
  const standing = await standingByItself(services.standing, kid, claims.jti);
  return { ...UNREAD, clientId: claims.client_id, reason: standing.stands ? null : standing.reason };
}

async function refreshOutcome(
  { authorizationId, generation, issuedAt }: RefreshTokenReading,
  services: Services,
): Promise<Outcome> {
  const presented = await services.authorizations.present(authorizationId, generation);
  if (presented.outcome === 'absent') return { ...UNREAD, authorizationId, reason: 'authorization_ended' };
  const { outcome, authorization, family } = presented;
  const { clientId, subject } = authorization;
  const reason = { current: null, retry: 'superseded', reuse: 'reused' } as const;
  return {
    reason: reason[outcome] ?? (await groundProblem({ clientId, authorizationId, issuedAt }, services)),
    clientId,
    subject,
    authorizationId,
    family: { generation, currentGeneration: family.generation },
  };
}

/** What is read of an opaque token as the protocol library keeps it. */
const opaqueToken = z.looseObject({
  clientId: z.string(),
  accountId: z.string().optional(),
  grantId: z.string().optional(),
  iat: z.int(),
  extra: z.looseObject({ rests_on: z.custom<RestsOn>().optional() }).optional(),
});

async function findOpaque(token: string, services: Services): Promise<Finding> {
  const { store } = services;
  const record =
    (await store.records.find('opaque-access-token', token)) ??
    (await store.records.find('opaque-client-credentials', token));
  const opaque = { kind: 'opaque_token', header: null } as const;
  if (record === null) return { ...opaque, ...UNREAD, claims: null, reason: 'not_found' };
  // The identifier is the token itself, which whoever reads the answer over a shoulder must not get.
  const { jti: _, ...claims } = opaqueToken.parse(record.value);
  const { clientId, accountId: subject = null, grantId: authorizationId = null } = claims;
  const issuedAt = epochSeconds(claims.iat);
  const restsOn = claims.extra?.rests_on;
  const reason = await groundProblem({ clientId, authorizationId, issuedAt, restsOn }, services);
  return { ...opaque, claims, reason, clientId, subject, authorizationId, family: null };
}

/** What is wrong with what a token rests on, if anything. */
async function groundProblem(
  token: {
    clientId: string;
    authorizationId: string | null;
    issuedAt: EpochSeconds;
    restsOn?: RestsOn | undefined;
  },
  { standing }: Services,
): Promise<InactiveReason | null> {
  const authorizationId = token.authorizationId ?? undefined;
  const ground = await standingOfGround(standing, { ...token, authorizationId });
  return ground.stands ? null : ground.reason;
}
