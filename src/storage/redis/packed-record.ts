import { StorageFault } from '#src/fault.ts';
import {
  type BackendCounter,
  type BackendLogEntry,
  type BackendRecord,
  type BackendWrite,
  DIGEST_BYTES,
  type Digest,
} from '#src/storage/backend.ts';
import type { CounterEntry, LogEntry, RecordEntry } from '#src/storage/store-entry.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/**
 * Where a record is, in its hash and in every index: its kind, a colon and its key, so that the records of a kind lie
 * side by side in the order of their keys.
 */
export function placeOf(kind: string, key: Digest): Buffer {
  return Buffer.concat([Buffer.from(`${kind}:`), key]);
}

/**
 * A record as it lies in Redis, with `lua/record.lua` as its other reader. Numbers are doubles in network byte order,
 * which hold every whole number that JavaScript does, and infinity for what never happens.
 *
 * | bytes | |
 * |---|---|
 * | 1 | the layout, so that nodes of different versions know what they read |
 * | 8 | version, given by Redis |
 * | 8 | when it expires; infinity for never |
 * | 8 | when it was consumed; infinity if it was not |
 * | 1 and as many | group, or nothing |
 * | 1 and as many | owner, or nothing |
 * | 2 and as many | aliases, one after the other |
 * | the rest | body |
 */
export function packRecord({ expiresAt, group, owner, aliases, body }: PackedParts): Buffer {
  const head = Buffer.alloc(GROUP_AT);
  head.writeUInt8(RECORD_LAYOUT, 0);
  head.writeDoubleBE(expiresAt ?? Number.POSITIVE_INFINITY, EXPIRES_AT);
  head.writeDoubleBE(Number.POSITIVE_INFINITY, CONSUMED_AT);
  const joined = Buffer.concat(aliases);
  const aliasesLength = Buffer.alloc(2);
  aliasesLength.writeUInt16BE(joined.length);
  return Buffer.concat([
    head,
    ...lengthAndDigest(group),
    ...lengthAndDigest(owner),
    aliasesLength,
    joined,
    body,
  ]);
}

/** Throws `StorageFault` for a layout that this program does not know. */
export function unpackRecord(place: Buffer, packed: Buffer): BackendRecord {
  assertLayout(packed, RECORD_LAYOUT);
  const expiresAt = packed.readDoubleBE(EXPIRES_AT);
  const consumedAt = packed.readDoubleBE(CONSUMED_AT);
  const ownerAt = GROUP_AT + 1 + packed.readUInt8(GROUP_AT);
  const aliasesAt = ownerAt + 1 + packed.readUInt8(ownerAt);
  return {
    key: keyOf(place),
    body: packed.subarray(aliasesAt + 2 + packed.readUInt16BE(aliasesAt)),
    version: packed.readDoubleBE(VERSION_AT),
    expiresAt: timeOrNull(expiresAt),
    consumedAt: timeOrNull(consumedAt),
  };
}

/** True if an alias leads to the record. */
export function hasAlias(packed: Buffer, alias: Digest): boolean {
  const ownerAt = GROUP_AT + 1 + packed.readUInt8(GROUP_AT);
  const aliasesAt = ownerAt + 1 + packed.readUInt8(ownerAt);
  const end = aliasesAt + 2 + packed.readUInt16BE(aliasesAt);
  for (let at = aliasesAt + 2; at < end; at += DIGEST_BYTES)
    if (alias.equals(packed.subarray(at, at + DIGEST_BYTES))) return true;
  return false;
}

/** A record as it lies in another store, with the version and the use that it has there. */
export function packStoredRecord(entry: RecordEntry): Buffer {
  const packed = packRecord(entry);
  packed.writeDoubleBE(entry.version, VERSION_AT);
  packed.writeDoubleBE(entry.consumedAt ?? Number.POSITIVE_INFINITY, CONSUMED_AT);
  return packed;
}

