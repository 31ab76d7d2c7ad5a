import type {
  BackendCounter,
  BackendLogEntry,
  BackendRecord,
  UnchangedRecord,
} from '#src/storage/backend.ts';
import { asBuffer } from '#src/storage/sqlite/as-buffer.ts';
import type { EpochSeconds } from '#src/units.ts';

export interface RecordRow {
  readonly key: Uint8Array;
  readonly body: Uint8Array;
  readonly version: number;
  readonly expires_at_s: EpochSeconds | null;
  readonly consumed_at_s: EpochSeconds | null;
}

export function recordFrom(row: object | undefined): BackendRecord | null {
  return row === undefined ? null : fromRow(row as RecordRow);
}

/** A row of `findRecordAgain`. */
export type RowAgain = readonly [
  body: Uint8Array | null,
  version: number,
  expiresAt: EpochSeconds | null,
  consumedAt: EpochSeconds | null,
  key: Uint8Array,
];

/** A row of `findRecordByAliasAgain`. */
export type AliasedRowAgain = readonly [...RowAgain, kind: string];

export const unlessOver = (known: UnchangedRecord, now: EpochSeconds): UnchangedRecord | null =>
  known.expiresAt === null || known.expiresAt > now ? known : null;

export function recordAgain([body, version, expiresAt, consumedAt, key]: RowAgain | AliasedRowAgain):
  | BackendRecord
  | UnchangedRecord {
  if (body === null) return { body, version, expiresAt, consumedAt };
  return { key: asBuffer(key), body: asBuffer(body), version, expiresAt, consumedAt };
}

export function fromRow(row: RecordRow): BackendRecord {
  return {
    key: asBuffer(row.key),
    body: asBuffer(row.body),
    version: row.version,
    expiresAt: row.expires_at_s,
    consumedAt: row.consumed_at_s,
  };
}

export interface CounterRow {
  readonly count: number;
  readonly expires_at_s: EpochSeconds;
}

export const counterFrom = (row: CounterRow): BackendCounter => ({
  count: row.count,
  resetsAt: row.expires_at_s,
});

export interface LogRow {
  readonly position: number;
  readonly expires_at_s: EpochSeconds;
  readonly kind: string | null;
  readonly key: Uint8Array | null;
  readonly body: Uint8Array;
}

export function logEntryFrom({ position, expires_at_s: until, kind, key, body }: LogRow): BackendLogEntry {
  const removed = kind === null || key === null ? null : { kind, key: asBuffer(key) };
  return { position, until, removed, body: asBuffer(body) };
}
