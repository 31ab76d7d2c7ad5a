import assert from 'node:assert/strict';
import { systemClock } from '#src/clock.ts';
import { SEAL_BYTES } from '#src/sealing/sealer.ts';
import { type Backend, type BackendBody, LOG_KIND } from '#src/storage/backend.ts';
import type { Store } from '#src/storage/open-store.ts';
import { logContext, recordContext } from '#src/storage/sealed-bodies.ts';
import type { RecordEntry } from '#src/storage/store-entry.ts';

/** A body as it is before it is sealed: of a record, or of an entry of a log. */
export type PlainBody = Record<string, unknown>;

/** The bodies of a store, to be changed beside the program, as one of another release would write them. */
export interface RawBodies {
  /** Changes every body of a kind, or of all logs, in its place. Answers how many there were. */
  change(kind: string, change: (body: PlainBody) => PlainBody): Promise<number>;
  /** Changes every record of a kind as a server does, at a new version each. Answers how many there were. */
  write(kind: string, change: (body: PlainBody) => PlainBody): Promise<number>;
  /** Every body of a kind. */
  read(kind: string): Promise<PlainBody[]>;
}

export function rawBodies({ keys: { sealer } }: Pick<Store, 'keys'>, backend: Backend): RawBodies {
  const all = async (kind: string) => {
    const found: BackendBody[] = [];
    let after: string | null = null;
    do {
      const stretch = await backend.walk({ after, limit: 1000, except: NO_SEAL });
      found.push(...stretch.bodies.filter((body) => kindOf(body) === kind));
      after = stretch.next;
    } while (after !== null);
    return found;
  };
  const contextOf = (body: BackendBody) =>
    body.in === 'log' ? logContext(body.log) : recordContext(body.kind, body.key);
  const opened = (body: BackendBody): PlainBody =>
    JSON.parse(sealer.open(contextOf(body), body.body).toString());
  return {
    read: async (kind) => (await all(kind)).map(opened),
    change: async (kind, change) => {
      const changed = (await all(kind)).map((body) => {
        const plain = Buffer.from(JSON.stringify(change(opened(body))));
        return { ...body, body: sealer.seal(contextOf(body), plain) };
      });
      return Number(await backend.replaceBodies(changed));
    },
    write: async (kind, change) => {
      const records: RecordEntry[] = [];
      for await (const page of backend.entries())
        for (const entry of page) if (entry.sort === 'record' && entry.kind === kind) records.push(entry);
      for (const { sort: _, consumedAt: __, version, body, ...record } of records) {
        const context = recordContext(kind, record.key);
        const plain = Buffer.from(JSON.stringify(change(JSON.parse(sealer.open(context, body).toString()))));
        const written = { ...record, body: sealer.seal(context, plain), onlyIf: { version }, note: null };
        assert.equal((await backend.put(written, systemClock.now())).outcome, 'stored');
      }
      return records.length;
    },
  };
}

const NO_SEAL = Buffer.alloc(SEAL_BYTES);

const kindOf = (body: BackendBody) => (body.in === 'log' ? LOG_KIND : body.kind);
