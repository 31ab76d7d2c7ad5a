import type { Context } from 'koa';
import type { Provider, Session } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import { type LibraryModel, requestUnderWay, teachable } from '#src/oidc/library.ts';
import { browserOf } from '#src/sessions/browser.ts';
import { networkOf } from '#src/sessions/network.ts';
import { type Seen, type SessionRecord, sessionFrom } from '#src/sessions/session.ts';
import type { Sessions } from '#src/sessions/sessions.ts';
import type { Authorizations } from '#src/tokens/authorization.ts';

interface Dependencies {
  readonly clock: Clock;
  readonly sessions: Pick<Sessions, 'end'>;
  readonly authorizations: Pick<Authorizations, 'endWithSession'>;
}

export type LibrarySession = Session & LibraryModel & { seen?: Seen };

/**
 * Teaches the library that a session takes along what was to last as long as it, that its clients are to be told, and
 * that it remembers where it was last used.
 */
export function teachSessions(provider: Provider, { clock, sessions, authorizations }: Dependencies): void {
  const Model = teachable<LibrarySession>(provider.Session);
  const { save, destroy } = Model.prototype;
  const kept = (Model as unknown as { IN_PAYLOAD: readonly string[] }).IN_PAYLOAD;
  Object.defineProperty(Model, 'IN_PAYLOAD', { get: () => [...kept, 'seen'] });

  Model.prototype.save = async function saveSession(this: LibrarySession, ttl) {
    // A browser in which nobody is signed in is nobody's to recognise.
    const request = requestUnderWay();
    if (this.accountId !== undefined && request !== undefined) this.seen = seenIn(request, clock);
    return save.call(this, ttl);
  };
  Model.prototype.destroy = async function destroySession(this: LibrarySession) {
    const session = sessionFrom(this as unknown as SessionRecord);
    if (session === null) await authorizations.endWithSession(this.uid);
    else await sessions.end(session);
    await destroy.call(this);
  };

  // Whichever kind of answer it was, the client now knows of the session.
  provider.on('authorization.success', ({ oidc }) => {
    if (oidc.session === undefined || oidc.client === undefined) return;
    oidc.session.authorizationFor(oidc.client.clientId).persistsLogout = true;
  });
}

/** The session of the browser that asks; a new one, which is nobody's, if it has none. */
export function sessionOf(
  { Session: model }: Pick<Provider, 'Session'>,
  ctx: Context,
): Promise<LibrarySession> {
  return (model as unknown as { get(ctx: Context): Promise<LibrarySession> }).get(ctx);
}

/** Where a request comes from, as far as a session remembers it. */
export function seenIn(ctx: Pick<Context, 'get' | 'ip'>, clock: Clock): Seen {
  return { at: clock.now(), browser: browserOf(ctx.get('user-agent')), network: networkOf(ctx.ip) };
}
