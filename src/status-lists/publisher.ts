import { createHash } from 'node:crypto';
import type { Clock } from '#src/clock.ts';
import type { Records } from '#src/records.ts';
import type { Fallible } from '#src/revocations/fallen.ts';
import type { RevocationFeed } from '#src/revocations/feed.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import { type Signer, signJwt } from '#src/signing/jws.ts';
import { Assignments } from '#src/status-lists/assignments.ts';
import type { Assigned } from '#src/status-lists/journal.ts';
import {
  endOf,
  type ListKey,
  type ListNames,
  listFor,
  STATUS_LIST_TYPE,
  STATUS_LISTS_PATH,
  Statuses,
} from '#src/status-lists/status-list.ts';
import { type StandingSources, standingOf } from '#src/tokens/standing.ts';
import { after, type EpochSeconds, epochSeconds, type Seconds } from '#src/units.ts';

export interface PublisherPorts {
  readonly issuer: string;
  readonly records: Pick<Records, 'readLog'>;
  readonly clock: Clock;
  readonly names: ListNames;
  readonly feed: Pick<RevocationFeed, 'catchUp' | 'fallen'>;
  readonly standing: StandingSources;
  readonly algorithms: readonly SigningAlgorithm[];
  signer(alg: SigningAlgorithm): Signer;
  /** The longest that an access token lives, and so how far ahead lists reach. */
  readonly longestToken: Seconds;
  readonly clockSkewMax: Seconds;
  /** How long a copy of a list may be used before a fresh one should be had. */
  readonly ttl: Seconds;
  /** How long a copy may be used at all. */
  readonly lifetime: Seconds;
}

/** A Status List Token, ready to be sent. */
export interface PublishedList {
  readonly body: Buffer;
  /** With its quotes. */
  readonly etag: string;
}

interface Held {
  readonly key: ListKey;
  readonly assignments: Assignments;
  made: Made | null;
  making: Promise<PublishedList | null> | null;
}

/** A list as it was made, and what must still be so for it to be given again. */
interface Made {
  readonly list: PublishedList;
  readonly changes: number;
  readonly position: number;
  readonly kid: string;
  readonly until: EpochSeconds;
}

/**
 * Publishes the status lists: Token Status List section 5.1. Each is made when it is asked for, from who has which index
 * and what has been revoked until then, whichever process did either; and made anew only when one of the two has changed
 * or the copy has grown old.
 */
export class StatusListPublisher {
  readonly #ports: PublisherPorts;
  readonly #held = new Map<string, Held>();
  #namedUntil = epochSeconds(0);

  constructor(ports: PublisherPorts) {
    this.#ports = ports;
  }

  /** The list of that name as it stands now; `null` if there is none that any living token is in. @throws StorageFault */
  async publish(name: string): Promise<PublishedList | null> {
    this.#nameLists();
    const held = this.#held.get(name);
    if (held === undefined) return null;
    held.making ??= this.#publish(name, held).finally(() => {
      held.making = null;
    });
    return held.making;
  }

  async #publish(name: string, held: Held): Promise<PublishedList | null> {
    const { feed, clock, clockSkewMax } = this.#ports;
    await Promise.all([feed.catchUp(), held.assignments.catchUp()]);
    if (held.assignments.size === 0) return null;
    const now = clock.now();
    const signer = this.#ports.signer(held.key.alg);
    const { changes } = feed.fallen;
    const { position } = held.assignments;
    const { made } = held;
    const isCurrent =
      made !== null &&
      made.changes === changes &&
      made.position === position &&
      made.kid === signer.kid &&
      now < made.until;
    if (isCurrent) return made.list;
    const latest = epochSeconds(now - clockSkewMax);
    const list = await this.#make(name, held.assignments, signer, { now, latest });
    const untold = held.assignments.nextUntold(latest);
    const until = Math.min(after(now, this.#ports.ttl), untold === null ? Infinity : untold + clockSkewMax);
    held.made = { list, changes, position, kid: signer.kid, until: epochSeconds(until) };
    return list;
  }

  async #make(
    name: string,
    assignments: Assignments,
    signer: Signer,
    { now, latest }: { now: EpochSeconds; latest: EpochSeconds },
  ): Promise<PublishedList> {
    const { issuer, ttl, lifetime } = this.#ports;
    const statuses = new Statuses(assignments.size);
    for (const index of assignments.untold(latest)) statuses.setInvalid(index);
    for (const assigned of assignments.living(now))
      if (await this.#hasFallen(assigned)) statuses.setInvalid(assigned[0]);
    const claims = {
      iss: issuer,
      sub: `${issuer}${STATUS_LISTS_PATH}/${name}`,
      iat: now,
      exp: after(now, lifetime),
      ttl,
      status_list: await statuses.encoded(),
    };
    const body = Buffer.from(await signJwt(signer, { typ: STATUS_LIST_TYPE }, claims));
    return { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
  }

  async #hasFallen(assigned: Assigned): Promise<boolean> {
    const { feed, standing } = this.#ports;
    const [, , , kid, , , , exchanged] = assigned;
    // What a token was exchanged for may have fallen in ways that only a look at each tells. There are few of those.
    if (exchanged !== null) return !(await standingOf(standing, kid, exchanged)).stands;
    return feed.fallen.has(fallibleOf(assigned));
  }

  /** Knows the name of every list that a living token can be in, and forgets those that are over. */
  #nameLists(): void {
    const { clock, algorithms, names, longestToken, clockSkewMax } = this.#ports;
    const now = clock.now();
    if (now < this.#namedUntil) return;
    for (const [name, { key }] of this.#held) if (endOf(key) <= now) this.#held.delete(name);
    for (const alg of algorithms) {
      const first = listFor(alg, now);
      // Another node may be ahead of this one.
      const last = listFor(alg, after(after(now, longestToken), clockSkewMax));
      this.#namedUntil = endOf(first);
      for (let { stretch } = first; stretch <= last.stretch + 1; stretch += 1) {
        const key = { alg, stretch };
        const name = names.nameOf(key);
        if (this.#held.has(name)) continue;
        const assignments = new Assignments(this.#ports.records, name);
        this.#held.set(name, { key, assignments, made: null, making: null });
      }
    }
  }
}

function fallibleOf([, , iat, kid, jti, clientId, authorization]: Assigned): Fallible {
  const common = { iat, kid, jti, client_id: clientId };
  if (authorization === null) return { ...common, sub: clientId };
  const [grant_id, sub, auth_time] = authorization;
  return { ...common, grant_id, sub, auth_time };
}
