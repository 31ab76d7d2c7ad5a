import {
  type BackendBody,
  type BackendBodyCount,
  type BackendStretch,
  type BackendWalk,
  LOG_KIND,
} from '#src/storage/backend.ts';
import type { Argument } from '#src/storage/redis/connection.ts';
import {
  entryName,
  kindOf,
  logOf,
  placeOf,
  unpackEntry,
  unpackRecord,
} from '#src/storage/redis/packed-record.ts';

/** A step holds up everyone else for about a millisecond. */
const WALK_STEP_MAX = 200;

/** Where a stretch begins: records by their places first, and then entries of logs by their names. */
interface WalkPlace {
  readonly table: 'record' | 'log';
  readonly behind: Buffer;
}

const FIRST_PLACE: WalkPlace = { table: 'record', behind: Buffer.alloc(0) };

/** What the script of a walk is given. */
export function walkArguments({ after, limit, except }: BackendWalk): Argument[] {
  const { table, behind } = placeIn(after);
  const from = behind.length === 0 ? '-' : Buffer.concat([Buffer.from('('), behind]);
  return [table, from, Math.min(limit, WALK_STEP_MAX), except ?? ''];
}

/** The stretch that the script of a walk has answered with: name, seal, and what lies there, time and again. */
export function unpackStretch({ after, limit }: BackendWalk, answer: readonly Buffer[]): BackendStretch {
  const { table } = placeIn(after);
  const bodies: BackendBody[] = [];
  const counts = new Map<string, BackendBodyCount>();
  for (let at = 0; at + 2 < answer.length; at += 3) {
    const [name, seal, packed] = answer.slice(at, at + 3) as [Buffer, Buffer, Buffer];
    const kind = table === 'record' ? kindOf(name) : LOG_KIND;
    const counted = `${seal.toString('latin1')} ${kind}`;
    counts.set(counted, { kind, seal, count: (counts.get(counted)?.count ?? 0) + 1 });
    if (packed.length > 0) bodies.push(table === 'record' ? recordBody(name, packed) : logBody(name, packed));
  }
  const last = answer.at(-3);
  const atEnd = answer.length / 3 < Math.min(limit, WALK_STEP_MAX) || last === undefined;
  const following = table === 'record' ? 'log:' : null;
  return {
    counts: [...counts.values()],
    bodies,
    next: atEnd ? following : `${table}:${last.toString('base64')}`,
  };
}

/** What the script that replaces bodies is given: table, name, version and body of each. */
export function replacementArguments(bodies: readonly BackendBody[]): Argument[] {
  return bodies.flatMap((each): Argument[] =>
    each.in === 'record'
      ? [each.in, placeOf(each.kind, each.key), each.version, each.body]
      : [each.in, entryName(each.log, each.position), '', each.body],
  );
}

function placeIn(after: string | null): WalkPlace {
  if (after === null) return FIRST_PLACE;
  const [table, behind = ''] = after.split(':');
  return { table: table === 'record' ? table : 'log', behind: Buffer.from(behind, 'base64') };
}

function recordBody(place: Buffer, packed: Buffer): BackendBody {
  const { key, version, body } = unpackRecord(place, packed);
  return { in: 'record', kind: kindOf(place), key, version, body };
}

function logBody(name: Buffer, packed: Buffer): BackendBody {
  const { position, removed, body } = unpackEntry(name, packed);
  return { in: 'log', log: logOf(name), position, removed, body };
}
