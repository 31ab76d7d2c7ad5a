import type { Clock } from '#src/clock.ts';
import { everyOwned } from '#src/record-loops.ts';
import type { Records } from '#src/records.ts';
import { removalNoted } from '#src/revocations/note.ts';
import {
  advance,
  familyExpiresAt,
  judge,
  newFamily,
  type RefreshFamily,
  type RefreshLifetimes,
} from '#src/tokens/refresh-token.ts';
import { after, type EpochSeconds, epochSeconds, type Seconds } from '#src/units.ts';

/**
 * What a person has authorized a client to do at one sign-in: RFC 6749 section 1.3 calls it the authorization grant.
 * It is one record: while that stands, so do the access tokens issued under it, and its refresh tokens are one family.
 */
export interface Authorization {
  readonly subject: string;
  readonly clientId: string;
  /** When the person signed in, which may be long before this client asked. */
  readonly signedInAt: EpochSeconds;
  /** The library's own account of what was granted. Opaque here. */
  readonly grant: Readonly<Record<string, unknown>>;
  /** The single claims that the client has asked for: OpenID Connect Core section 5.5. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined;
  readonly family: RefreshFamily | null;
  /** The session it ends with; `null` where it outlives the session (offline_access). */
  readonly sessionUid: string | null;
}

/** An authorization as it was when it was read. */
export interface SeenAuthorization {
  readonly authorization: Authorization;
  readonly version: number;
}

export type Presentation = Presented | { readonly outcome: 'absent' };

interface Presented {
  /** `current`: use it. `retry`: hand out the current token again. */
  readonly outcome: 'current' | 'retry' | 'reuse';
  readonly authorization: Authorization;
  readonly family: RefreshFamily;
  /** When the record was at which version. */
  readonly seen: { readonly version: number; readonly ofStore: EpochSeconds | null };
}

/** The group in the store of what was issued under an authorization. */
export const authorizationGroup = (id: string) => `authorization:${id}`;

/** The group in the store of what ends with a session. */
export const sessionGroup = (uid: string) => `session:${uid}`;

export interface AuthorizationLifetimes {
  readonly refresh: RefreshLifetimes;
  /** The longest that anything issued under an authorization without refresh tokens can live. */
  readonly longestToken: Seconds;
}

/** The authorizations in the store. */
export class Authorizations {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #lifetimes: AuthorizationLifetimes;
  readonly #storeClock: () => Promise<EpochSeconds | null>;

  constructor(options: {
    records: Records;
    clock: Clock;
    lifetimes: AuthorizationLifetimes;
    /** The clock that all servers on the store share, if it has one. */
    storeClock?: () => Promise<EpochSeconds | null>;
  }) {
    this.#records = options.records;
    this.#clock = options.clock;
    this.#lifetimes = options.lifetimes;
    this.#storeClock = options.storeClock ?? (async () => null);
  }

  /** Opens an authorization. False if its session has ended meanwhile: then nothing may be issued. */
  async open(id: string, authorization: Authorization): Promise<boolean> {
    const outcome = await this.#put(id, authorization, 'absent');
    return outcome === 'stored';
  }

  async find(id: string): Promise<Authorization | null> {
    const record = await this.#records.find<Authorization>('authorization', id);
    return record?.value ?? null;
  }

  /** The same, with what it takes to tell whether somebody has written it since. */
  async look(id: string): Promise<SeenAuthorization | null> {
    const record = await this.#records.find<Authorization>('authorization', id);
    return record && { authorization: record.value, version: record.version };
  }

