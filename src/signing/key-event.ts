import type { LogNote } from '#src/records.ts';
import type { JwsAlgorithm } from '#src/signing/algorithm.ts';
import type { KeyRing } from '#src/signing/key-ring.ts';
import type { Done } from '#src/signing/ring-plan.ts';
import { after, type EpochSeconds, type Seconds } from '#src/units.ts';

/** What happened to a key, for the record: by the schedule, or by an administrator. */
export interface KeyEvent {
  readonly at: EpochSeconds;
  readonly what: Done['step'] | Deed;
  readonly alg: JwsAlgorithm;
  /** `null` for what concerns an algorithm as a whole. */
  readonly kid: string | null;
  /** From when on the key signs, if that was decided or changed. */
  readonly signsFrom: EpochSeconds | null;
  /** Why, in an administrator's words. */
  readonly reason: string | null;
  /** True if a rule that keeps caches from lacking a key was set aside. */
  readonly brokeGlass: boolean;
}

/** `end`: nothing signs with an algorithm any more. */
export type Deed = 'rotate' | 'undo' | 'revoke' | 'import' | 'rehearse' | 'withdraw' | 'end';

/** The log of what happened to the keys. It is written by the same write as the ring. */
export const KEY_EVENTS = 'key-events';

/** Everything that one change of the ring did. */
export type KeyEvents = readonly KeyEvent[];

export function eventOf(step: Done, at: EpochSeconds): KeyEvent {
  const { step: what, alg, kid } = step;
  const signsFrom = 'signsFrom' in step ? step.signsFrom : null;
  return { at, what, alg, kid, signsFrom, reason: null, brokeGlass: false };
}

/** What somebody did; what is not named does not apply. */
export function event(
  what: KeyEvent['what'],
  about: Pick<KeyEvent, 'at' | 'alg' | 'kid'> & Partial<KeyEvent>,
): KeyEvent {
  return { what, signsFrom: null, reason: null, brokeGlass: false, ...about };
}

/** What there is to tell of a ring that has just been made. */
export function beginningOf({ createdAt, turns }: KeyRing): KeyEvents {
  return turns.map(({ alg, kid, from }) => ({
    ...{ at: createdAt, what: 'stage', alg, kid, signsFrom: from },
    ...{ reason: null, brokeGlass: false },
  }));
}

/** What a change did to other keys than those that it tells of: a turn that comes earlier or later, a key that is gone. */
export function besides(told: KeyEvents, before: KeyRing, after: KeyRing, at: EpochSeconds): KeyEvents {
  const nothing = { signsFrom: null, reason: null, brokeGlass: false };
  const isTold = (kid: string | null) => told.some((event) => event.kid === kid);
  const moved = after.turns.flatMap(({ alg, kid, from }): KeyEvent[] => {
    const own = before.turns.filter((turn) => turn.kid === kid);
    if (kid === null || isTold(kid) || own.some((turn) => turn.from === from)) return [];
    const what = own.some((turn) => turn.from > from) ? 'reschedule' : 'postpone';
    return [{ ...nothing, at, what, alg, kid, signsFrom: from }];
  });
  const gone = before.keys.filter(({ kid }) => !isTold(kid) && !after.keys.some((key) => key.kid === kid));
  return [...moved, ...gone.map(({ alg, kid }): KeyEvent => ({ ...nothing, at, what: 'remove', alg, kid }))];
}

export function noteOf(events: KeyEvents, now: EpochSeconds, keptFor: Seconds): LogNote<KeyEvents> {
  return { log: KEY_EVENTS, until: after(now, keptFor), entry: events };
}
