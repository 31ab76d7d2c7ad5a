import type { Records } from '#src/records.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';
import { type ConcernPorts, concerning } from '#src/revocations/concern.ts';
import type { RevocationFeed } from '#src/revocations/feed.ts';
import { REVOCATIONS, type RevocationNote } from '#src/revocations/note.ts';
import { eventOf, readRevocation } from '#src/revocations/revocation.ts';
import type { Seconds } from '#src/units.ts';

export interface StreamOptions extends ConcernPorts {
  readonly records: ConcernPorts['records'] & Pick<Records, 'readLog'>;
  readonly feed: Pick<RevocationFeed, 'listen'>;
  /** The position after which the subscriber wants to be told; 0 for all that still matters. */
  readonly after: number;
  /** The resource server as it is now; `null` once its credentials no longer hold. */
  subscriber(): Promise<ResourceServer | null>;
  readonly heartbeat: Seconds;
  /** Ends the stream. */
  readonly signal: AbortSignal;
}

/** How many entries of the log are read for one subscriber at a time; it takes them before more are read. */
const PAGE_ENTRIES = 100;

/** How soon a client should come back whose connection broke, in milliseconds. */
const RETRY_MS = 1000;

/**
 * What a resource server is told, as server-sent events (WHATWG HTML section 9.2): every revocation that concerns it
 * and still matters, in order, each with the position from which to go on as its `id`; `ready` once it has been told
 * all that there was; `reset` where its position is none of this store's, so that it may have missed something.
 */
export async function* revocationStream(options: StreamOptions): AsyncGenerator<string> {
  const { feed, heartbeat, signal, subscriber } = options;
  const bell = new Bell(signal);
  using _listening = feed.listen(() => bell.ring());
  yield `retry: ${RETRY_MS}\n\n`;
  let position = options.after;
  let ready = false;
  while (!signal.aborted) {
    const resourceServer = await subscriber();
    if (resourceServer === null) return;
    bell.hush();
    const page = await options.records.readLog<RevocationNote>(REVOCATIONS, {
      after: position,
      limit: PAGE_ENTRIES,
    });
    if (page.next < position) {
      yield event('reset', 0, {});
      position = 0;
      continue;
    }
    for (const revocation of page.entries.map(readRevocation)) {
      const told = await concerning(options, resourceServer, revocation);
      for (const [index, each] of told.entries()) {
        const { name, says } = eventOf(each);
        // Whoever breaks off between two events of one entry resumes before the first of them.
        yield event(name, index === told.length - 1 ? each.position : null, says);
      }
    }
    position = page.next;
    if (!page.atEnd) continue;
    if (!ready) yield event('ready', position, {});
    ready = true;
    // Also while nothing happens the subscriber's position moves on, and a dead connection is noticed.
    if (!(await bell.rung(heartbeat))) yield `: still here\nid: ${position}\n\n`;
  }
}

function event(name: string, position: number | null, says: object): string {
  const id = position === null ? '' : `id: ${position}\n`;
  return `event: ${name}\n${id}data: ${JSON.stringify(says)}\n\n`;
}

/** Wakes who waits for it, or who is about to wait. */
class Bell {
  readonly #signal: AbortSignal;
  #rang = false;
  #wake: (() => void) | null = null;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener('abort', () => this.ring());
  }

  ring(): void {
    this.#rang = true;
    this.#wake?.();
  }

  hush(): void {
    this.#rang = false;
  }

  /** True as soon as it has rung since it was hushed; false after that long without. */
  async rung(patience: Seconds): Promise<boolean> {
    if (this.#rang || this.#signal.aborted) return true;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, patience * 1000).unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
    return this.#rang;
  }
}
