import type { ResourceServer } from '#src/resources/resource-server.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { Seconds } from '#src/units.ts';

/** What came of one call with one token. */
export type Answer =
  | { readonly outcome: 'answered'; readonly status: number; readonly ms: number }
  | { readonly outcome: 'failed'; readonly why: string; readonly ms: number };

/** One resource server in a rehearsal, as far as it has come. */
export interface Trial {
  readonly resourceServer: ResourceServer;
  readonly alg: SigningAlgorithm;
  /** To a token of the key in use. */
  readonly control: Answer;
  /** To the same with a signature that fits nothing. */
  readonly forged: Answer;
  /** To a token of the new key, at the last attempt; `null` if it never came to that. */
  readonly canary: Answer | null;
  readonly attempts: number;
  /** How long after the new key was published the last attempt was. */
  readonly waited: Seconds;
}

/**
 * `accepted`: it takes tokens of the new key. `refused`: those of the key in use, and not those of the new one.
 * `unchecked`: it takes forged ones as well, so its answers tell nothing. `unusable`: it does not take those of the key
 * in use either, or cannot be reached. `unfinished`: the rehearsal ended before it was clear.
 */
export type Verdict = 'accepted' | 'refused' | 'unchecked' | 'unusable' | 'unfinished';

/** What a trial says of the resource server. */
export interface Judgement {
  readonly verdict: Verdict;
  /** Which keys it showed to know; `null` if that cannot be told. */
  readonly knew: 'new' | 'only-old' | 'none' | null;
}

/** RFC 6750 section 3.1: whatever is wrong with a token is answered with another status. */
export const isAccepted = (answer: Answer | null): boolean =>
  answer?.outcome === 'answered' && answer.status >= 200 && answer.status < 300;

/** True if its answer to the new key would tell something. */
export const isTelling = ({ control, forged }: Pick<Trial, 'control' | 'forged'>): boolean =>
  isAccepted(control) && !isAccepted(forged);

/** What is to be thought of a trial, in a rehearsal that went to its end or was interrupted. */
export function judge({ control, forged, canary }: Trial, finished: boolean): Judgement {
  if (isAccepted(forged)) return { verdict: 'unchecked', knew: null };
  if (!isAccepted(control))
    return { verdict: 'unusable', knew: control.outcome === 'answered' ? 'none' : null };
  if (isAccepted(canary)) return { verdict: 'accepted', knew: 'new' };
  if (!finished || canary === null) return { verdict: 'unfinished', knew: null };
  if (canary.outcome === 'failed') return { verdict: 'unusable', knew: null };
  return { verdict: 'refused', knew: 'only-old' };
}
