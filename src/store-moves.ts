import type { Config } from '#src/config/schema.ts';
import { Refusal, StorageFault } from '#src/fault.ts';
import type { ServerNode } from '#src/fleet/server-node.ts';
import { countSealed } from '#src/sealing/resealing.ts';
import { fleetOn, type Surroundings, storeOptionsOf } from '#src/services.ts';
import type { BackupHeader } from '#src/storage/backup/backup-header.ts';
import { spooled, writePiped, writeWhole } from '#src/storage/backup/backup-place.ts';
import { checkBackup } from '#src/storage/backup/backup-reader.ts';
import { type EntryCounts, makeBackup } from '#src/storage/backup/backup-writer.ts';
import { compare, type EntryPages, type MirrorProgress, mirror } from '#src/storage/mirror.ts';
import { forgetMoved, noteMoved } from '#src/storage/moved.ts';
import { openBackend, openStore, type Store } from '#src/storage/open-store.ts';
import { leftOut, restoredOf } from '#src/storage/restored.ts';
import type { StoreSequences } from '#src/storage/store-entry.ts';
import { loadKeys } from '#src/storage/store-keys.ts';
import { claimLost, claimStore } from '#src/storage/unfinished.ts';
import { parseStoreLocation, writtenStoreLocation } from '#src/store-location.ts';
import { after, type EpochSeconds, seconds } from '#src/units.ts';

/** Told again and again while a store is filled; `total` is about how many entries there are. */
export type OnProgress = (progress: MirrorProgress & { readonly total: number }) => void;

export interface CopyOrder {
  readonly source: string;
  readonly target: string;
  /** Copies what there is while servers run, and leaves the end to a later call without this. */
  readonly ahead: boolean;
  readonly onProgress: OnProgress;
}

/** What copying came to. Where it is not finished, servers may run on the source, and none starts on the target. */
export type CopyOutcome = MirrorProgress &
  (
    | { readonly finished: false; readonly servers: readonly ServerNode[] }
    | { readonly finished: true; readonly counts: EntryCounts; readonly sha256: string }
  );

/**
 * Makes an empty store, or the unfinished copy of this very one, hold the same as the source, byte for byte. It may be
 * broken off anywhere and called again: then only what differs is written. Finishes only what has been compared as a whole
 * and found to be the same, with nobody having written to the source meanwhile. The source then says where it has gone.
 *
 * @throws Refusal `servers_live`, `source_changed`, `store_not_empty`, `store_unfinished`, SetupFault, StorageFault
 */
export async function copyStore(
  config: Config,
  { source, target, ahead, onProgress }: CopyOrder,
  surroundings: Surroundings,
): Promise<CopyOutcome> {
  const options = storeOptionsOf(config, surroundings);
  await using from = await openStore({ ...options, location: source, mustExist: true });
  const living = () => fleetOn(from.records, config).living();
  if (!ahead) assertNobodyServes(await living());
  await using into = await openBackend({ ...options, location: target });
  const claim = await claimStore(into, originOf('copy', from.derive('identity')), surroundings.clock.now());
  await forgetMoved(from.records);
  const total = await sealedIn(from);
  const before = await from.content.sequences();
  const onStep = (progress: MirrorProgress) => onProgress({ ...progress, total });
  const mirrored = await mirror(from.content.entries(), into, { claim, onStep });
  if (ahead) return { ...mirrored, finished: false, servers: await living() };
  const { differences, counts, sha256 } = await compare(from.content.entries(), into.entries());
  assertNobodyServes(await living());
  const now = await from.content.sequences();
  if (differences > 0 || !isSame(before, now)) {
    throw new Refusal(
      'source_changed',
      'Something was written to the source meanwhile. See that nothing runs on it, and copy once more: only what differs is written.',
    );
  }
  if (!(await into.fill({ claim, put: [], drop: [], finish: now }))) throw claimLost();
  await noteMoved(from.records, shown(target), surroundings.clock.now());
  return { ...mirrored, finished: true, counts, sha256 };
}

/** What a backup holds, and where it went. */
export interface BackupOutcome {
  readonly counts: EntryCounts;
  readonly keks: readonly string[];
  readonly bytes: number;
}

/** Makes a backup of the store that the settings name, while it is used. @throws Refusal, SetupFault, StorageFault */
export async function backUp(
  config: Config,
  place: { readonly file: string } | { readonly pipe: NodeJS.WritableStream },
  surroundings: Surroundings,
): Promise<BackupOutcome> {
  const { clock, random } = surroundings;
  await using store = await openStore({ ...storeOptionsOf(config, surroundings), mustExist: true });
  const made = await makeBackup(store, { random, now: clock.now() });
  const bytes = await ('file' in place
    ? writeWhole(place.file, made.bytes, random)
    : writePiped(place.pipe, made.bytes));
  return { counts: made.counts, keks: made.keks, bytes };
}

