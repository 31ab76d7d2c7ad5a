import { Redis, type RedisOptions, ReplyError } from 'ioredis';
import { StorageFault } from '#src/fault.ts';
import { afterRunning } from '#src/storage/redis/after-running.ts';
import { disconnected } from '#src/storage/redis/disconnected.ts';
import type { Keys } from '#src/storage/redis/keys.ts';
import { commandOf } from '#src/storage/redis/redis-options.ts';
import { SCRIPTS, type ScriptName } from '#src/storage/redis/scripts.ts';

/** What a command of Redis is given. */
export type Argument = string | number | Buffer;

/** Whoever runs scripts. Each throws `StorageFault`. */
export interface ScriptRunner {
  /** Runs a script on its keys. Texts in the answer come as bytes. */
  run(name: ScriptName, given: readonly Argument[]): Promise<unknown>;
}

/** Whoever can be asked something. Each throws `StorageFault`. */
export interface RedisClient extends ScriptRunner {
  /** Asks something that takes one command. */
  ask<T>(command: (redis: Redis) => Promise<T>): Promise<T>;
}

/** Redis has answered, with an error: the first word of `reply` says of which sort. */
export class RedisRefusal extends StorageFault {
  readonly reply: string;

  constructor(reply: string) {
    super(`Redis refused: ${reply}`);
    this.reply = reply;
  }
}

/**
 * One connection to the server that holds the records. Whatever is asked of it is answered, or fails with
 * `StorageFault`, within `timeoutMs`: at once while there is no connection. It comes back by itself.
 *
 * A fault leaves open whether what was asked has been done, unless nothing was sent.
 */
export class RedisConnection implements RedisClient, AsyncDisposable {
  readonly #redis: Redis;
  readonly #keys: Keys;
  readonly #timeoutMs: number;
  readonly #asked = new Set<Promise<unknown>>();
  #timesLost = 0;
  #opened = false;
  #leaving = false;
  #trouble: string | null = null;
  #closing: Promise<void> | null = null;

  constructor(parts: { options: RedisOptions; keys: Keys; timeoutMs: number }) {
    this.#keys = parts.keys;
    this.#timeoutMs = parts.timeoutMs;
    this.#redis = new Redis({
      ...parts.options,
      replyMapping: 'legacy',
      reconnectOnError: (error) => this.#isMisplaced(error),
    });
    this.#redis.on('error', (error: Error) => {
      this.#trouble = error.message;
    });
    this.#redis.on('close', () => {
      this.#timesLost += 1;
      this.#leaving = false;
    });
    this.#redis.on('ready', () => {
      this.#trouble = null;
    });
    this.#redis.on('end', () => this.#revive(parts.options.retryStrategy?.(REVIVAL_ATTEMPT) ?? 0));
  }

  /** How often the connection has been lost, which tells whether two commands went over the same one. */
  get timesLost(): number {
    return this.#timesLost;
  }

  /** Asks for the connection, which from then on is kept. */
  async open(): Promise<void> {
    await this.#within(this.#redis.connect());
    this.#opened = true;
  }

  ask<T>(command: (redis: Redis) => Promise<T>): Promise<T> {
    if (this.#closing !== null) return Promise.reject(new StorageFault('the store is closed'));
    const asked = this.#within(command(this.#redis));
    this.#asked.add(asked);
    return asked.finally(() => this.#asked.delete(asked));
  }

  run(name: ScriptName, given: readonly Argument[]): Promise<unknown> {
    const keys = SCRIPTS[name].keys.map((key) => this.#keys[key]);
    return this.ask((redis) => {
      const scripts = redis as unknown as Record<string, (...given: Argument[]) => Promise<unknown>>;
      const script = scripts[`${commandOf(name)}Buffer`];
      if (script === undefined) throw new TypeError(`there is no script ${name}`);
      return script.call(redis, ...keys, ...given);
    });
  }

  /** Lets what was asked for be answered, and leaves. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#asked);
    await disconnected(this.#redis);
  }

  async #within<T>(work: Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = afterRunning(this.#timeoutMs, () =>
      late.reject(new StorageFault(this.#trouble ?? `Redis has not answered within ${this.#timeoutMs} ms`)),
    );
    try {
      return await Promise.race([work, late.promise]);
    } catch (error) {
      throw this.#fault(error);
    } finally {
      timer[Symbol.dispose]();
    }
  }

  /** The library gives a connection up for good when the way to the server fails in a manner that it does not expect. */
  #revive(delayMs: number): void {
    if (this.#closing !== null || !this.#opened) return;
    setTimeout(() => {
      if (this.#closing === null) this.#redis.connect().catch(() => {});
    }, delayMs);
  }

  /** The library's errors carry what was sent, which may be a password, so none of them is passed on. */
  #fault(error: unknown): StorageFault {
    if (error instanceof StorageFault) return error;
    const reason = error instanceof Error ? error.message : String(error);
    if (error instanceof ReplyError) return new RedisRefusal(reason);
    return new StorageFault(`there is no connection to Redis: ${this.#trouble ?? reason}`);
  }

  /** True if this is no longer the server that holds the records: then the right one is looked for. */
  #isMisplaced(error: Error): boolean {
    if (this.#leaving || !MISPLACED.test(error.message)) return false;
    this.#leaving = true;
    return true;
  }
}

/** It waits as long as one that has failed that often. */
const REVIVAL_ATTEMPT = 5;

/** A replica, a node that does not have our slot, a part of a cluster that has lost the others. */
const MISPLACED = /^(?:READONLY|MASTERDOWN|MOVED|CLUSTERDOWN)\b/;
