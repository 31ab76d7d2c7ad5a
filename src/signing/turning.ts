import type { JwsAlgorithm } from '#src/signing/algorithm.ts';
import { event, type KeyEvent } from '#src/signing/key-event.ts';
import { activeKey, hasTurnedSince, type KeyRing, turnsOf } from '#src/signing/key-ring.ts';
import type { Turned } from '#src/signing/ring-change.ts';
import type { RingPolicy } from '#src/signing/ring-policy.ts';
import type { Edit } from '#src/signing/ring-store.ts';
import { rotationToCome, type Undone, undo } from '#src/signing/ring-undo.ts';
import type { EpochSeconds } from '#src/units.ts';

/**
 * `signs-now`: the key is active. `scheduled`: it signs from the given second, when everyone has it.
 * `already-rotated`: someone else rotated at the same moment, and this is the key that signs since.
 */
export interface RotationOutcome {
  readonly outcome: 'signs-now' | 'scheduled' | 'already-rotated';
  readonly alg: JwsAlgorithm;
  readonly kid: string;
  readonly signsFrom: EpochSeconds;
}

/**
 * `called-off`: the rotation had not begun, and this key waits for the schedule again. `nothing-before`: no earlier key of
 * the algorithm is published any more, and this one goes on.
 */
export type UndoOutcome =
  | RotationOutcome
  | (Omit<RotationOutcome, 'outcome'> & { readonly outcome: 'called-off' })
  | { readonly outcome: 'nothing-before'; readonly alg: JwsAlgorithm; readonly kid: string };

/** What is turned, and since when somebody else has not done it. */
export interface Turning {
  /** One algorithm, or each. */
  readonly alg?: JwsAlgorithm;
  /** When it was asked for: where another key has begun to sign since, somebody else was faster, and that is left alone. */
  readonly since?: EpochSeconds;
}

/** What is done to each algorithm; `null` if there is nothing that could be done. */
export interface TurningDeed {
  readonly deed: 'rotate' | 'undo';
  readonly reason: string | null;
  readonly turn: (ring: KeyRing, alg: JwsAlgorithm, now: EpochSeconds) => OneTurn | null;
}

type OneTurn = Turned & { readonly how?: Undone['how'] | 'left-alone' };

/** Turns each algorithm once, however often the change has to be tried: a turn of someone else's is left alone. */
export function turningEach(
  algorithms: readonly JwsAlgorithm[],
  { deed, reason, turn, since }: TurningDeed & { readonly since: EpochSeconds | undefined },
): Edit<readonly UndoOutcome[]> {
  const activeAtFirst = new Map<JwsAlgorithm, string>();
  return (ring, at) => {
    const result: UndoOutcome[] = [];
    const events: KeyEvent[] = [];
    let turning = ring;
    for (const alg of algorithms) {
      const active = asItIs(turning, alg, at);
      const before = activeAtFirst.get(alg) ?? active.kid;
      activeAtFirst.set(alg, before);
      const isTurned = since !== undefined && hasTurnedSince(turning, alg, { since, now: at });
      const isMine = active.kid === before && !isTurned;
      const turned = isMine ? turn(turning, alg, at) : active;
      if (turned === null) {
        result.push({ outcome: 'nothing-before', alg, kid: active.kid });
        continue;
      }
      result.push({ outcome: outcomeOf(turned, at), alg, kid: turned.kid, signsFrom: turned.signsFrom });
      if (turned.ring !== turning && turned.how !== 'called-off') {
        const about = { at, alg, kid: turned.kid, signsFrom: turned.signsFrom, reason };
        events.push(event(deed, { ...about, brokeGlass: reason !== null }));
      }
      turning = turned.ring;
    }
    return { ring: turning, result, events };
  };
}

/** Takes back what was wanted last. */
export function undoing(policy: RingPolicy): TurningDeed {
  const comingAtFirst = new Map<JwsAlgorithm, boolean>();
  return {
    deed: 'undo',
    reason: null,
    turn: (ring, alg, now) => {
      const coming = rotationToCome(ring, alg, now) !== null;
      // Called off by somebody else in the same moment: the rotation before that one is not meant.
      if (comingAtFirst.get(alg) === true && !coming) return asItIs(ring, alg, now);
      comingAtFirst.set(alg, coming);
      return undo(ring, policy, alg, now);
    },
  };
}

/** What signs, and has been turned by nobody but somebody else. */
function asItIs(ring: KeyRing, alg: JwsAlgorithm, now: EpochSeconds): OneTurn {
  const active = activeKey(ring, alg, now);
  if (active === null) throw new Error(`A settled ring has an active ${alg} key.`);
  const { kid } = active;
  const begun = turnsOf(ring, alg).findLast((turn) => turn.kid === kid && turn.from <= now);
  return { ring, kid, signsFrom: begun?.from ?? now, how: 'left-alone' };
}

function outcomeOf({ how, signsFrom: from }: OneTurn, now: EpochSeconds) {
  if (how === 'left-alone') return 'already-rotated';
  if (how === 'called-off') return 'called-off';
  return from <= now ? 'signs-now' : 'scheduled';
}
