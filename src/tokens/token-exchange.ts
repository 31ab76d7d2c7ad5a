import type { TokenExchangePolicy } from '#src/clients/token-exchange-policy.ts';
import { Refusal } from '#src/fault.ts';
import { isNamedIn } from '#src/resources/resource-server.ts';
import type { Actor, RestsOn } from '#src/tokens/access-token.ts';
import type { PresentedToken } from '#src/tokens/presented-token.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/** What a client asks for, with everything that it named found: RFC 8693 section 2.1. */
export interface ExchangeRequest {
  readonly issuer: string;
  readonly client: {
    readonly clientId: string;
    readonly scope: readonly string[];
    readonly tokenExchange: TokenExchangePolicy | null;
  };
  readonly subject: PresentedToken;
  readonly actor: PresentedToken | null;
  readonly target: { readonly identifier: string; readonly scope: readonly string[] };
  /** `null` for a request that names none. */
  readonly scope: readonly string[] | null;
}

/** What the token that is issued may say. */
export interface Exchange {
  readonly semantics: 'delegation' | 'impersonation';
  readonly scope: readonly string[];
  readonly act: Actor | null;
  readonly restsOn: RestsOn;
  /** When it ends at the latest. */
  readonly expiresAt: EpochSeconds;
}

/** How often a token may have been exchanged, so that neither its claims nor what it rests on grow without end. */
export const EXCHANGED_TOKENS_MAX = 16;

/**
 * Decides an exchange: RFC 8693 section 2. The token that comes of it allows no more than the subject token, the
 * client's registration and the target have in common, ends no later than either token, and falls with both.
 * @throws Refusal `subject_token_unacceptable`, `actor_token_unacceptable`, `target_unacceptable` or
 * `scope_unacceptable`.
 */
export function exchange(request: ExchangeRequest): Exchange {
  const { client, subject, actor, target } = request;
  const policy = client.tokenExchange;
  if (policy === null || !isNamedIn(policy.to, target.identifier))
    throw new Refusal('target_unacceptable', 'the client may exchange no token for one of this target');
  assertMayBring(policy, client.clientId, subject);
  if (subject.resources !== null && !isNamedIn(subject.resources, target.identifier))
    throw new Refusal('target_unacceptable', 'the sign-in of the subject token did not ask for this target');
  if (actor !== null) assertMayActAs(client.clientId, actor);
  assertNamedActor(request);
  const restsOn = groundOf(request);
  if ((restsOn.jti ?? []).length > EXCHANGED_TOKENS_MAX)
    throw new Refusal('subject_token_unacceptable', 'the subject token has been exchanged too often');
  const semantics = semanticsOf(policy, actor);
  return {
    semantics,
    scope: scopeOf(request),
    act: semantics === 'delegation' ? actorOf(request) : subject.act,
    restsOn,
    expiresAt: epochSeconds(Math.min(subject.expiresAt, actor?.expiresAt ?? subject.expiresAt)),
  };
}

/** Tokens of others come to a client only as to the API that they were issued for. */
function assertMayBring(policy: TokenExchangePolicy, clientId: string, subject: PresentedToken): void {
  if (subject.clientId === clientId) return;
  const given = subject.kind === 'access' && subject.audiences.some((each) => policy.from.includes(each));
  if (!given)
    throw new Refusal(
      'subject_token_unacceptable',
      'the subject token was issued neither to this client nor to an audience that it may exchange tokens of',
    );
}

/** Whoever acts is known by a token that this very client was issued, and that no one else acts in. */
function assertMayActAs(clientId: string, actor: PresentedToken): void {
  if (actor.clientId !== clientId)
    throw new Refusal('actor_token_unacceptable', 'the actor token was issued to another client');
  if (actor.act !== null)
    throw new Refusal('actor_token_unacceptable', 'the actor token is itself one of delegation');
}

/** A subject token that names who may act is good for that party alone: RFC 8693 section 4.4. */
function assertNamedActor({ issuer, client, subject, actor }: ExchangeRequest): void {
  if (subject.mayAct === null) return;
  const party: Readonly<Record<string, unknown>> = {
    iss: issuer,
    sub: actor?.sub ?? client.clientId,
    client_id: client.clientId,
  };
  const named = Object.entries(subject.mayAct);
  const isNamed = named.length > 0 && named.every(([claim, value]) => party[claim] === value);
  if (!isNamed)
    throw new Refusal('subject_token_unacceptable', 'the subject token names another who may act');
}

/** An actor token asks for delegation. Without one a client that may impersonate does, and else acts itself. */
function semanticsOf({ semantics }: TokenExchangePolicy, actor: PresentedToken | null) {
  if (actor === null) return semantics.includes('impersonation') ? 'impersonation' : 'delegation';
  if (semantics.includes('delegation')) return 'delegation';
  throw new Refusal('actor_token_unacceptable', 'the client may impersonate subjects and not act for them');
}

/** Whoever acted before stays within: RFC 8693 section 4.1. */
function actorOf({ client, subject, actor }: ExchangeRequest): Actor {
  const sub = actor?.sub ?? client.clientId;
  return subject.act === null ? { sub } : { sub, act: subject.act };
}

function scopeOf({ client, subject, target, scope }: ExchangeRequest): readonly string[] {
  const obtainable = target.scope.filter(
    (each) => subject.scope.includes(each) && client.scope.includes(each),
  );
  const refused = scope?.find((each) => !obtainable.includes(each));
  if (refused !== undefined)
    throw new Refusal(
      'scope_unacceptable',
      'the scope is beyond the subject token, the client or the target',
      {
        scope: refused,
      },
    );
  // A token without any scope would still be addressed to its audience, and some APIs look at no more.
  if (obtainable.length === 0 && target.scope.length > 0)
    throw new Refusal('scope_unacceptable', 'the subject token and the client share no scope of the target');
  return scope ?? obtainable;
}

function groundOf({ client, subject, actor }: ExchangeRequest): RestsOn {
  const jti = [subject, actor].flatMap((token) => [...(token?.restsOn.jti ?? []), token?.jti ?? []].flat());
  const grants = [
    ...(subject.restsOn.grant_id ?? []),
    ...(actor?.restsOn.grant_id ?? []),
    ...[actor?.authorizationId ?? []].flat(),
  ];
  const clients = [
    ...(subject.restsOn.client_id ?? []),
    ...(actor?.restsOn.client_id ?? []),
    subject.clientId,
  ].filter((each) => each !== client.clientId);
  return {
    ...(jti.length === 0 ? undefined : { jti: unique(jti) }),
    ...(grants.length === 0 ? undefined : { grant_id: unique(grants) }),
    ...(clients.length === 0 ? undefined : { client_id: unique(clients) }),
  };
}

const unique = (names: readonly string[]) => [...new Set(names)];
