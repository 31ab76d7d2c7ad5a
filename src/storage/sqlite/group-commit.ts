import type { DatabaseSync } from 'node:sqlite';
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
  #pending: PendingWrite[] = [];
  #attempts = 0;

  constructor(database: DatabaseSync) {
    this.#database = database;
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
      this.#database.exec('BEGIN IMMEDIATE');
    } catch (error) {
      this.#attempts += 1;
      if (isBusy(error) && this.#attempts < BEGIN_ATTEMPTS_MAX) {
        this.#schedule();
      } else {
        this.#rejectAll(this.#take(), error);
      }
      return;
    }
    this.#commit(this.#take());
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
    this.#database.exec('SAVEPOINT write');
    try {
      const value = write();
      this.#database.exec('RELEASE write');
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
    this.#attempts = 0;
    return writes;
  }
}

interface PendingWrite {
  perform(): () => void;
  reject(fault: Error): void;
}

/**
 * How often a transaction is begun while another process holds the lock; each attempt lasts the connection's busy
 * timeout, and between two of them the event loop runs.
 */
const BEGIN_ATTEMPTS_MAX = 20;
