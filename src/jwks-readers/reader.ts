import { type Sighting, together } from '#src/jwks-readers/sighting.ts';
import { after, type EpochSeconds, type Seconds } from '#src/units.ts';

/** Everybody who has fetched the JWK Set and is remembered. */
export interface Readers {
  /** Registered resource servers, by the client identifier: one that is registered anew is another one. */
  readonly known: ReadonlyMap<string, KnownReader>;
  /** Those that gave some other name. */
  readonly named: readonly OtherReader[];
  readonly anonymous: readonly OtherReader[];
}

/**
 * What is remembered of a registered resource server: as the one that proved who it is by its credentials, and as the
 * one that a caller said it was, which anyone can say.
 */
export interface KnownReader {
  readonly proven: Sighting | null;
  readonly said: Sighting | null;
}

/** Somebody who is no registered resource server, by the name that they gave or by what shows of them anyway. */
export interface OtherReader {
  readonly name: string | null;
  readonly sighting: Sighting;
}

export const NO_READERS: Readers = { known: new Map(), named: [], anonymous: [] };

/** What a resource server is judged by. Once it has proved who it is, what others say in its name counts no more. */
export function sightingOf({ proven, said }: KnownReader): Sighting | null {
  return proven ?? said;
}

/** What two memories amount to, with the `othersMax` of each sort of others that were seen last. As `together`. */
export function allTogether(some: Readers, more: Readers, othersMax: number): Readers {
  const known = new Map(some.known);
  for (const [clientId, reader] of more.known) {
    const before = known.get(clientId);
    known.set(clientId, before === undefined ? reader : knownTogether(before, reader));
  }
  return {
    known,
    named: othersTogether(some.named, more.named, othersMax),
    anonymous: othersTogether(some.anonymous, more.anonymous, othersMax),
  };
}

/** As `together` is of sightings. */
export function knownTogether(one: KnownReader, other: KnownReader): KnownReader {
  return { proven: eitherOrBoth(one.proven, other.proven), said: eitherOrBoth(one.said, other.said) };
}

/** The same of others: the `max` that were seen last. */
export function othersTogether(
  some: readonly OtherReader[],
  more: readonly OtherReader[],
  max: number,
): readonly OtherReader[] {
  const byName = new Map<string, OtherReader>();
  for (const reader of [...some, ...more]) {
    const name = nameOf(reader);
    const before = byName.get(name);
    const sighting = before === undefined ? reader.sighting : together(before.sighting, reader.sighting);
    byName.set(name, { ...reader, sighting });
  }
  const lastFirst = [...byName].toSorted(
    ([name, one], [otherName, other]) =>
      other.sighting.lastAt - one.sighting.lastAt || (name < otherName ? -1 : 1),
  );
  return lastFirst.slice(0, max).map(([, reader]) => reader);
}

/** What is left of a reader when what was seen too long ago is forgotten. */
export function stillKnown(reader: KnownReader, kept: Seconds, now: EpochSeconds): KnownReader {
  const fresh = (sighting: Sighting | null) =>
    sighting !== null && isFresh(sighting, kept, now) ? sighting : null;
  return { proven: fresh(reader.proven), said: fresh(reader.said) };
}

export const isFresh = ({ lastAt }: Sighting, kept: Seconds, now: EpochSeconds): boolean =>
  after(lastAt, kept) > now;

/** What tells one such reader from another. */
function nameOf({ name, sighting: { program, network } }: OtherReader): string {
  return JSON.stringify(name ?? [program, network]);
}

const eitherOrBoth = (one: Sighting | null, other: Sighting | null) =>
  one === null || other === null ? (one ?? other) : together(one, other);
