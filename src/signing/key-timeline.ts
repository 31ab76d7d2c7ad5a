import type { JwsAlgorithm } from '#src/signing/algorithm.ts';
import type { KeyEvent } from '#src/signing/key-event.ts';
import type { KeyListing } from '#src/signing/key-listing.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/** What a key is or was for a while. `until` is `null` while no end is in sight. */
export interface KeySpan {
  readonly state: 'next' | 'active' | 'retired' | 'revoked' | 'rehearsal';
  readonly from: EpochSeconds;
  readonly until: EpochSeconds | null;
}

/** One key from its publication to its end. */
export interface KeyLife {
  readonly alg: JwsAlgorithm;
  readonly kid: string;
  /** In the order of time, without gaps. */
  readonly spans: readonly KeySpan[];
}

/** A moment in which another key began to sign, or will, and why. */
export interface KeyTurn {
  readonly alg: JwsAlgorithm;
  readonly kid: string;
  readonly from: EpochSeconds;
  readonly cause: 'schedule' | 'hand' | 'undo' | 'revocation';
}

/** The keys of a deployment over time: what is known of the past, and what is planned. */
export interface KeyTimeline {
  /** By algorithm, and in the order of publication. */
  readonly lives: readonly KeyLife[];
  /** Of all algorithms, in the order of time. The first of each is no change: nothing signed before. */
  readonly turns: readonly KeyTurn[];
}

/** What began before anything is known. */
const UNKNOWN = epochSeconds(0);

/**
 * The timeline that follows from what happened and from the keys as they stand now. Of what happened so long ago that
 * it has been forgotten, only what is still there is known; a key of which only the end is known began at 0.
 */
export function keyTimeline(events: readonly KeyEvent[], keys: readonly KeyListing[]): KeyTimeline {
  const algorithms = [...new Set([...keys, ...events].map(({ alg }) => alg))];
  const each = algorithms.map((alg) => {
    const chronicle = new Chronicle(alg);
    for (const event of events) if (event.alg === alg) chronicle.tell(event);
    for (const key of keys) if (key.alg === alg) chronicle.confirm(key);
    return chronicle;
  });
  return {
    lives: each.flatMap((chronicle) => chronicle.lives()),
    turns: each.flatMap((chronicle) => chronicle.turns()).toSorted((one, other) => one.from - other.from),
  };
}

interface Known {
  publishedAt: EpochSeconds;
  revokedAt: EpochSeconds | null;
  endsAt: EpochSeconds | null;
  rehearsal: boolean;
}

type PlannedTurn = Omit<KeyTurn, 'kid'> & { readonly kid: string | null };

/** One algorithm, told event by event. */
class Chronicle {
  readonly #alg: JwsAlgorithm;
  readonly #known = new Map<string, Known>();
  #turns: readonly PlannedTurn[] = [];
  #revoking: EpochSeconds | null = null;

  constructor(alg: JwsAlgorithm) {
    this.#alg = alg;
  }

  tell({ what, kid, at, signsFrom }: KeyEvent): void {
    if (kid === null) {
      if (what === 'end') this.#turn(null, at, 'hand', at);
      return;
    }
    const key = this.#key(kid, what, at);
    if (what === 'revoke') key.revokedAt = at;
    if (what === 'remove' || what === 'withdraw') key.endsAt = at;
    if (what === 'revoke' || what === 'remove')
      this.#turns = this.#turns.filter((turn) => turn.kid !== kid || turn.from <= at);
    // Whoever signs in the place of a revoked key is told of in the same breath.
    const follows = what === 'reschedule' && this.#revoking === at;
    this.#revoking = what === 'revoke' ? at : null;
    if (signsFrom !== null) this.#turn(kid, signsFrom, follows ? 'revocation' : causeOf(what), at);
  }

  /** Puts right what is better known from the key as it stands. */
  confirm({ kid, publishedAt, signsFrom, revokedAt, removedAt, state }: KeyListing): void {
    const key = this.#key(kid, 'stage', publishedAt);
    Object.assign(key, { publishedAt, revokedAt, endsAt: removedAt, rehearsal: state === 'rehearsal' });
    const others = this.#turns.filter((turn) => turn.kid !== kid || turn.from <= (signsFrom ?? -1));
    const isTold = others.some((turn) => turn.kid === kid && turn.from === signsFrom);
    this.#turns = others;
    if (signsFrom !== null && !isTold) this.#turn(kid, signsFrom, 'schedule', signsFrom);
  }

  turns(): readonly KeyTurn[] {
    return this.#turns.flatMap(({ kid, ...turn }) => (kid === null ? [] : [{ ...turn, kid }]));
  }

  lives(): readonly KeyLife[] {
    return [...this.#known]
      .map(([kid, key]) => ({ alg: this.#alg, kid, spans: this.#spans(kid, key) }))
      .filter(({ spans }) => spans.length > 0)
      .toSorted((one, other) => (one.spans[0]?.from ?? 0) - (other.spans[0]?.from ?? 0));
  }

  #key(kid: string, what: KeyEvent['what'], at: EpochSeconds): Known {
    const told = this.#known.get(kid);
    if (told !== undefined) return told;
    const isBorn = what === 'stage' || what === 'import' || what === 'rehearse';
    const key = {
      publishedAt: isBorn ? at : UNKNOWN,
      revokedAt: null,
      endsAt: null,
      rehearsal: what === 'rehearse',
    };
    this.#known.set(kid, key);
    return key;
  }

  /** A turn takes the place of one of the same key that had not begun when it was decided. */
  #turn(kid: string | null, from: EpochSeconds, cause: KeyTurn['cause'], decidedAt: EpochSeconds): void {
    const kept = this.#turns.filter((turn) => turn.kid !== kid || turn.from <= decidedAt);
    const place = kept.findIndex((turn) => turn.from > from);
    this.#turns = kept.toSpliced(place < 0 ? kept.length : place, 0, { alg: this.#alg, kid, from, cause });
  }

  #spans(kid: string, { publishedAt, revokedAt, endsAt, rehearsal }: Known): readonly KeySpan[] {
    if (rehearsal) return spansBetween([{ state: 'rehearsal', from: publishedAt }], endsAt);
    const changes: { state: KeySpan['state']; from: EpochSeconds }[] = [{ state: 'next', from: publishedAt }];
    for (const [index, turn] of this.#turns.entries()) {
      if (turn.kid === kid) changes.push({ state: 'active', from: turn.from });
      else if (this.#turns[index - 1]?.kid === kid) changes.push({ state: 'retired', from: turn.from });
    }
    if (revokedAt === null) return spansBetween(changes, endsAt);
    const before = changes.filter(({ from }) => from < revokedAt);
    return spansBetween([...before, { state: 'revoked', from: revokedAt }], endsAt);
  }
}

function causeOf(what: KeyEvent['what']): KeyTurn['cause'] {
  if (what === 'undo') return 'undo';
  return what === 'rotate' ? 'hand' : 'schedule';
}

function spansBetween(
  changes: readonly { readonly state: KeySpan['state']; readonly from: EpochSeconds }[],
  end: EpochSeconds | null,
): readonly KeySpan[] {
  return changes
    .map(({ state, from }, index) => ({ state, from, until: changes[index + 1]?.from ?? end }))
    .filter(({ from, until }) => until === null || until > from);
}
