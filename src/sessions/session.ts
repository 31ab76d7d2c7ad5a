import { ACCOUNT_CLIENT_ID } from '#src/clients/account-client.ts';
import type { Browser } from '#src/sessions/browser.ts';
import { after, type EpochSeconds, minutes } from '#src/units.ts';

/** Where a session was last used: the little by which its person recognises it. */
export interface Seen {
  readonly at: EpochSeconds;
  readonly browser: Browser;
  /** Whereabouts in the network; never a whole address. */
  readonly network: string | null;
}

/** What the store holds of a browser's session, as far as it matters beyond the protocol. */
export interface SessionRecord {
  /** Stays the same for as long as the session lasts, unlike the cookie. */
  readonly uid: string;
  readonly accountId?: string;
  readonly loginTs?: EpochSeconds;
  /** By client_id. `persistsLogout`: the client has been told of the sign-in. */
  readonly authorizations?: Readonly<
    Record<string, { readonly sid?: string; readonly persistsLogout?: boolean }>
  >;
  readonly seen?: Seen;
}

/** A browser in which somebody is signed in. */
export interface Session {
  readonly uid: string;
  readonly subject: string;
  readonly signedInAt: EpochSeconds;
  readonly seen: Seen | null;
  /** The clients that know of it, each by the session identifier (`sid`) that it has been told. */
  readonly clients: readonly SessionClient[];
}

export interface SessionClient {
  readonly clientId: string;
  readonly sid: string | null;
}

/** The session that a record tells of; `null` if nobody is signed in in it. */
export function sessionFrom({
  uid,
  accountId,
  loginTs,
  authorizations,
  seen,
}: SessionRecord): Session | null {
  if (accountId === undefined || loginTs === undefined) return null;
  const clients = Object.entries(authorizations ?? {})
    // A client that has got no answer yet, or a refusal, must not learn who was there.
    .filter(([clientId, { persistsLogout }]) => persistsLogout === true && clientId !== ACCOUNT_CLIENT_ID)
    .map(([clientId, { sid }]) => ({ clientId, sid: sid ?? null }));
  return { uid, subject: accountId, signedInAt: loginTs, seen: seen ?? null, clients };
}

/** The same session, read from two records: one that a late request has left behind, under an older cookie. */
export function joinSessions(one: Session, other: Session): Session {
  const [newer, older] = (one.seen?.at ?? 0) >= (other.seen?.at ?? 0) ? [one, other] : [other, one];
  const clients = new Map([...older.clients, ...newer.clients].map((client) => [client.clientId, client]));
  return { ...newer, clients: [...clients.values()] };
}

/** A session that is used again within this time is not said to have been used later, unless it is elsewhere. */
const SEEN_AGAIN_AFTER = minutes(1);

/** True if `later` tells its person nothing that `earlier` does not. */
export function isSeenAlike(earlier: Seen | undefined, later: Seen): boolean {
  if (earlier === undefined || later.at >= after(earlier.at, SEEN_AGAIN_AFTER)) return false;
  const { browser, network } = earlier;
  return (
    later.at >= earlier.at &&
    network === later.network &&
    browser.name === later.browser.name &&
    browser.system === later.browser.system
  );
}