/** A record as it lies here. `aliases` are those that lead to it, one after the other. */
export function unpackStoredRecord(place: Buffer, packed: Buffer, aliases: Buffer): RecordEntry {
  const { key, ...rest } = unpackRecord(place, packed);
  const ownerAt = GROUP_AT + 1 + packed.readUInt8(GROUP_AT);
  const each = Array.from({ length: aliases.length / DIGEST_BYTES }, (_, at) =>
    aliases.subarray(at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES),
  );
  return {
    sort: 'record',
    kind: kindOf(place),
    key,
    ...rest,
    group: digestAt(packed, GROUP_AT),
    owner: digestAt(packed, ownerAt),
    aliases: each.toSorted(Buffer.compare),
  };
}

/** The name of an entry: its log and its position, whose bytes sort as the numbers do. */
export function entryName(log: Digest, position: number): Buffer {
  const suffix = Buffer.alloc(8);
  suffix.writeDoubleBE(position);
  return Buffer.concat([log, suffix]);
}

/** The log of an entry with that name. */
export const logOf = (name: Buffer): Digest => name.subarray(0, DIGEST_BYTES);

/** An entry as `lua/note.lua` packs it: layout, until when it matters, the place of what was removed, body. */
export function unpackEntry(name: Buffer, packed: Buffer): BackendLogEntry {
  assertLayout(packed, NOTE_LAYOUT);
  const bodyAt = PLACE_AT + packed.readUInt8(PLACE_AT - 1);
  const place = packed.subarray(PLACE_AT, bodyAt);
  return {
    position: name.readDoubleBE(DIGEST_BYTES),
    until: epochSeconds(packed.readDoubleBE(1)),
    removed: place.length === 0 ? null : { kind: kindOf(place), key: keyOf(place) },
    body: packed.subarray(bodyAt),
  };
}

/** An entry of a log as `lua/note.lua` packs it. */
export function packEntry({ until, removed, body }: LogEntry): Buffer {
  const place = removed === null ? Buffer.alloc(0) : placeOf(removed.kind, removed.key);
  const head = Buffer.alloc(PLACE_AT);
  head.writeUInt8(NOTE_LAYOUT, 0);
  head.writeDoubleBE(until, 1);
  head.writeUInt8(place.length, PLACE_AT - 1);
  return Buffer.concat([head, place, body]);
}

/** A counter as `lua/hit.lua` packs it: how often, until when. */
export function unpackCounter(packed: Buffer): BackendCounter {
  return { count: packed.readDoubleBE(0), resetsAt: epochSeconds(packed.readDoubleBE(8)) };
}

export function packCounter({ count, until }: CounterEntry): Buffer {
  const packed = Buffer.alloc(16);
  packed.writeDoubleBE(count, 0);
  packed.writeDoubleBE(until, 8);
  return packed;
}

type PackedParts = Pick<BackendWrite, 'expiresAt' | 'group' | 'owner' | 'aliases' | 'body'>;

const RECORD_LAYOUT = 1;
const NOTE_LAYOUT = 1;

const VERSION_AT = 1;
const EXPIRES_AT = 9;
const CONSUMED_AT = 17;
const GROUP_AT = 25;
const PLACE_AT = 10;

const keyOf = (place: Buffer): Digest => place.subarray(-DIGEST_BYTES);
/** The kind of the record that is at a place. */
export const kindOf = (place: Buffer): string => place.toString('latin1', 0, place.length - DIGEST_BYTES - 1);

function lengthAndDigest(digest: Digest | null): Buffer[] {
  return digest === null ? [Buffer.of(0)] : [Buffer.of(digest.length), digest];
}

function digestAt(packed: Buffer, lengthAt: number): Digest | null {
  const length = packed.readUInt8(lengthAt);
  return length === 0 ? null : packed.subarray(lengthAt + 1, lengthAt + 1 + length);
}

function timeOrNull(time: number): EpochSeconds | null {
  return time === Number.POSITIVE_INFINITY ? null : epochSeconds(time);
}

function assertLayout(packed: Buffer, known: number): void {
  const layout = packed.readUInt8(0);
  if (layout !== known) {
    throw new StorageFault(`a record has layout ${layout}, which a newer Keyturn has written`);
  }
}
