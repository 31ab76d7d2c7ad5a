import { Refusal, StorageFault } from '#src/fault.ts';
import { RECORD_BYTES_MAX, type RecordKind } from '#src/records.ts';
import { schemaOf } from '#src/storage/record-forms.ts';

/** What is in the body of a record, before it is sealed. */
export interface OpenedBody {
  readonly id: string;
  readonly value: unknown;
}

/** A newer program has written a record that this one would read wrongly. Nothing is done with it. */
class NewerRecordFault extends StorageFault {
  constructor(kind: RecordKind | 'log', schema: number) {
    const what = kind === 'log' ? 'an entry of a log' : `a record of kind ${kind}`;
    super(
      `a newer Keyturn has written ${what} with schema ${schema}, and this one reads up to ${schemaOf(kind)}: ` +
        'bring every server and every command on this store to the newer release',
    );
    this.name = 'NewerRecordFault';
  }
}

/** Throws `Refusal('record_too_large')` for a value of more than `RECORD_BYTES_MAX`. */
export function writeRecordBody(kind: RecordKind, { id, value }: OpenedBody): Buffer {
  const json = jsonOf(value, kind);
  return Buffer.from(`{"id":${JSON.stringify(id)},"schema":${schemaOf(kind)},"value":${json}}`);
}

/** @throws NewerRecordFault */
export function readRecordBody(kind: RecordKind, plain: Buffer): OpenedBody {
  const { id, schema, value } = JSON.parse(plain.toString()) as OpenedBody & Schema;
  assertKnown(kind, schema);
  return { id, value };
}

/** Throws `Refusal('record_too_large')` for an entry of more than `RECORD_BYTES_MAX`. */
export function writeLogBody(entry: unknown): Buffer {
  return Buffer.from(`{"schema":${schemaOf('log')},"entry":${jsonOf(entry, 'log')}}`);
}

/** @throws NewerRecordFault */
export function readLogBody(plain: Buffer): unknown {
  const body = JSON.parse(plain.toString()) as Schema & { readonly entry?: unknown };
  // Before entries had a schema they stood alone, and none had a member of that name.
  if (body?.schema === undefined) return body;
  assertKnown('log', body.schema);
  return body.entry;
}

/** Records that were written before there were schemas are at 1. */
interface Schema {
  readonly schema?: number;
}

function assertKnown(kind: RecordKind | 'log', schema = 1): void {
  if (schema > schemaOf(kind)) throw new NewerRecordFault(kind, schema);
}

function jsonOf(value: unknown, kind: RecordKind | 'log'): string {
  const json = JSON.stringify(value) as string | undefined;
  if (json === undefined) {
    throw new TypeError('the value of a record must be JSON');
  }
  const bytes = Buffer.byteLength(json);
  if (bytes > RECORD_BYTES_MAX) {
    throw new Refusal('record_too_large', `a record of ${bytes} bytes is larger than ${RECORD_BYTES_MAX}`, {
      kind,
      bytes,
    });
  }
  return json;
}