  /** Begins the family of refresh tokens of an authorization; `null` if the authorization has ended. */
  async startFamily(id: string, says: RefreshFamily['says']): Promise<RefreshFamily | null> {
    for (;;) {
      const seen = await this.look(id);
      if (seen === null) return null;
      const family = newFamily(says, this.#clock.now());
      const outcome = await this.startFamilyOf(id, seen, family);
      if (outcome !== 'changed') return outcome === 'started' ? family : null;
    }
  }

  /** Begins this family, at once and only if nobody has written the authorization since it was seen. */
  async startFamilyOf(
    id: string,
    { authorization, version }: SeenAuthorization,
    family: RefreshFamily,
  ): Promise<'started' | 'ended' | 'changed'> {
    const outcome = await this.#put(id, { ...authorization, family }, { version });
    if (outcome === 'stored') return 'started';
    return outcome === 'group-ended' ? 'ended' : 'changed';
  }

  /** What it means that a refresh token of this generation is presented now. Changes nothing. */
  async present(id: string, generation: number): Promise<Presentation> {
    const [record, ofStore] = await Promise.all([
      this.#records.find<Authorization>('authorization', id),
      this.#storeClock(),
    ]);
    if (record === null) return { outcome: 'absent' };
    return this.#presentation(record.value, generation, { version: record.version, ofStore });
  }

  /**
   * Uses a refresh token: the family goes from `generation` to the next, once, however many try. Those who come
   * second within the grace find `retry` and the same family, once that is settled: whoever came first may not have been
   * told. `reuse` is only told; ending the family is the caller's. What it was `presented` as holds for as long as nobody
   * has written the record since.
   */
  async use(id: string, generation: number, presented?: Presentation): Promise<Presentation> {
    for (let now = presented; ; now = undefined) {
      now ??= await this.present(id, generation);
      if (now.outcome === 'retry') await this.#records.settled();
      if (now.outcome !== 'current') return now;
      const { version, ofStore } = now.seen;
      const family = advance(now.family, this.#clock.now(), ofStore);
      const authorization = { ...now.authorization, family };
      const outcome = await this.#put(id, authorization, { version });
      if (outcome === 'stored') return { ...now, authorization, family };
      if (outcome === 'group-ended') return { outcome: 'absent' };
    }
  }

  /** What a person has authorized, whether or not their sign-ins still count. */
  async *listOf(subject: string): AsyncGenerator<{ id: string; authorization: Authorization }> {
    for await (const { id, value } of everyOwned<Authorization>(this.#records, 'authorization', subject)) {
      yield { id, authorization: value };
    }
  }

  /** Ends an authorization and everything issued under it: RFC 7009 section 2.1. */
  async end(id: string): Promise<void> {
    const goneBy = this.#allGoneBy();
    await Promise.all([
      this.#records.remove('authorization', id, removalNoted('authorization', goneBy)),
      this.#records.endGroup(authorizationGroup(id), goneBy),
    ]);
  }

  /** Ends every authorization that was to last as long as the session, and the session's own record. */
  async endWithSession(uid: string): Promise<void> {
    const goneBy = this.#allGoneBy();
    await this.#records.endGroup(sessionGroup(uid), goneBy, removalNoted('authorization', goneBy));
  }

  #presentation(authorization: Authorization, generation: number, seen: Presented['seen']): Presentation {
    const { family } = authorization;
    if (family === null) return { outcome: 'absent' };
    const now = this.#clock.now();
    const ended = now >= familyExpiresAt(family, this.#lifetimes.refresh);
    if (ended || generation > family.generation) return { outcome: 'absent' };
    const outcome = judge(family, generation, now, this.#lifetimes.refresh, seen.ofStore);
    return { outcome, authorization, family, seen };
  }

  async #put(id: string, authorization: Authorization, onlyIf: 'absent' | { version: number }) {
    const { sessionUid } = authorization;
    const { outcome } = await this.#records.put<Authorization>({
      kind: 'authorization',
      id,
      value: authorization,
      expiresAt: this.#expiresAt(authorization),
      onlyIf,
      owner: authorization.subject,
      ...(sessionUid === null ? undefined : { group: sessionGroup(sessionUid) }),
    });
    return outcome;
  }

  /** It outlives whatever was issued under it, else a token would fall with a record that merely aged. */
  #expiresAt({ family }: Authorization): EpochSeconds {
    const { longestToken, refresh } = this.#lifetimes;
    const base = family === null ? this.#clock.now() : familyExpiresAt(family, refresh);
    return after(base, longestToken);
  }

  /** By when nothing that was about to join can still be about to. */
  #allGoneBy(): EpochSeconds {
    const { longestToken, refresh } = this.#lifetimes;
    return epochSeconds(
      Math.max(after(this.#clock.now(), longestToken), after(this.#clock.now(), refresh.grace)),
    );
  }
}
