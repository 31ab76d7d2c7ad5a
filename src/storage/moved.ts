import type { Records } from '#src/records.ts';
import type { StoreFinding } from '#src/storage/store-finding.ts';
import { after, days, type EpochSeconds } from '#src/units.ts';

/** That a store has been copied as a whole, so that it should not be served from any more. */
interface Moved {
  /** As it may be shown. */
  readonly to: string;
  readonly at: EpochSeconds;
}

const RECORD = { kind: 'moved', id: 'store' } as const;

/** Whoever still serves from the source after that has turned back. */
const TOLD_FOR = days(30);

/** Writes down in the source of a copy where it has gone. @throws StorageFault */
export async function noteMoved(records: Pick<Records, 'put'>, to: string, at: EpochSeconds): Promise<void> {
  await records.put<Moved>({ ...RECORD, value: { to, at }, expiresAt: after(at, TOLD_FOR) });
}

/** Before a store is copied once more: what it says of the last time is not for the next store. @throws StorageFault */
export async function forgetMoved(records: Pick<Records, 'remove'>): Promise<void> {
  await records.remove(RECORD.kind, RECORD.id);
}

/** What there is to tell of a store that has been copied as a whole. @throws StorageFault */
export async function movedFindings(records: Pick<Records, 'find'>): Promise<readonly StoreFinding[]> {
  const moved = (await records.find<Moved>(RECORD.kind, RECORD.id))?.value;
  if (moved === undefined) return [];
  const { to, at } = moved;
  return [
    {
      subject: 'store moved',
      state: 'notable',
      says:
        `everything was copied to ${to} at ${new Date(at * 1000).toISOString()}: ` +
        'what is used up or revoked in one of the two is not in the other',
      remedy: `name ${to} in store, and stop the servers on this one; if you have turned back, see that none runs there`,
    },
  ];
}
