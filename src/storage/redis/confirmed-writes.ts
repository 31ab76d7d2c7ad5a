import type { Redis } from 'ioredis';
import { StorageFault } from '#src/fault.ts';
import type { Argument, RedisClient, RedisConnection } from '#src/storage/redis/connection.ts';
import type { ScriptName } from '#src/storage/redis/scripts.ts';

/**
 * Writes that count only once a number of replicas have them, so that they outlive the primary. It has a connection for
 * itself, on which nothing else waits for replicas that are slow. Those that are written at about the same time are
 * waited for together.
 */
export class ConfirmedWrites implements RedisClient {
  readonly #connection: RedisConnection;
  readonly #replicas: number;
  readonly #waitMs: number;
  #gathering: Promise<void> | null = null;

  constructor(
    connection: RedisConnection,
    { waitReplicas, timeoutMs }: { readonly waitReplicas: number; readonly timeoutMs: number },
  ) {
    this.#connection = connection;
    this.#replicas = waitReplicas;
    this.#waitMs = Math.floor(timeoutMs / 2);
  }

  ask<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    return this.#confirmed(() => this.#connection.ask(command));
  }

  run(name: ScriptName, given: readonly Argument[]): Promise<unknown> {
    return this.#confirmed(() => this.#connection.run(name, given));
  }

  async #confirmed<T>(write: () => Promise<T>): Promise<T> {
    const { timesLost } = this.#connection;
    const answer = await write();
    await this.#confirmation();
    // Of another connection Redis knows no writes, and takes them all for confirmed.
    if (this.#connection.timesLost !== timesLost) {
      throw new StorageFault('the connection to Redis was lost before its replicas had confirmed a write');
    }
    return answer;
  }

  /** One that is asked for after this call, so that it covers what has been written before. */
  #confirmation(): Promise<void> {
    this.#gathering ??= new Promise((resolve) => setImmediate(resolve)).then(() => {
      this.#gathering = null;
      return this.#confirm();
    });
    return this.#gathering;
  }

  async #confirm(): Promise<void> {
    const confirmed = await this.#connection.ask((redis) => redis.wait(this.#replicas, this.#waitMs));
    if (confirmed < this.#replicas) {
      throw new StorageFault(`${confirmed} of ${this.#replicas} replicas have confirmed a write in time`);
    }
  }
}
