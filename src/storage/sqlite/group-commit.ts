import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { StorageFault } from '#src/fault.ts';
import { BUSY_TIMEOUT_MS } from '#src/storage/sqlite/database.ts';
import { isBusy, storageFault } from '#src/storage/sqlite/errors.ts';

/**
 * Writes that were asked for while the disk was busy with those before, committed together: they share one transaction and
 * one flush to the disk, and each is acknowledged only after that. SQLite itself does not wait for the disk
 * (`synchronous=NORMAL`), so that the event loop does not either; what is committed can be read before it is acknowledged.
 *
 * A write that fails is undone and rejected alone. If the transaction cannot begin or commit, all its writes are
 * rejected and none has happened. If the disk does not take them, nobody knows what became of them, and nothing is
 * written any more: what the system forgot it would not tell again.
 */
export class GroupCommit {
  readonly #database: DatabaseSync;
  readonly #sync: () => Promise<void>;
  readonly #savepoint: StatementSync;
  readonly #release: StatementSync;
  #pending: PendingWrite[] = [];
  #isUnderWay = false;
  #waitingSince: number | null = null;
  #lost: StorageFault | null = null;

  /** `sync` has the disk take all that has been committed. */
  constructor(database: DatabaseSync, sync: () => Promise<void>) {
    this.#database = database;
    this.#sync = sync;
    // Run for every write, so not to be compiled each time.
    this.#savepoint = database.prepare('SAVEPOINT write');
    this.#release = database.prepare('RELEASE write');
  }

  /** Runs `write` in the next transaction, after all writes that were asked for earlier. */
  write<T>(write: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#lost !== null) return reject(this.#lost);
      this.#pending.push({ perform: () => this.#perform(write, resolve, reject), reject });
      this.#plan();
    });
  }

  /** Resolves once the disk has what could be read until now, whoever wrote it. */
  async settled(): Promise<void> {
    await this.write(() => null);
  }

  /** Resolves when every write asked for so far has been settled. */
  async drain(): Promise<void> {
    // Writes are settled in order; how this one fares is no matter.
    await this.settled().catch(() => null);
  }

  #plan(): void {
    if (this.#isUnderWay || this.#pending.length === 0) return;
    this.#isUnderWay = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    try {
      this.#begin();
    } catch (error) {
      if (isBusy(error) && this.#mayWait()) setTimeout(() => this.#flush(), BUSY_RETRY_MS);
      else this.#over(rejecting(this.#take(), error));
      return;
    }
    void this.#commit(this.#take()).then((settle) => this.#over(settle));
  }

  #over(settle: () => void): void {
    this.#isUnderWay = false;
    settle();
    this.#plan();
  }

  /** Asks for the write lock without waiting for it: this process has other things to do while another one writes. */
  #begin(): void {
    this.#database.exec('PRAGMA busy_timeout = 0');
    try {
      this.#database.exec('BEGIN IMMEDIATE');
    } finally {
      this.#database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    }
  }

  #mayWait(): boolean {
    const now = performance.now();
    this.#waitingSince ??= now;
    return now - this.#waitingSince < BUSY_WAIT_MAX_MS;
  }

  /** Answers how to settle the writes, once they are durable or have failed. */
  async #commit(writes: readonly PendingWrite[]): Promise<() => void> {
    const settlements: (() => void)[] = [];
    try {
      for (const write of writes) {
        settlements.push(write.perform());
      }
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#rollBack();
      return rejecting(writes, error);
    }
    try {
      await this.#sync();
    } catch (error) {
      this.#lost = new StorageFault('the disk did not take what was written; nothing is until a restart', {
        cause: error,
      });
      return rejecting([...writes, ...this.#take()], this.#lost);
    }
    return () => {
      for (const settle of settlements) settle();
    };
  }

  /** Answers how to settle the write once the transaction is durable; throws if the transaction is lost. */
  #perform<T>(write: () => T, resolve: (value: T) => void, reject: (fault: Error) => void): () => void {
    this.#savepoint.run();
    try {
      const value = write();
      this.#release.run();
      return () => resolve(value);
    } catch (error) {
      if (!this.#database.isTransaction) {
        // Some faults, such as a full disk, make SQLite roll everything back by itself.
        throw error;
      }
      this.#database.exec('ROLLBACK TO write; RELEASE write');
      return () => reject(storageFault(error));
    }
  }

  #rollBack(): void {
    try {
      if (this.#database.isTransaction) {
        this.#database.exec('ROLLBACK');
      }
    } catch {
      // Then the next BEGIN fails too, and says so to those who asked for it.
    }
  }

  #take(): readonly PendingWrite[] {
    const writes = this.#pending;
    this.#pending = [];
    this.#waitingSince = null;
    return writes;
  }
}

interface PendingWrite {
  perform(): () => void;
  reject(fault: Error): void;
}

function rejecting(writes: readonly PendingWrite[], error: unknown): () => void {
  const fault = storageFault(error);
  return () => {
    for (const write of writes) write.reject(fault);
  };
}

/** How soon is asked again for a write lock that another process holds, and for how long. */
const BUSY_RETRY_MS = 1;
const BUSY_WAIT_MAX_MS = 5000;