export interface RestoreOrder {
  /** A file, or a pipe that is read to its end first. */
  readonly from: string | NodeJS.ReadableStream;
  /** Looks at the backup and at the keys, and touches no store. */
  readonly checkOnly: boolean;
  /** Brings back sign-ins and what rests on them, for a backup after which nobody has been served. */
  readonly keepSignIns: boolean;
  readonly onProgress: OnProgress;
}

export interface RestoreOutcome {
  readonly header: BackupHeader;
  readonly keks: readonly string[];
  /** All that the backup holds. */
  readonly counts: EntryCounts;
  /** What of that was left out, by kind. */
  readonly leftOut: EntryCounts;
}

/**
 * Restores a backup into the store that the settings name, which must be empty or the unfinished restoration of this very
 * backup. The whole backup is looked at before anything is written.
 *
 * @throws Refusal `not_a_backup`, `backup_newer`, `backup_damaged`, `store_not_empty`, `store_unfinished`, SetupFault,
 * StorageFault
 */
export async function restore(
  config: Config,
  { from, checkOnly, keepSignIns, onProgress }: RestoreOrder,
  surroundings: Surroundings,
): Promise<RestoreOutcome> {
  await using opened = new AsyncDisposableStack();
  const path = typeof from === 'string' ? from : opened.use(await spooled(from)).path;
  const options = storeOptionsOf(config, surroundings);
  const backup = opened.use(await checkBackup(path, await loadKeys(options)));
  const { header, keks, counts } = backup;
  const outcome = { header, keks, counts, leftOut: leftOut(counts, { keepSignIns }) };
  if (checkOnly) return outcome;
  await using into = await openBackend(options);
  const total = sumOf(counts) - sumOf(outcome.leftOut);
  const entries = () => restoredOf(backup.entries(), { keepSignIns });
  // With sign-ins it is another store than without.
  const origin = originOf(keepSignIns ? 'restoration with sign-ins' : 'restoration', header.salt);
  const claim = await claimStore(into, origin, surroundings.clock.now());
  await mirror(entries(), into, { claim, onStep: (progress) => onProgress({ ...progress, total }) });
  await assertSame(entries(), into.entries());
  const latest = after(after(surroundings.clock.now(), config.keys.clockSkewMax), seconds(1));
  const finish = behindAll(backup.sequences, latest);
  if (!(await into.fill({ claim, put: [], drop: [], finish }))) throw claimLost();
  return outcome;
}

/**
 * What a restored store goes on from: behind all that was given out since the backup was made, in whichever store, as
 * numbers there are never above the time in microseconds, by any clock. Who goes on from a position of then misses nothing that is
 * added now, and no version of then is that of another record now.
 */
function behindAll({ version, position, seal }: StoreSequences, latest: EpochSeconds): StoreSequences {
  const reached = latest * 1_000_000;
  return { version: Math.max(version, reached), position: Math.max(position, reached), seal };
}

async function assertSame(wanted: EntryPages, present: EntryPages): Promise<void> {
  const { differences } = await compare(wanted, present);
  if (differences === 0) return;
  throw new StorageFault(`the store does not hold what was written to it: ${differences} entries differ`);
}

function assertNobodyServes(servers: readonly ServerNode[]): void {
  if (servers.length === 0) return;
  const names = servers.map(({ name }) => name).join(', ');
  throw new Refusal(
    'servers_live',
    `Servers run on the source, or did so a moment ago: ${names}. Stop them first; --ahead copies what there is until then.`,
    { servers: names },
  );
}

/** What a store is filled from, as it says itself. It tells nothing but that two are the same. */
const originOf = (what: string, identity: Buffer): string => `${what} of ${identity.toString('base64url')}`;

async function sealedIn({ bodies }: Store): Promise<number> {
  return (await countSealed(bodies)).reduce((sum, { count }) => sum + count, 0);
}

/** A location as it may be shown; it has been opened. */
function shown(location: string): string {
  const parsed = parseStoreLocation(location);
  return 'wrong' in parsed ? 'another store' : writtenStoreLocation(parsed);
}

const sumOf = (counts: EntryCounts): number => [...counts.values()].reduce((sum, count) => sum + count, 0);

const isSame = (one: StoreSequences, other: StoreSequences): boolean =>
  one.version === other.version &&
  one.position === other.position &&
  one.seal?.toString('latin1') === other.seal?.toString('latin1');
