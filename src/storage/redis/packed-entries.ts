import type { Argument, ScriptRunner } from '#src/storage/redis/connection.ts';
import {
  entryName,
  logOf,
  packCounter,
  packEntry,
  packStoredRecord,
  placeOf,
  unpackCounter,
  unpackEntry,
  unpackStoredRecord,
} from '#src/storage/redis/packed-record.ts';
import { type FillingStep, nameOf, type StoreEntry } from '#src/storage/store-entry.ts';
import { UNFINISHED_KEY, UNFINISHED_KIND } from '#src/storage/unfinished.ts';
import { epochSeconds } from '#src/units.ts';

/** A page holds up everyone else for about a millisecond. */
const PAGE_ENTRIES = 200;
const PAGE_BYTES = 1024 * 1024;

/** Everything that lies in Redis, page by page. Each page is one look; between two of them others write. */
export async function* redisEntries(connection: ScriptRunner): AsyncGenerator<readonly StoreEntry[]> {
  yield* named(connection, 'record');
  yield* named(connection, 'log');
  yield* timed(connection, 'ended_groups');
  yield* timed(connection, 'revoked');
  yield* timed(connection, 'counters');
}

async function* named(
  connection: ScriptRunner,
  table: 'record' | 'log',
): AsyncGenerator<readonly StoreEntry[]> {
  let from: Buffer = Buffer.from('-');
  for (;;) {
    const given = [table, from, PAGE_ENTRIES, PAGE_BYTES];
    const found = triplesOf((await connection.run('entries', given)) as Buffer[]);
    const last = found.at(-1)?.[0];
    if (last === undefined) return;
    yield found
      .filter(([name]) => table === 'log' || !name.equals(UNFINISHED_PLACE))
      .map(([name, packed, aliases]) =>
        table === 'record' ? unpackStoredRecord(name, packed, aliases) : logEntry(name, packed),
      );
    from = Buffer.concat([Buffer.from('('), last]);
  }
}

async function* timed(
  connection: ScriptRunner,
  index: 'ended_groups' | 'revoked' | 'counters',
): AsyncGenerator<readonly StoreEntry[]> {
  let after: Argument[] = ['', ''];
  let lastName: Buffer = Buffer.alloc(0);
  for (;;) {
    const given = [index, ...after, PAGE_ENTRIES];
    const found = triplesOf((await connection.run('timedEntries', given)) as Buffer[]);
    const last = found.at(-1);
    if (last === undefined) return;
    const page = found.map(([member, time, packed]) => timedEntry(index, member, Number(time), packed));
    // What is met once more is left out.
    const behind = lastName;
    yield page.filter((entry) => Buffer.compare(nameOf(entry), behind) > 0);
    lastName = nameOf(page.at(-1) as StoreEntry);
    after = [last[1], last[0]];
  }
}

/** What the script that fills a store is given. */
export function fillingArguments({ claim, put, drop, finish }: FillingStep): Argument[] {
  // Versions that somebody has seen are not given out once more, whenever the filling ends.
  const version = Math.max(0, ...put.map((entry) => (entry.sort === 'record' ? entry.version : 0)));
  const position = Math.max(0, ...put.map((entry) => (entry.sort === 'log-entry' ? entry.position : 0)));
  return [
    UNFINISHED_PLACE,
    claim,
    finish === null ? '' : '1',
    Math.max(version, finish?.version ?? 0),
    Math.max(position, finish?.position ?? 0),
    finish?.seal ?? '',
    ...drop.flatMap((entry) => deed('drop', entry)),
    ...put.flatMap((entry) => deed('put', entry)),
  ];
}

function deed(verb: 'put' | 'drop', entry: StoreEntry): Argument[] {
  switch (entry.sort) {
    case 'record':
      return [
        `${verb}_record`,
        placeOf(entry.kind, entry.key),
        verb === 'put' ? packStoredRecord(entry) : '',
      ];
    case 'log-entry':
      return [`${verb}_note`, entryName(entry.log, entry.position), verb === 'put' ? packEntry(entry) : ''];
    case 'ended-group':
      return [`${verb}_ended`, entry.group, entry.until];
    case 'revocation':
      return [`${verb}_revoked`, entry.entry, entry.until];
    case 'counter':
      return [`${verb}_counter`, entry.counter, packCounter(entry)];
  }
}

const UNFINISHED_PLACE = placeOf(UNFINISHED_KIND, UNFINISHED_KEY);

function logEntry(name: Buffer, packed: Buffer): StoreEntry {
  return { sort: 'log-entry', log: logOf(name), ...unpackEntry(name, packed) };
}

function timedEntry(index: string, member: Buffer, time: number, packed: Buffer): StoreEntry {
  const until = epochSeconds(time);
  if (index === 'ended_groups') return { sort: 'ended-group', group: member, until };
  if (index === 'revoked') return { sort: 'revocation', entry: member, until };
  return { sort: 'counter', counter: member, count: unpackCounter(packed).count, until };
}

function triplesOf(flat: readonly Buffer[]): [Buffer, Buffer, Buffer][] {
  const triples: [Buffer, Buffer, Buffer][] = [];
  for (let at = 0; at + 2 < flat.length; at += 3) {
    triples.push([flat[at] as Buffer, flat[at + 1] as Buffer, flat[at + 2] as Buffer]);
  }
  return triples;
}
