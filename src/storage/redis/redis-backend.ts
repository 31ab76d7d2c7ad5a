import type { Clock } from '#src/clock.ts';
import type { Random } from '#src/random.ts';
import { Recent } from '#src/recent.ts';
import {
  type Backend,
  type BackendBody,
  type BackendCensus,
  type BackendCounter,
  type BackendLog,
  type BackendLogPage,
  type BackendNote,
  type BackendNoteOutcome,
  type BackendPage,
  type BackendPutOutcome,
  type BackendRecord,
  type BackendStretch,
  type BackendWalk,
  type BackendWrite,
  DIGEST_BYTES,
  type Digest,
  type UnchangedRecord,
} from '#src/storage/backend.ts';
import { ConfirmedWrites } from '#src/storage/redis/confirmed-writes.ts';
import { type Argument, type RedisClient, RedisConnection } from '#src/storage/redis/connection.ts';
import { examineRedis } from '#src/storage/redis/examination.ts';
import { assertFit, assertLayout, assertReachable } from '#src/storage/redis/fitness.ts';
import { GatheredReads } from '#src/storage/redis/gathered-reads.ts';
import { type Keys, keysOf } from '#src/storage/redis/keys.ts';
import { replacementArguments, unpackStretch, walkArguments } from '#src/storage/redis/packed-bodies.ts';
import { fillingArguments, redisEntries } from '#src/storage/redis/packed-entries.ts';
import {
  entryName,
  hasAlias,
  packRecord,
  placeOf,
  unpackCounter,
  unpackEntry,
  unpackRecord,
} from '#src/storage/redis/packed-record.ts';
import { redisOptionsOf } from '#src/storage/redis/redis-options.ts';
import type { RedisSettings } from '#src/storage/redis/settings.ts';
import type { FillingStep, StoreEntry, StoreSequences } from '#src/storage/store-entry.ts';
import type { StoreFinding } from '#src/storage/store-finding.ts';
import type { RedisLocation } from '#src/store-location.ts';
import { type EpochSeconds, epochSeconds, type Seconds } from '#src/units.ts';

/** Opens the store on Redis. Throws `SetupFault` when the operator has to act. */
export async function openRedisBackend(
  location: RedisLocation,
  { settings, random, clock }: { settings: RedisSettings; random: Random; clock: Clock },
): Promise<Backend> {
  await using opened = new AsyncDisposableStack();
  const keys = keysOf(settings.prefix);
  const options = await redisOptionsOf(location, { settings, keys, random });
  const connect = () => opened.use(new RedisConnection({ options, keys, timeoutMs: settings.timeoutMs }));
  const connection = connect();
  await assertReachable(connection, location);
  const examine = () => examineRedis({ connection, location, settings, keys }, clock.now());
  assertFit(location, await examine());
  await assertLayout(connection, keys);
  const confirming = settings.waitReplicas === 0 ? null : connect();
  await confirming?.open();
  const writes = confirming === null ? connection : new ConfirmedWrites(confirming, settings);
  const closing = opened.move();
  return new RedisBackend({ connection, writes, keys, examine, close: () => closing.disposeAsync() });
}

/** Some two hundred bytes each. */
const ALIASED_MAX = 4096;

/**
 * Records in Redis, which any number of processes use at once. All that an operation touches is in one hash slot, and
 * each is one command or one script: Redis does them one after the other, wholly or not at all.
 *
 * Time is what is passed in. Nothing expires by the clock of Redis, which need not agree with that of a node: what is
 * over is left out when it is read, and removed by `sweep`.
 */
class RedisBackend implements Backend {
  readonly #connection: RedisConnection;
  /** For all that must not be lost, which counters may be. */
  readonly #writes: RedisClient;
  readonly #keys: Keys;
  readonly #records: GatheredReads<Buffer | null>;
  readonly #revocations: GatheredReads<string | null>;
  /** Where the record was that an alias led to. */
  readonly #aliased = new Recent<string, Buffer>(ALIASED_MAX);
  readonly #examine: () => Promise<readonly StoreFinding[]>;
  readonly #close: () => Promise<void>;

