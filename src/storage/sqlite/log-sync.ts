import { type FileHandle, open } from 'node:fs/promises';
import type { DatabaseSync } from 'node:sqlite';

/**
 * Has the disk take the write-ahead log of a database, on another thread: the event loop goes on meanwhile, where SQLite
 * would stand still. Whoever has committed, in this process or another, what was committed before is on the disk then; for
 * what a checkpoint has taken out of the log, SQLite has seen to that itself.
 */
export class LogSync implements AsyncDisposable {
  readonly #path: string;
  #file: FileHandle | null = null;

  constructor(database: DatabaseSync) {
    this.#path = `${database.location()}-wal`;
  }

  /** Not to be called again before it has returned. Throws what the system says if the disk did not take it. */
  async sync(): Promise<void> {
    // SQLite keeps its locks elsewhere, so that opening and closing this file gives none of them up.
    this.#file ??= await open(this.#path, 'r+');
    await this.#file.datasync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file?.close();
    this.#file = null;
  }
}
