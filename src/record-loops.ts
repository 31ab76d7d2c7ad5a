import { StorageFault } from '#src/fault.ts';
import type { RecordKind, RecordPage, Records, RecordWrite, StoredRecord } from '#src/records.ts';

/** Each lost race means that someone else's change was made, so losing this often means that something is wrong. */
const CHANGE_ATTEMPTS_MAX = 100;

/**
 * Replaces a record by compare-and-set: `change` sees its value, or `null` if none lives, and says what to write; if
 * someone else wrote in between, it is asked again with what they wrote. So of any number of changes at once none is
 * lost. Whatever `change` throws ends it. Returns the value that was written.
 * @throws StorageFault, also where the write would take another record's alias or join a group that has ended.
 */
export async function changeRecord<T>(
  records: Pick<Records, 'find' | 'put'>,
  { kind, id }: { readonly kind: RecordKind; readonly id: string },
  change: (current: T | null) => Omit<RecordWrite<T>, 'kind' | 'id' | 'onlyIf'>,
): Promise<T> {
  for (let attempt = 0; attempt < CHANGE_ATTEMPTS_MAX; attempt += 1) {
    const record = await records.find<T>(kind, id);
    const write = change(record === null ? null : record.value);
    const onlyIf = record === null ? 'absent' : { version: record.version };
    const { outcome } = await records.put<T>({ ...write, kind, id, onlyIf });
    if (outcome === 'stored') return write.value;
    if (outcome !== 'stale') throw new StorageFault(`a changed ${kind} could not be stored: ${outcome}`);
  }
  throw new StorageFault(`a ${kind} changed each time it was about to be written`);
}

const PAGE_RECORDS = 200;

/** The values of every living record of a kind, in the order of the store, read a page at a time. @throws StorageFault */
export async function* everyValue<T>(records: Pick<Records, 'list'>, kind: RecordKind): AsyncGenerator<T> {
  for await (const { value } of everyPage<T>((page) => records.list(kind, page))) yield value;
}

/** Every living record of a kind that belongs to this owner. @throws StorageFault */
export function everyOwned<T>(
  records: Pick<Records, 'listOwned'>,
  kind: RecordKind,
  owner: string,
): AsyncGenerator<StoredRecord<T>> {
  return everyPage<T>((page) => records.listOwned(kind, owner, page));
}

async function* everyPage<T>(
  read: (page: { after?: string; limit: number }) => Promise<RecordPage<T>>,
): AsyncGenerator<StoredRecord<T>> {
  let page = await read({ limit: PAGE_RECORDS });
  for (;;) {
    yield* page.records;
    if (page.next === null) return;
    page = await read({ limit: PAGE_RECORDS, after: page.next });
  }
}
