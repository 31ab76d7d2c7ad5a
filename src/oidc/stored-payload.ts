import type { AdapterPayload } from 'oidc-provider';
import type { StoredRecord } from '#src/records.ts';

/** A record as the library wants to see it: whether it was used is among what it says. */
export function storedPayload(record: StoredRecord<AdapterPayload> | null): AdapterPayload | undefined {
  if (record === null) return undefined;
  return record.consumedAt === null ? record.value : { ...record.value, consumed: record.consumedAt };
}
