import type { HeldToken } from '#src/cli/drill/tokens.ts';
import { between, type EpochSeconds, type Seconds, seconds } from '#src/units.ts';

/** How somebody answered who was shown a token, and how that should have been. */
export interface Answered {
  readonly who: string;
  readonly at: EpochSeconds;
  readonly token: HeldToken;
  readonly accepted: boolean;
  /** Why not, in the words of whoever refused; `null` if it was accepted. */
  readonly why: string | null;
  /** True if whoever was asked did not have the key of the token. */
  readonly unknown?: boolean;
}

/**
 * `accepted`, `expired`, `revoked`: as it had to be. `lingered`: of a revoked key, and still accepted by somebody who
 * only verifies signatures, as long as that may be. `good-refused`, `expired-accepted`, `revoked-accepted`: as it must
 * never be.
 */
export type Judgement =
  | 'accepted'
  | 'expired'
  | 'revoked'
  | 'lingered'
  | 'good-refused'
  | 'expired-accepted'
  | 'revoked-accepted';

/** What must never happen. */
export const WRONG: readonly Judgement[] = ['good-refused', 'expired-accepted', 'revoked-accepted'];

export type Tally = Readonly<Record<Judgement, number>>;

const NOTHING: Tally = {
  accepted: 0,
  expired: 0,
  revoked: 0,
  lingered: 0,
  'good-refused': 0,
  'expired-accepted': 0,
  'revoked-accepted': 0,
};

/** How a resource server finds out about tokens, as far as it matters for what it must do. */
export interface Manner {
  readonly who: string;
  /** By how much the clocks that it goes by are ahead of the time, that of the slowest and that of the fastest. */
  readonly slowest: Seconds;
  readonly fastest: Seconds;
  /** How long after a key was revoked it may still accept its tokens; none for whoever asks the server. */
  readonly lingersFor: Seconds;
}

/** What one resource server did. */
export interface Account {
  readonly tally: Tally;
  /** The highest age of a token that it accepted. */
  readonly oldestAccepted: Seconds;
  /** How long after a key was revoked it last accepted one of its tokens; `null` if it never did. */
  readonly lingered: Seconds | null;
  /** How often it did not have the key of a token that it accepted then, and had to fetch the keys once more. */
  readonly unknownKeys: number;
}

const NEW_ACCOUNT: Account = { tally: NOTHING, oldestAccepted: seconds(0), lingered: null, unknownKeys: 0 };

/** What went wrong, for whoever has to find out why. */
export interface Wrong extends Answered {
  readonly judgement: Judgement;
}

/** More would not say more. */
const WRONGS_SHOWN_MAX = 20;

/** Counts what happens, and knows of each answer whether it was the right one. */
export class Ledger {
  readonly #accounts = new Map<string, Account>();
  readonly #revokedAt = new Map<string, EpochSeconds>();
  readonly #answers: { readonly at: EpochSeconds; readonly judgement: Judgement }[] = [];
  readonly wrongs: Wrong[] = [];
  /** The key that was revoked last. */
  lastRevoked: string | null = null;

  revoked(kid: string, at: EpochSeconds): void {
    this.#revokedAt.set(kid, at);
    this.lastRevoked = kid;
  }

  answered(answer: Answered, manner: Manner): Judgement {
    const judgement = this.#judge(answer, manner);
    const { at, who, token } = answer;
    this.#answers.push({ at, judgement });
    const { tally, oldestAccepted, lingered, unknownKeys } = this.of(who);
    const age = between(token.issuedAt, at);
    const revokedAt = this.#revokedAt.get(token.kid);
    this.#accounts.set(who, {
      tally: { ...tally, [judgement]: tally[judgement] + 1 },
      oldestAccepted: answer.accepted ? seconds(Math.max(oldestAccepted, age)) : oldestAccepted,
      lingered: answer.accepted && revokedAt !== undefined ? between(revokedAt, at) : lingered,
      unknownKeys: judgement === 'accepted' && answer.unknown === true ? unknownKeys + 1 : unknownKeys,
    });
    if (WRONG.includes(judgement) && this.wrongs.length < WRONGS_SHOWN_MAX)
      this.wrongs.push({ ...answer, judgement });
    return judgement;
  }

  of(who: string): Account {
    return this.#accounts.get(who) ?? NEW_ACCOUNT;
  }

  /** Everybody's answers together. */
  get total(): Tally {
    const total = { ...NOTHING };
    for (const { judgement } of this.#answers) total[judgement] += 1;
    return total;
  }

  /** When answers were judged so. */
  times(...judgements: readonly Judgement[]): readonly EpochSeconds[] {
    return this.#answers.filter((each) => judgements.includes(each.judgement)).map(({ at }) => at);
  }

  #judge({ at, token, accepted }: Answered, { slowest, lingersFor }: Manner): Judgement {
    const revokedAt = this.#revokedAt.get(token.kid);
    if (at + slowest >= token.expiresAt) return accepted ? 'expired-accepted' : 'expired';
    if (revokedAt === undefined) return accepted ? 'accepted' : 'good-refused';
    if (!accepted) return 'revoked';
    return at < revokedAt + lingersFor ? 'lingered' : 'revoked-accepted';
  }
}
