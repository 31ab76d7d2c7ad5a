import type { Destination } from '#src/outbox/delivery.ts';
import type { Outbox } from '#src/outbox/outbox.ts';
import { everyOwned } from '#src/record-loops.ts';
import type { Records } from '#src/records.ts';
import { joinSessions, type Session, type SessionRecord, sessionFrom } from '#src/sessions/session.ts';
import type { Authorizations } from '#src/tokens/authorization.ts';

/** What a client is told when a session ends that it knows of: OpenID Connect Back-Channel Logout section 2.4. */
export interface SignOutNotice {
  readonly clientId: string;
  readonly subject: string;
  readonly sid: string | null;
}

/** The topic of such a delivery. Its recipient is the client. */
export const SIGN_OUT_TOPIC = 'backchannel-logout';

export interface SessionsPorts {
  readonly records: Pick<Records, 'findByAlias' | 'listOwned' | 'settled'>;
  readonly authorizations: Pick<Authorizations, 'endWithSession'>;
  readonly outbox: Pick<Outbox, 'post'>;
  /** Where a client is told; `null` if it has no `backchannel_logout_uri`. It is asked again when the notice is sent. */
  signOutDestination(clientId: string): Promise<Destination | null>;
}

/** The sessions in the store: who is signed in in which browsers, and what ends with that. */
export class Sessions {
  readonly #ports: SessionsPorts;

  constructor(ports: SessionsPorts) {
    this.#ports = ports;
  }

  /** The sessions of an account, the one that was used last first. */
  async listOf(subject: string): Promise<readonly Session[]> {
    const sessions = new Map<string, Session>();
    for await (const { value } of everyOwned<SessionRecord>(this.#ports.records, 'session', subject)) {
      const session = sessionFrom(value);
      if (session === null || session.subject !== subject) continue;
      const known = sessions.get(session.uid);
      sessions.set(session.uid, known === undefined ? session : joinSessions(known, session));
    }
    return [...sessions.values()].toSorted((a, b) => lastUse(b) - lastUse(a));
  }

  /** The session with this uid; `null` if it has ended, or nobody is signed in in it. */
  async find(uid: string): Promise<Session | null> {
    const record = await this.#ports.records.findByAlias<SessionRecord>('session', `uid:${uid}`);
    return record === null ? null : sessionFrom(record.value);
  }

  /**
   * Ends a session, everything that was to last as long as it, and has its clients told. When this returns it has
   * ended everywhere, and the clients will be told whatever becomes of this process. @throws StorageFault
   */
  async end(session: Session): Promise<void> {
    const notices = await this.#noticesFor(session);
    // All of it belongs to one turn, so the store commits it together.
    await Promise.all([
      this.#ports.authorizations.endWithSession(session.uid),
      ...notices.map((notice) => this.#post(notice)),
    ]);
  }

  /** Ends a session of an account, if it is one of these and has not ended yet. */
  endOf(subject: string, uid: string): Promise<readonly Session[]> {
    return this.#endThose(subject, (session) => session.uid === uid);
  }

  /** Ends every session of an account, or every other one. Answers which. */
  endAllOf(subject: string, { except }: { except?: string } = {}): Promise<readonly Session[]> {
    return this.#endThose(subject, ({ uid }) => uid !== except);
  }

  /** That there is none is answered once it is settled: what has ended one may not have been acknowledged. */
  async #endThose(subject: string, isMeant: (session: Session) => boolean): Promise<readonly Session[]> {
    const ending = (await this.listOf(subject)).filter(isMeant);
    if (ending.length === 0) await this.#ports.records.settled();
    for (const session of ending) await this.end(session);
    return ending;
  }

  /** Has the clients of every session of an account told that it is over, for as long as the account is locked. */
  async suspendAllOf(subject: string): Promise<void> {
    for (const session of await this.listOf(subject)) {
      const notices = await this.#noticesFor(session);
      await Promise.all(notices.map((notice) => this.#post(notice)));
    }
  }

  /** Has one client told that a session is over for it. */
  async dismiss(notice: SignOutNotice): Promise<void> {
    const destination = await this.#ports.signOutDestination(notice.clientId);
    if (destination !== null) await this.#post({ notice, destination });
  }

  /** Has one client told that every session of a person that it knows of is over for it. */
  async dismissAllOf(subject: string, clientId: string): Promise<void> {
    for (const { clients } of await this.listOf(subject)) {
      const known = clients.find((client) => client.clientId === clientId);
      if (known !== undefined) await this.dismiss({ ...known, subject });
    }
  }

  async #noticesFor({ subject, clients }: Session): Promise<readonly Addressed[]> {
    const addressed = clients.map(async ({ clientId, sid }) => ({
      notice: { clientId, subject, sid },
      destination: await this.#ports.signOutDestination(clientId),
    }));
    return (await Promise.all(addressed)).filter((each): each is Addressed => each.destination !== null);
  }

  #post({ notice, destination }: Addressed): Promise<void> {
    const { clientId: recipient } = notice;
    return this.#ports.outbox.post({ topic: SIGN_OUT_TOPIC, recipient, destination, content: notice });
  }
}

/** A notice, and where it goes. */
interface Addressed {
  readonly notice: SignOutNotice;
  readonly destination: Destination;
}

const lastUse = ({ seen, signedInAt }: Session) => seen?.at ?? signedInAt;
