import { StorageFault } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import { neededKeys } from '#src/sealing/kek-register.ts';
import { writtenHeader } from '#src/storage/backup/backup-header.ts';
import { STREAM_SALT_BYTES, sealedStream, streamKey } from '#src/storage/backup/sealed-stream.ts';
import { encodeEntry, frame } from '#src/storage/entry-encoding.ts';
import type { Store } from '#src/storage/open-store.ts';
import { countedAs, type StoreSequences } from '#src/storage/store-entry.ts';
import type { EpochSeconds } from '#src/units.ts';
import { PROGRAM_VERSION } from '#src/version.ts';

/** What is in a backup: how many of what. */
export type EntryCounts = ReadonlyMap<string, number>;

/** A backup in the making: its bytes, and what they hold once all of them have been taken. */
export interface BackupInTheMaking {
  readonly bytes: AsyncIterable<Buffer>;
  readonly counts: EntryCounts;
  readonly keks: readonly string[];
}

/**
 * Makes a backup of a store while it is used: everything in it, sealed as a whole under the current key-encryption key.
 * Reading the bytes throws `StorageFault`.
 */
export async function makeBackup(
  { content, keys }: Pick<Store, 'content' | 'keys'>,
  { random, now }: { readonly random: Random; readonly now: EpochSeconds },
): Promise<BackupInTheMaking> {
  const { register } = await keys.refresh();
  const { current } = keys.held;
  const keks = neededKeys(register).toSorted();
  const salt = random.bytes(STREAM_SALT_BYTES);
  const header = writtenHeader({
    kek: current.id,
    keks,
    salt: Buffer.from(salt),
    madeAt: now,
    program: PROGRAM_VERSION,
  });
  const counts = new Map<string, number>();
  const key = streamKey(current.key, salt, header);
  return { bytes: fileOf(header, sealedStream(key, framesOf(content, counts))), counts, keks };
}

async function* fileOf(header: Buffer, sealed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield header;
  yield* sealed;
}

/** Every entry, and at the end how many there are and what the store goes on from. */
async function* framesOf(content: Store['content'], counts: Map<string, number>): AsyncGenerator<Buffer> {
  const before = await content.sequences();
  let entries = 0;
  for await (const page of content.entries()) {
    for (const entry of page) {
      entries += 1;
      const counted = countedAs(entry);
      counts.set(counted, (counts.get(counted) ?? 0) + 1);
    }
    yield Buffer.concat(page.map(encodeEntry));
  }
  const after = await content.sequences();
  // The register would be of before and the seal of after, or the other way round.
  if (!isSameSeal(before, after)) {
    throw new StorageFault(
      'another key-encryption key has become current meanwhile: make the backup once more',
    );
  }
  const { version, position, seal } = after;
  yield frame({ sort: 'end', entries, version, position }, seal ?? Buffer.alloc(0));
}

const isSameSeal = (one: StoreSequences, other: StoreSequences) =>
  one.seal?.toString('latin1') === other.seal?.toString('latin1');
