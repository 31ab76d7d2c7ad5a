import type { DatabaseSync } from 'node:sqlite';
import { SEAL_BYTES } from '#src/sealing/sealer.ts';
import {
  type BackendBody,
  type BackendBodyCount,
  type BackendStretch,
  type BackendWalk,
  LOG_KIND,
} from '#src/storage/backend.ts';
import { asBuffer } from '#src/storage/sqlite/as-buffer.ts';

/** Goes through every sealed body of a database, a stretch at a time, and puts other bytes in the place of some. */
export class BodyWalk {
  readonly #statements: ReturnType<typeof prepareStatements>;

  constructor(database: DatabaseSync) {
    this.#statements = prepareStatements(database);
  }

  stretch({ after, limit, except }: BackendWalk): BackendStretch {
    const { table, behind } = placeOf(after ?? FIRST_PLACE);
    const rows = this.#statements[table].all({ behind, limit, except }) as unknown as BodyRow[];
    return {
      counts: countsOf(rows),
      bodies: rows.flatMap((row) => (row.body === null ? [] : [bodyFrom(row, asBuffer(row.body))])),
      next: rows.length < limit ? FOLLOWING[table] : `${table}:${rows.at(-1)?.place}`,
    };
  }

  /** Within a transaction. */
  replace(bodies: readonly BackendBody[]): number {
    let replaced = 0;
    for (const each of bodies) replaced += this.#replaceOne(each);
    return replaced;
  }

  #replaceOne(each: BackendBody): number {
    const { body } = each;
    if (each.in === 'record') {
      const { kind, key, version } = each;
      return Number(this.#statements.replaceInRecord.run({ kind, key, version, body }).changes);
    }
    const { log, position } = each;
    return Number(this.#statements.replaceInLog.run({ log, position, body }).changes);
  }
}

type Table = 'record' | 'log_entry';

/** Records first: one that is removed may get into a log, and what is in a log never gets into a record. */
const FIRST_PLACE = 'record:0';
const FOLLOWING: Readonly<Record<Table, string | null>> = { record: 'log_entry:0', log_entry: null };

function prepareStatements(database: DatabaseSync) {
  const seal = `substr(body, 1, ${SEAL_BYTES})`;
  const columns = `${seal} AS seal, iif(:except IS NULL OR ${seal} = :except, NULL, body) AS body`;
  return {
    record: database.prepare(`
      SELECT id AS place, kind, key, version, NULL AS log, ${columns} FROM record
      WHERE id > :behind ORDER BY id LIMIT :limit`),

    log_entry: database.prepare(`
      SELECT position AS place, kind, key, NULL AS version, log, ${columns} FROM log_entry
      WHERE position > :behind ORDER BY position LIMIT :limit`),

    replaceInRecord: database.prepare(
      'UPDATE record SET body = :body WHERE kind = :kind AND key = :key AND version = :version',
    ),

    replaceInLog: database.prepare(
      'UPDATE log_entry SET body = :body WHERE log = :log AND position = :position',
    ),
  };
}

interface BodyRow {
  readonly place: number;
  readonly kind: string | null;
  readonly key: Uint8Array | null;
  readonly version: number | null;
  readonly log: Uint8Array | null;
  readonly seal: Uint8Array;
  readonly body: Uint8Array | null;
}

function placeOf(text: string): { table: Table; behind: number } {
  const [table, place] = text.split(':');
  return { table: table as Table, behind: Number(place) };
}

function countsOf(rows: readonly BodyRow[]): BackendBodyCount[] {
  const counts = new Map<string, { kind: string; seal: Buffer; count: number }>();
  for (const row of rows) {
    const kind = row.log === null ? (row.kind ?? '') : LOG_KIND;
    const seal = asBuffer(row.seal);
    const name = `${seal.toString('latin1')} ${kind}`;
    const known = counts.get(name) ?? { kind, seal, count: 0 };
    counts.set(name, { ...known, count: known.count + 1 });
  }
  return [...counts.values()];
}

function bodyFrom({ place, kind, key, version, log }: BodyRow, body: Buffer): BackendBody {
  if (log === null)
    return { in: 'record', kind: kind ?? '', key: asBuffer(key ?? NO_BYTES), version: version ?? 0, body };
  const removed = kind === null || key === null ? null : { kind, key: asBuffer(key) };
  return { in: 'log', log: asBuffer(log), position: place, removed, body };
}

const NO_BYTES = Buffer.alloc(0);
