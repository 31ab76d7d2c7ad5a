import type { AccessTokenClaims } from '#src/tokens/access-token.ts';
import type { EpochSeconds } from '#src/units.ts';

/**
 * Who has which index of a list, as it is written down. Indices are taken in blocks, each by one process, which writes
 * down what it has handed out some time later. Until when it will have is written down before: from then on an index of
 * the block that is in no entry may be anybody's, and is told to be invalid.
 */
export interface JournalEntry {
  readonly block: number;
  /** Until when indices may be out that no entry tells of; `null`: none are. */
  readonly outUntil: EpochSeconds | null;
  readonly assigned: readonly Assigned[];
}

/** A token and its index, in little room: there is one of these for every token. */
export type Assigned = readonly [
  index: number,
  exp: EpochSeconds,
  iat: EpochSeconds,
  kid: string,
  jti: string,
  clientId: string,
  /** What it rests on, if a person authorized it. */
  authorization: readonly [id: string, subject: string, signedInAt: EpochSeconds] | null,
  /** Whole, where it was exchanged for others: RFC 8693. */
  exchanged: AccessTokenClaims | null,
];

/** How many indices a block has. More hide better how many tokens there are, and cost the same. */
export const BLOCK_SIZE = 4096;

export const journalOf = (list: string) => `status-list:${list}`;

/** Counts the blocks of a list that were taken. */
export const blockCounterOf = (list: string) => `status-list-blocks:${list}`;
