import { after, type EpochSeconds, hours } from '#src/units.ts';

/** What is remembered of somebody who fetched the JWK Set. */
export interface Sighting {
  readonly lastAt: EpochSeconds;
  /** The keys of the documents that they got, each with when they last got one that had it. */
  readonly keys: Readonly<Record<string, EpochSeconds>>;
  /** What the program called itself at the last time, and whereabouts in the network it was. */
  readonly program: string | null;
  readonly network: string | null;
}

/**
 * How long a key is remembered that later documents had no more. Servers serve documents of different ages for a few
 * seconds at most; whoever has fetched one without the key for longer than this knows that it is gone.
 */
const GONE_KEYS_KEPT = hours(1);

/** More than a ring has that anyone would want; those that were fetched last are kept. */
const KEYS_MAX = 64;

/**
 * What two sightings of one reader amount to. In whichever order any number of them is put together, and however often
 * the same one, the outcome is the same, so that servers can add theirs at any time and nothing ever goes back.
 */
export function together(one: Sighting, other: Sighting): Sighting {
  const last = isLater(one, other) ? one : other;
  const kids = new Set([...Object.keys(one.keys), ...Object.keys(other.keys)]);
  const keys = [...kids]
    .map((kid) => [kid, Math.max(one.keys[kid] ?? 0, other.keys[kid] ?? 0) as EpochSeconds] as const)
    .filter(([, at]) => after(at, GONE_KEYS_KEPT) >= last.lastAt)
    .toSorted(([kid, at], [otherKid, otherAt]) => otherAt - at || (kid < otherKid ? -1 : 1))
    .slice(0, KEYS_MAX);
  return { ...last, keys: Object.fromEntries(keys) };
}

/** Of two at the same second any one will do, as long as it is the same whichever is asked first. */
function isLater(one: Sighting, other: Sighting): boolean {
  if (one.lastAt !== other.lastAt) return one.lastAt > other.lastAt;
  return whenceOf(one) > whenceOf(other);
}

const whenceOf = ({ program, network }: Sighting) => JSON.stringify([program, network]);
