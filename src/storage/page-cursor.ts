import { Refusal } from '#src/fault.ts';
import { type BackendRecord, DIGEST_BYTES, type Digest } from '#src/storage/backend.ts';

/** Where the page after these records begins, as callers hand it back; `null` after no record. */
export function pageCursor(records: readonly Pick<BackendRecord, 'key'>[]): string | null {
  return records.at(-1)?.key.toString('base64url') ?? null;
}

/** Throws `Refusal('page_unknown')`. */
export function readPageCursor(text: string): Digest {
  const key = Buffer.from(text, 'base64url');
  if (key.length !== DIGEST_BYTES) {
    throw new Refusal('page_unknown', 'this is not where a page of records ended');
  }
  return key;
}
