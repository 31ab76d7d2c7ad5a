import { candidates, type KekRegister } from '#src/sealing/kek-register.ts';
import type { BodyCount } from '#src/sealing/resealing.ts';
import type { EpochSeconds } from '#src/units.ts';

/**
 * `current`: everything new is sealed under it. `next`: it becomes current in the next moment. `waiting`: it is newer, and
 * becomes current when every server has it. `former`: was current, and there may be records under it. `retired`: nothing
 * is under it, and nobody uses it again. `unused`: it lies here and was never used on this store. `unknown`: records claim
 * to be under it, and the store knows nothing of it.
 */
export type KekState = 'current' | 'next' | 'waiting' | 'former' | 'retired' | 'unused' | 'unknown';

/** A key-encryption key as an administrator sees it. */
export interface KekListing {
  readonly id: string;
  readonly state: KekState;
  /** Since when it is in that state, as far as the store knows. */
  readonly since: EpochSeconds | null;
  /** What is sealed under it, by kind. */
  readonly counts: readonly BodyCount[];
}

/** Every key that the store knows, that is held here, or that something is sealed under; the newest first. */
export function kekListing(
  register: KekRegister,
  held: readonly string[],
  counts: readonly BodyCount[],
): readonly KekListing[] {
  const { current, next, former, retired } = register;
  const counted = counts.flatMap(({ kekId }) => (kekId === null ? [] : [kekId]));
  const known = [current, ...former, ...retired].map(({ id }) => id);
  const ids = new Set([...known, ...(next === null ? [] : [next]), ...held, ...counted]);
  const waiting = new Set(candidates(register, held));
  const stateOf = (id: string): Pick<KekListing, 'state' | 'since'> => {
    if (id === current.id) return { state: 'current', since: current.since };
    if (id === next) return { state: 'next', since: null };
    const retirement = retired.find((key) => key.id === id);
    if (retirement !== undefined) return { state: 'retired', since: retirement.at };
    if (waiting.has(id)) return { state: 'waiting', since: null };
    const replaced = former.find((key) => key.id === id);
    if (replaced !== undefined) return { state: 'former', since: replaced.until };
    return { state: held.includes(id) ? 'unused' : 'unknown', since: null };
  };
  return [...ids]
    .toSorted()
    .reverse()
    .map((id) => ({ id, ...stateOf(id), counts: counts.filter(({ kekId }) => kekId === id) }));
}

/** How many bodies there are in all. */
export const totalOf = (counts: readonly BodyCount[]): number =>
  counts.reduce((sum, { count }) => sum + count, 0);