  constructor(parts: {
    connection: RedisConnection;
    writes: RedisClient;
    keys: Keys;
    examine: () => Promise<readonly StoreFinding[]>;
    close: () => Promise<void>;
  }) {
    const { connection, keys } = parts;
    this.#connection = connection;
    this.#records = new GatheredReads((places) =>
      connection.ask((redis) => redis.hmgetBuffer(keys.records, ...places)),
    );
    this.#revocations = new GatheredReads((entries) =>
      connection.ask((redis) => redis.zmscore(keys.revoked, ...entries)),
    );
    this.#writes = parts.writes;
    this.#keys = keys;
    this.#examine = parts.examine;
    this.#close = parts.close;
  }

  async find(kind: string, key: Digest, now: EpochSeconds): Promise<BackendRecord | null> {
    const place = placeOf(kind, key);
    return living(place, await this.#records.one(place), now);
  }

  async findByAlias(alias: Digest, now: EpochSeconds): Promise<BackendRecord | null> {
    const [place, packed] = ((await this.#connection.run('findByAlias', [alias])) ?? []) as (Buffer | null)[];
    if (place === undefined || place === null) return null;
    this.#aliased.set(alias.toString('latin1'), place);
    return living(place, packed ?? null, now);
  }

  async findAgain(kind: string, key: Digest, held: number, now: EpochSeconds) {
    return unlessHeld(await this.find(kind, key, now), held);
  }

  /** A record says which aliases lead to it, so that one may be looked for where it was before. */
  async findByAliasAgain(alias: Digest, held: number, now: EpochSeconds) {
    const place = this.#aliased.get(alias.toString('latin1'));
    const packed = place === undefined ? null : await this.#records.one(place);
    const record =
      place === undefined || packed === null || !hasAlias(packed, alias) ? null : living(place, packed, now);
    return unlessHeld(record ?? (await this.findByAlias(alias, now)), held);
  }

  async put(write: BackendWrite, now: EpochSeconds): Promise<BackendPutOutcome> {
    const { kind, key, onlyIf, note } = write;
    const condition = onlyIf === null ? '' : onlyIf === 'absent' ? onlyIf : onlyIf.version;
    const place = placeOf(kind, key);
    const answer = await this.#writes.run('put', [
      now,
      place,
      packRecord(write),
      condition,
      write.setsSeal === true ? 1 : '',
      ...noteArguments(note),
    ]);
    const [outcome, detail] = answer as [Buffer, Buffer];
    switch (outcome.toString()) {
      case 'stored':
        return { outcome: 'stored', version: Number(detail) };
      case 'alias-taken':
        return { outcome: 'alias-taken', alias: detail };
      case 'stale':
        return { outcome: 'stale' };
      case 'seal-outdated':
        return { outcome: 'seal-outdated' };
      default:
        return { outcome: 'group-ended' };
    }
  }

  async consume(kind: string, key: Digest, now: EpochSeconds) {
    const outcome = (await this.#writes.run('consume', [now, placeOf(kind, key)])) as Buffer;
    return outcome.toString() as Awaited<ReturnType<Backend['consume']>>;
  }

  async remove(kind: string, key: Digest, notedIn: BackendLog | null, now: EpochSeconds): Promise<boolean> {
    const answer = await this.#writes.run('remove', [now, placeOf(kind, key), ...logArguments(notedIn)]);
    // Redis confirms what was written, and whoever removed it may not have been told.
    if (answer !== 1) await this.settled();
    return answer === 1;
  }

  async endGroup(
    group: Digest,
    rememberUntil: EpochSeconds,
    notedIn: (BackendLog & { readonly kind: string }) | null,
    now: EpochSeconds,
  ): Promise<void> {
    const noted = [...logArguments(notedIn), notedIn?.kind ?? ''];
    await this.#writes.run('endGroup', [now, group, rememberUntil, ...noted]);
  }

  list(kind: string, { after, limit }: BackendPage, now: EpochSeconds): Promise<BackendRecord[]> {
    const behind = (key: Digest) => placeOf(kind, key);
    const bounds = { first: Buffer.from(`${kind}:`), behind, end: Buffer.from(`${kind};`) };
    return this.#listed('kind', { ...bounds, after, limit }, now);
  }

  listOwned(owner: Digest, { after, limit }: BackendPage, now: EpochSeconds): Promise<BackendRecord[]> {
    const behind = (key: Digest) => Buffer.concat([owner, key, END]);
    const bounds = { first: owner, behind, end: behind(LAST_KEY) };
    return this.#listed('owner', { ...bounds, after, limit }, now);
  }

  async revoke(
    entries: readonly Digest[],
    until: EpochSeconds,
    note: BackendNote | null,
  ): Promise<BackendNoteOutcome> {
    return noteOutcome(await this.#writes.run('revoke', [until, ...noteArguments(note), ...entries]));
  }

  async anyRevoked(entries: readonly Digest[], now: EpochSeconds): Promise<boolean> {
    const untils = await Promise.all(entries.map((entry) => this.#revocations.one(entry)));
    return untils.some((until) => until !== null && Number(until) > now);
  }

  async append(note: BackendNote): Promise<BackendNoteOutcome> {
    return noteOutcome(await this.#writes.run('append', noteArguments(note)));
  }

  async readLog(
    log: Digest,
    { after, limit }: { after: number; limit: number },
    now: EpochSeconds,
  ): Promise<BackendLogPage> {
    const bounds = [opening(entryName(log, after)), opening(Buffer.concat([log, LAST_POSITION]))];
    const [end, ...pairs] = (await this.#connection.run('readLog', [...bounds, limit])) as Buffer[];
    const found = pairsOf(pairs).map(([name, packed]) => unpackEntry(name, packed));
    const atEnd = found.length < limit;
    return {
      entries: found.filter(({ until }) => until > now),
      next: atEnd ? Number(end) : (found.at(-1)?.position ?? Number(end)),
      atEnd,
    };
  }

  async hit(counter: Digest, window: Seconds, now: EpochSeconds): Promise<BackendCounter> {
    const [count, resetsAt] = (await this.#connection.run('hit', [now, counter, window])) as [number, number];
    return { count, resetsAt: epochSeconds(resetsAt) };
  }

  async counted(counter: Digest, now: EpochSeconds): Promise<BackendCounter | null> {
    const packed = await this.#connection.ask((redis) => redis.hgetBuffer(this.#keys.counters, counter));
    const state = packed === null ? null : unpackCounter(packed);
    return state !== null && state.resetsAt > now ? state : null;
  }

  async resetCounter(counter: Digest): Promise<void> {
    await this.#connection.run('resetCounter', [counter]);
  }

  async sweep(limit: number, now: EpochSeconds): Promise<{ removed: number; done: boolean }> {
    const step = Math.min(limit, SWEEP_STEP_MAX);
    const [removed, done] = (await this.#connection.run('sweep', [now, step])) as [number, number];
    return { removed, done: done === 1 };
  }

  async census(kinds: readonly string[]): Promise<BackendCensus> {
    const counts = (await this.#connection.run('census', [...kinds])) as number[];
    const [counter = 0, ended_group = 0, log_entry = 0, revocation = 0] = counts.slice(kinds.length);
    const records = new Map(kinds.map((kind, at) => [kind, counts[at] ?? 0]));
    return { records, entries: { counter, ended_group, log_entry, revocation } };
  }

  async walk(page: BackendWalk): Promise<BackendStretch> {
    return unpackStretch(page, (await this.#connection.run('walk', walkArguments(page))) as Buffer[]);
  }

  async replaceBodies(bodies: readonly BackendBody[]): Promise<number | 'seal-outdated'> {
    const replaced = (await this.#writes.run('replaceBodies', replacementArguments(bodies))) as number;
    return replaced < 0 ? 'seal-outdated' : replaced;
  }

  entries(): AsyncIterable<readonly StoreEntry[]> {
    return redisEntries(this.#connection);
  }

  async sequences(): Promise<StoreSequences> {
    const { last_version, position, seal } = this.#keys;
    const ask = (key: string) => this.#connection.ask((redis) => redis.getBuffer(key));
    const [version, end, sealed] = await Promise.all([last_version, position, seal].map(ask));
    return { version: Number(version ?? 0), position: Number(end ?? 0), seal: sealed ?? null };
  }

  async fill(step: FillingStep): Promise<boolean> {
    return (await this.#writes.run('fill', fillingArguments(step))) === 1;
  }

  async clock(): Promise<EpochSeconds> {
    const [time] = await this.#connection.ask((redis) => redis.time());
    return epochSeconds(Number(time));
  }

  async settled(): Promise<void> {
    // Without replicas to wait for, the primary has all that could be read, and that is all that is promised.
    if (this.#writes !== this.#connection) await this.#writes.run('settle', []);
  }

  async ping(): Promise<void> {
    await this.#writes.ask((redis) => redis.set(this.#keys.pinged, ''));
  }

  examine(): Promise<readonly StoreFinding[]> {
    return this.#examine();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }

  /** Asks stretch by stretch, since there may be any number of records that have expired among those that live. */
  async #listed(
    by: 'kind' | 'owner',
    { first, behind, end, after, limit }: BackendPage & IndexBounds,
    now: EpochSeconds,
  ): Promise<BackendRecord[]> {
    const found: BackendRecord[] = [];
    let from = after === null ? first : behind(after);
    while (found.length < limit) {
      const wanted = limit - found.length;
      const answer = await this.#connection.run('list', [by, opening(from), opening(end), wanted]);
      const pairs = pairsOf(answer as Buffer[]);
      for (const [place, packed] of pairs) {
        const record = living(place, packed, now);
        if (record !== null) found.push(record);
      }
      const last = pairs.at(-1)?.[0];
      if (pairs.length < wanted || last === undefined) break;
      from = behind(last.subarray(-DIGEST_BYTES));
    }
    return found;
  }
}

/** Where the records of a kind, or of an owner, lie in their index. */
interface IndexBounds {
  /** What all of them come after, what those after a key come after, and what all of them come before. */
  readonly first: Buffer;
  readonly behind: (key: Digest) => Buffer;
  readonly end: Buffer;
}

/** A step holds up everyone else for about a millisecond. */
const SWEEP_STEP_MAX = 200;

/** Above the first byte of every kind. */
const END = Buffer.of(0xff);
const LAST_KEY = Buffer.alloc(DIGEST_BYTES, 0xff);
const LAST_POSITION = Buffer.alloc(8, 0xff);

/** A bound of a range of bytes that leaves out the bound itself. */
const opening = (bound: Buffer): Buffer => Buffer.concat([Buffer.from('('), bound]);

const logArguments = (log: BackendLog | null): Argument[] => (log === null ? ['', ''] : [log.log, log.until]);

function noteArguments(note: BackendNote | null): Argument[] {
  return [...logArguments(note), note?.body ?? ''];
}

const noteOutcome = (answer: unknown): BackendNoteOutcome => ({
  outcome: (answer as Buffer).toString() as BackendNoteOutcome['outcome'],
});

function pairsOf(flat: readonly Buffer[]): [Buffer, Buffer][] {
  const pairs: [Buffer, Buffer][] = [];
  for (let at = 0; at + 1 < flat.length; at += 2) pairs.push([flat[at] as Buffer, flat[at + 1] as Buffer]);
  return pairs;
}

function living(place: Buffer, packed: Buffer | null, now: EpochSeconds): BackendRecord | null {
  const record = packed === null ? null : unpackRecord(place, packed);
  return record !== null && (record.expiresAt === null || record.expiresAt > now) ? record : null;
}

/** The body is left out for whoever holds it. */
function unlessHeld(record: BackendRecord | null, held: number): BackendRecord | UnchangedRecord | null {
  if (record?.version !== held) return record;
  const { version, expiresAt, consumedAt } = record;
  return { version, expiresAt, consumedAt, body: null };
}
