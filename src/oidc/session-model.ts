import type { Context } from 'koa';
import type { Adapter, Provider, Session } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import { type LibraryModel, requestUnderWay, teachable } from '#src/oidc/library.ts';
import { type ProviderLifetimes, sessionTtl } from '#src/oidc/lifetimes.ts';
import { browserOf } from '#src/sessions/browser.ts';
import { networkOf } from '#src/sessions/network.ts';
import { isSeenAlike, type Seen, type SessionRecord, sessionFrom } from '#src/sessions/session.ts';
import type { Sessions } from '#src/sessions/sessions.ts';
import type { Authorizations } from '#src/tokens/authorization.ts';
import { after } from '#src/units.ts';

/** What tells how long a session lasts. */
interface Lasting {
  readonly clock: Clock;
  readonly lifetimes: ProviderLifetimes;
}

interface Dependencies extends Lasting {
  readonly sessions: Pick<Sessions, 'end'>;
  readonly authorizations: Pick<Authorizations, 'endWithSession'>;
}

export type LibrarySession = Session & LibraryModel & Taught;

interface Taught {
  seen?: Seen;
  oldId?: string | undefined;
  touched?: boolean;
  readonly new?: boolean;
  readonly destroyed?: boolean;
  readonly adapter: Pick<Adapter, 'destroy'>;
  /** What is known of the record; not there for a session that the library has not looked for. */
  readonly known?: Known;
}

/** What a session said when it was read, and when this request last saw it written; `null` for not at all. */
interface Known {
  readonly read: string | null;
  written: string | null;
}

/**
 * Teaches the library that a session takes along what was to last as long as it, that its clients are to be told, that
 * it remembers where it was last used, and that it need not be written where nothing of it has changed.
 */
export function teachSessions(provider: Provider, deps: Dependencies): void {
  const { clock, sessions, authorizations } = deps;
  const Model = teachable<LibrarySession>(provider.Session);
  const { save, destroy } = Model.prototype;
  const kept = (Model as unknown as { IN_PAYLOAD: readonly string[] }).IN_PAYLOAD;
  Object.defineProperty(Model, 'IN_PAYLOAD', { get: () => [...kept, 'seen'] });
  noteWhatIsRead(provider);

  Model.prototype.save = async function saveSession(this: LibrarySession, ttl) {
    const { known, oldId } = this;
    if (known?.written === saidBy(this)) {
      this.touched = false;
      return this.jti;
    }
    // A browser in which nobody is signed in is nobody's to recognise.
    const request = requestUnderWay();
    if (this.accountId !== undefined && request !== undefined) this.seen = seenIn(request, clock);
    const said = saidBy(this);
    // The library would wait for one before the other; together they are one commit.
    this.oldId = undefined;
    const removed = oldId === undefined ? null : this.adapter.destroy(oldId);
    const [value] = await Promise.all([save.call(this, ttl), removed]);
    if (known !== undefined) known.written = said;
    return value;
  };
  Model.prototype.destroy = async function destroySession(this: LibrarySession) {
    const session = sessionFrom(this as unknown as SessionRecord);
    if (session === null) await authorizations.endWithSession(this.uid);
    else await sessions.end(session);
    await destroy.call(this);
  };
  saveAlong(provider.AuthorizationCode, deps);
  saveAlong(provider.Interaction, deps);

  // Whichever kind of answer it was, the client now knows of the session.
  provider.on('authorization.success', ({ oidc }) => {
    if (oidc.session === undefined || oidc.client === undefined) return;
    oidc.session.authorizationFor(oidc.client.clientId).persistsLogout = true;
  });
}

function noteWhatIsRead(provider: Provider): void {
  const Model = provider.Session as unknown as { instantiate(payload?: object): LibrarySession };
  const { instantiate } = Model;
  Model.instantiate = function instantiateSession(payload) {
    const session = instantiate.call(this, payload);
    const wasRead = payload !== undefined && Object.hasOwn(payload, 'jti');
    const known: Known = { read: wasRead ? saidBy(session) : null, written: null };
    Object.defineProperty(session, 'known', { value: known });
    return session;
  };
}

/**
 * The library writes a session at the end of each request, behind everything else. Where a code or an interaction is
 * written, the session of somebody who is signed in goes along with that, in one commit; and where it says what it said
 * before, it is not written. Only there: what is read may be lost until a later write is acknowledged.
 */
function saveAlong(model: unknown, deps: Lasting): void {
  const { clock } = deps;
  const { prototype } = teachable<object>(model);
  const { save } = prototype;
  prototype.save = async function saveWithSession(this: LibraryModel, ttl) {
    const request = requestUnderWay();
    const session = request?.oidc.session as LibrarySession | undefined;
    if (request === undefined || session?.known === undefined || !isToBeSaved(session))
      return save.call(this, ttl);
    const seen = seenIn(request, clock);
    const [value] = await Promise.all([save.call(this, ttl), saveWhereChanged(session, seen, deps)]);
    // Else the library would not send the cookie of a session that is new.
    session.touched = true;
    return value;
  };
}

/** True for the sessions that the library would write, as far as somebody is signed in. */
const isToBeSaved = ({ accountId, destroyed, new: isNew, touched }: LibrarySession): boolean =>
  accountId !== undefined && destroyed !== true && (isNew !== true || touched === true);

/**
 * Saves the session of somebody who is signed in unless the record in the store would be the same, but for the time of
 * its last use. To be called along with a write that the answer waits for.
 */
export async function saveWhereChanged(session: LibrarySession, seen: Seen, deps: Lasting): Promise<void> {
  const { known } = session;
  const said = saidBy(session);
  if (known?.read === said && endsAsStored(session, deps) && isSeenAlike(session.seen, seen)) {
    known.written = said;
  } else {
    session.seen = seen;
    await session.save(sessionTtl(session, deps.lifetimes, deps.clock));
  }
}

/** True if a session that is used now lasts as long as it says already. */
export function endsAsStored(session: LibrarySession, { lifetimes, clock }: Lasting): boolean {
  const endsAt = after(clock.now(), sessionTtl(session, lifetimes, clock));
  // The library's seconds may have gone on between two looks at the clock.
  return session.exp !== undefined && Math.abs(session.exp - endsAt) <= 1;
}

/**
 * What a session says, but for when it was used. Which grant a client has been given last is nothing to it: the library
 * would revoke that at the session's end if the client did not know of the session, and ours end with it anyway.
 */
function saidBy({
  jti,
  uid,
  accountId,
  loginTs,
  acr,
  amr,
  transient,
  state,
  authorizations = {},
}: LibrarySession): string {
  const clients = Object.entries(authorizations).map(([clientId, { sid, persistsLogout }]) => [
    clientId,
    sid,
    persistsLogout,
  ]);
  return JSON.stringify([jti, uid, accountId, loginTs, acr, amr, transient, state, clients]);
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
