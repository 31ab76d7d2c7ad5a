import { StorageFault } from '#src/fault.ts';
import { DIGEST_BYTES, type Digest } from '#src/storage/backend.ts';
import type { StoreEntry } from '#src/storage/store-entry.ts';
import type { EpochSeconds } from '#src/units.ts';

/** What an entry says beside its body, as JSON: digests in base64url, times in whole seconds. */
interface Head {
  readonly sort: string;
  readonly [member: string]: unknown;
}

/**
 * An entry in bytes, always the same for the same entry: how long its head and its body are (4 bytes each, big-endian),
 * the head in JSON, and the body as it lies in the store.
 */
export function encodeEntry(entry: StoreEntry): Buffer {
  return frame(headOf(entry), 'body' in entry ? entry.body : NOTHING);
}

/** @throws StorageFault for what a newer Keyturn has written */
export function decodeEntry(head: Head, body: Buffer): StoreEntry {
  const { sort } = head;
  const until = head.until as EpochSeconds;
  switch (sort) {
    case 'record':
      return {
        sort,
        kind: head.kind as string,
        key: digestIn(head.key),
        version: head.version as number,
        expiresAt: head.expires_at as EpochSeconds | null,
        consumedAt: head.consumed_at as EpochSeconds | null,
        group: digestOrNull(head.group),
        owner: digestOrNull(head.owner),
        aliases: (head.aliases as string[]).map(digestIn),
        body,
      };
    case 'log-entry': {
      const removed = head.removed as { kind: string; key: string } | null;
      return {
        sort,
        log: digestIn(head.log),
        position: head.position as number,
        until,
        removed: removed === null ? null : { kind: removed.kind, key: digestIn(removed.key) },
        body,
      };
    }
    case 'ended-group':
      return { sort, group: digestIn(head.group), until };
    case 'revocation':
      return { sort, entry: digestIn(head.entry), until };
    case 'counter':
      return { sort, counter: digestIn(head.counter), count: head.count as number, until };
    default:
      throw new StorageFault(`a newer Keyturn has written something that this one does not know: ${sort}`);
  }
}

/** A head and a body in bytes. */
export function frame(head: Head, body: Buffer): Buffer {
  const json = Buffer.from(JSON.stringify(head));
  const lengths = Buffer.alloc(LENGTHS_BYTES);
  lengths.writeUInt32BE(json.length);
  lengths.writeUInt32BE(body.length, 4);
  return Buffer.concat([lengths, json, body]);
}

/** Takes framed heads and bodies out of a stream of bytes, however that is cut. */
export async function* unframed(bytes: AsyncIterable<Buffer>): AsyncGenerator<{ head: Head; body: Buffer }> {
  let rest: Buffer = NOTHING;
  for await (const more of bytes) {
    rest = rest.length === 0 ? more : Buffer.concat([rest, more]);
    while (rest.length >= LENGTHS_BYTES) {
      const bodyAt = LENGTHS_BYTES + rest.readUInt32BE(0);
      const end = bodyAt + rest.readUInt32BE(4);
      if (rest.length < end) break;
      const head = JSON.parse(rest.toString('utf8', LENGTHS_BYTES, bodyAt)) as Head;
      yield { head, body: rest.subarray(bodyAt, end) };
      rest = rest.subarray(end);
    }
  }
}

const LENGTHS_BYTES = 8;
const NOTHING = Buffer.alloc(0);

function headOf(entry: StoreEntry): Head {
  const { sort } = entry;
  switch (sort) {
    case 'record': {
      const { kind, key, version, expiresAt, consumedAt, group, owner, aliases } = entry;
      return {
        sort,
        kind,
        key: textOf(key),
        version,
        expires_at: expiresAt,
        consumed_at: consumedAt,
        group: group && textOf(group),
        owner: owner && textOf(owner),
        aliases: aliases.map(textOf),
      };
    }
    case 'log-entry': {
      const { log, position, until, removed } = entry;
      const removedHead = removed && { kind: removed.kind, key: textOf(removed.key) };
      return { sort, log: textOf(log), position, until, removed: removedHead };
    }
    case 'ended-group':
      return { sort, group: textOf(entry.group), until: entry.until };
    case 'revocation':
      return { sort, entry: textOf(entry.entry), until: entry.until };
    case 'counter':
      return { sort, counter: textOf(entry.counter), count: entry.count, until: entry.until };
  }
}

const textOf = (digest: Digest): string => digest.toString('base64url');

function digestIn(text: unknown): Digest {
  const digest = Buffer.from(String(text), 'base64url');
  if (digest.length !== DIGEST_BYTES) throw new StorageFault('a digest has the wrong length');
  return digest;
}

const digestOrNull = (text: unknown): Digest | null => (text === null ? null : digestIn(text));
