import { describe } from 'node:test';
import type { Clock } from '#src/clock.ts';
import type { Backend } from '#src/storage/backend.ts';
import type { Store } from '#src/storage/open-store.ts';
import { bodyContract } from '#test/storage/contract/bodies.ts';
import { entryContract } from '#test/storage/contract/entries.ts';
import { groupContract } from '#test/storage/contract/groups.ts';
import { historyContract } from '#test/storage/contract/histories.ts';
import { logContract } from '#test/storage/contract/logs.ts';
import { recordContract } from '#test/storage/contract/records.ts';
import { releaseContract } from '#test/storage/contract/releases.ts';
import { revocationAndCounterContract } from '#test/storage/contract/revocations-and-counters.ts';
import { sweepContract } from '#test/storage/contract/sweep.ts';

/** The twelve promises of `src/records.ts`, and what a backend promises beside them, to be kept by every backend. */
export function recordsContract(name: string, makeStore: MakeStore): void {
  describe(`the storage contract on ${name}`, () => {
    recordContract(makeStore);
    groupContract(makeStore);
    revocationAndCounterContract(makeStore);
    logContract(makeStore);
    sweepContract(makeStore);
    historyContract(makeStore);
    bodyContract(makeStore);
    entryContract(makeStore);
    releaseContract(makeStore);
  });
}

/** Makes an empty store that lives by this clock. */
export type MakeStore = (clock: Clock) => Promise<StoreUnderTest>;

/** A store that is thrown away, with every connection to it, at the end of `await using`. */
export interface StoreUnderTest extends AsyncDisposable {
  /** Connects once more, as another process would. */
  connect(): Promise<Store>;
  /** Connects to the bytes of the store, whether or not there are any yet. */
  openBackend(): Promise<Backend>;
}
