import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { BUSY_TIMEOUT_MS } from '#src/storage/sqlite/database.ts';
import { isBusy, storageFault } from '#src/storage/sqlite/errors.ts';

/**
 * Writes of one event-loop turn, committed together: they share one transaction and one flush to the disk, and each is
 * acknowledged only after the commit. This is what makes `synchronous=FULL` affordable.
 *
 * A write that fails is undone and rejected alone. If the transaction cannot begin or commit, all its writes are
 * rejected and none has happened.
 */
export class GroupCommit {
  readonly #database: DatabaseSync;
  readonly #savepoint: StatementSync;
  readonly #release: StatementSync;
  #pending: PendingWrite[] = [];
  #waitingSince: number | null = null;

  constructor(database: DatabaseSync) {
    this.#database = database;
    // Run for every write, so not to be compiled each time.
    this.#savepoint = database.prepare('SAVEPOINT write');
    this.#release = database.prepare('RELEASE write');
  }

  /** Runs `write` in the next transaction, after all writes that were asked for earlier. */
  write<T>(write: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#pending.push({ perform: () => this.#perform(write, resolve, reject), reject });
      if (this.#pending.length === 1) {
        this.#schedule();
      }
    });
  }

  /** Resolves when every write asked for so far has been settled. */
  async drain(): Promise<void> {
    // Writes are settled in order; how this one fares is no matter.
    await this.write(() => null).catch(() => null);
  }

  #schedule(): void {
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    try {
      this.#begin();
    } catch (error) {
      if (isBusy(error) && this.#mayWait()) setTimeout(() => this.#flush(), BUSY_RETRY_MS);
      else this.#rejectAll(this.#take(), error);
      return;
    }
    this.#commit(this.#take());
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

  #commit(writes: readonly PendingWrite[]): void {
    const settlements: (() => void)[] = [];
    try {
      for (const write of writes) {
        settlements.push(write.perform());
      }
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#rejectAll(writes, error);
      return;
    }
    for (const settle of settlements) {
      settle();
    }
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

  #rejectAll(writes: readonly PendingWrite[], error: unknown): void {
    try {
      if (this.#database.isTransaction) {
        this.#database.exec('ROLLBACK');
      }
    } catch {
      // Then the next BEGIN fails too, and says so to those who asked for it.
    }
    const fault = storageFault(error);
    for (const write of writes) {
      write.reject(fault);
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

/** How soon is asked again for a write lock that another process holds, and for how long. */
const BUSY_RETRY_MS = 1;
const BUSY_WAIT_MAX_MS = 5000;
