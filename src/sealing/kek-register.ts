import type { EpochSeconds } from '#src/units.ts';

/**
 * Which key-encryption keys (KEKs) a store is sealed under: the one that new bodies get, and all that there may still
 * be bodies under. It stands in the store, and changes by compare-and-set alone. A key is in it before anything is
 * sealed under it, so whoever starts need not look at anything else to know which keys it must have.
 */
export interface KekRegister {
  readonly current: { readonly id: string; readonly since: EpochSeconds };
  /** About to become current. Whoever starts must have it already, since it may be so at any moment. */
  readonly next: string | null;
  /** Those that were current, or might have been used, and are not retired. */
  readonly former: readonly { readonly id: string; readonly until: EpochSeconds }[];
  /** Nothing is sealed under them, and nobody uses them again. */
  readonly retired: readonly { readonly id: string; readonly at: EpochSeconds }[];
}

/** The register of a store that has none yet. `others` may have been used before there were registers. */
export function firstRegister(current: string, others: readonly string[], now: EpochSeconds): KekRegister {
  const former = others.filter((id) => id !== current).map((id) => ({ id, until: now }));
  return { current: { id: current, since: now }, next: null, former, retired: [] };
}

/** The keys without which something in the store cannot be opened, now or in the next moment. */
export function neededKeys({ current, next, former }: KekRegister): readonly string[] {
  return [current.id, ...(next === null ? [] : [next]), ...former.map(({ id }) => id)];
}

/** A process that reads and writes the store, and the keys that it has. */
export interface KeyUser {
  readonly keks: readonly string[];
}

/** Those of the held keys that could become current, the newest first: newer than the current one, and not retired. */
export function candidates(register: KekRegister, held: readonly string[]): readonly string[] {
  const retired = new Set(register.retired.map(({ id }) => id));
  return held
    .filter((id) => id > register.current.id && !retired.has(id))
    .toSorted()
    .reverse();
}

/**
 * What is due, as the register that follows; `null` if nothing is. A key becomes current in two steps, so that nobody
 * can come between: it is announced as `next`, from when on nobody starts without it, and when everyone who lives has
 * been looked at after that and has it, it is current. If somebody lacks it, the announcement is taken back.
 *
 * `held` are the keys of whoever asks, and `users` all processes that live; they must have been looked up after the
 * register was read.
 */
export function nextRegister(
  register: KekRegister,
  held: readonly string[],
  users: readonly KeyUser[],
  now: EpochSeconds,
): KekRegister | null {
  const everyoneHas = (id: string) => held.includes(id) && users.every(({ keks }) => keks.includes(id));
  const { current, next, former } = register;
  if (next === null) {
    const announced = candidates(register, held).find(everyoneHas);
    return announced === undefined ? null : { ...register, next: announced };
  }
  if (!everyoneHas(next)) return { ...register, next: null };
  const replaced = { id: current.id, until: now };
  return {
    ...register,
    current: { id: next, since: now },
    next: null,
    former: [...former.filter(({ id }) => id !== next), replaced],
  };
}

/** The register once a key that nothing is sealed under is retired. Throws `RangeError` for one that is to be used. */
export function withoutKey(register: KekRegister, id: string, now: EpochSeconds): KekRegister {
  if (id === register.current.id || id === register.next) throw new RangeError(`${id} is in use`);
  return {
    ...register,
    former: register.former.filter((key) => key.id !== id),
    retired: [...register.retired, { id, at: now }],
  };
}
