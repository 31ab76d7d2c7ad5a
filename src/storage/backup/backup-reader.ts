import { open } from 'node:fs/promises';
import { Refusal, SetupFault, StorageFault } from '#src/fault.ts';
import type { KeyEncryptionKeys } from '#src/sealing/key-encryption-keys.ts';
import { keyOfSeal, sealOf } from '#src/sealing/sealer.ts';
import {
  type BackupHeader,
  HEADER_BYTES_MAX,
  type ReadHeader,
  readHeader,
} from '#src/storage/backup/backup-header.ts';
import type { EntryCounts } from '#src/storage/backup/backup-writer.ts';
import { DamagedStream, openedStream, streamKey } from '#src/storage/backup/sealed-stream.ts';
import { decodeEntry, unframed } from '#src/storage/entry-encoding.ts';
import type { EntryPages } from '#src/storage/mirror.ts';
import { countedAs, type StoreEntry, type StoreSequences } from '#src/storage/store-entry.ts';

/** A backup that has been read to its end once, and is whole. Disposing it closes the file. */
export interface CheckedBackup extends AsyncDisposable {
  readonly header: BackupHeader;
  readonly counts: EntryCounts;
  readonly sequences: StoreSequences;
  /** The key-encryption keys that what is in it is sealed under. */
  readonly keks: readonly string[];
  entries(): EntryPages;
}

/**
 * Opens a backup and looks at all of it: every chunk, every entry, and whether the keys are there.
 * @throws Refusal `not_a_backup`, `backup_newer`, `backup_damaged`, SetupFault for keys that are missing
 */
export async function checkBackup(path: string, held: KeyEncryptionKeys): Promise<CheckedBackup> {
  await using opened = new AsyncDisposableStack();
  const handle = opened.use(await openFile(path));
  const beginning = Buffer.alloc(HEADER_BYTES_MAX);
  const { bytesRead } = await handle.read(beginning, 0, HEADER_BYTES_MAX, 0);
  const read = readHeader(beginning.subarray(0, bytesRead));
  const { header, bytes: headerBytes } = read;
  assertHeld([header.kek, ...header.keks], held);
  const sealed = () =>
    handle.createReadStream({ start: headerBytes.length, autoClose: false }) as AsyncIterable<Buffer>;
  const counts = new Map<string, number>();
  const keks = new Set<string>();
  let sequences: StoreSequences | null = null;
  const pages = contentOf(sealed(), read, held, (end) => {
    sequences = end;
  });
  for await (const page of pages) {
    for (const entry of page) {
      counts.set(countedAs(entry), (counts.get(countedAs(entry)) ?? 0) + 1);
      const kek = 'body' in entry ? keyOfSeal(sealOf(entry.body)) : null;
      if (kek !== null) keks.add(kek);
    }
  }
  if (sequences === null) throw damaged('ends before its end');
  assertHeld([...keks], held);
  const closing = opened.move();
  return {
    header,
    counts,
    sequences,
    keks: [...keks].toSorted(),
    entries: () => contentOf(sealed(), read, held, () => {}),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

async function openFile(path: string) {
  try {
    return await open(path);
  } catch (error) {
    throw new Refusal('file_unreadable', `${path} cannot be read: ${(error as Error).message}`);
  }
}

const PAGE_ENTRIES = 256;

async function* contentOf(
  sealed: AsyncIterable<Buffer>,
  { header, bytes }: ReadHeader,
  held: KeyEncryptionKeys,
  onEnd: (sequences: StoreSequences) => void,
): AsyncGenerator<readonly StoreEntry[]> {
  const kek = held.find(header.kek);
  if (kek === null) throw missing([header.kek], held);
  const frames = unframed(openedStream(streamKey(kek.key, header.salt, bytes), sealed));
  let page: StoreEntry[] = [];
  let [entries, promised] = [0, -1];
  try {
    for await (const { head, body } of frames) {
      if (head.sort === 'end') {
        promised = Number(head.entries);
        const seal = body.length === 0 ? null : body;
        onEnd({ version: Number(head.version), position: Number(head.position), seal });
        continue;
      }
      page.push(decodeEntry(head, body));
      entries += 1;
      if (page.length < PAGE_ENTRIES) continue;
      yield page;
      page = [];
    }
  } catch (error) {
    if (!(error instanceof DamagedStream)) throw error;
    throw damaged(
      error.damage === 'cut-short'
        ? 'was cut short, or its end was changed'
        : `was changed, or ${header.kek} is another key`,
    );
  }
  if (promised !== entries) throw new StorageFault('the backup does not hold what it says it does');
  yield page;
}

const damaged = (what: string): Refusal => new Refusal('backup_damaged', `The backup ${what}.`);

function assertHeld(ids: readonly string[], held: KeyEncryptionKeys): void {
  const lacking = [...new Set(ids)].filter((id) => held.find(id) === null);
  if (lacking.length > 0) throw missing(lacking, held);
}

const missing = (ids: readonly string[], { source }: KeyEncryptionKeys): SetupFault =>
  new SetupFault(
    `the backup needs the key-encryption key ${ids.join(' and ')}, which is not in ${source}`,
    'put it there, from where you keep the keys; a backup holds none of them',
  );
