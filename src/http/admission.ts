import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

/** Why a request is turned away. */
export type ShedReason = 'in-flight' | 'turn';

export interface AdmissionOptions {
  /** How many requests may be worked on at once. */
  readonly requestsMax: number;
  /** For how long the requests of one turn of the event loop are taken up, in milliseconds. */
  readonly turnMaxMs: number;
  /** Whether what a target leads to is served whatever else there is to do. */
  readonly isSpared: (target: string) => boolean;
  /** Of the answer to whoever is turned away. */
  readonly headers: Readonly<Record<string, string>>;
  /** Told of each request that is turned away. */
  readonly onShed: (reason: ShedReason) => void;
  /** In milliseconds, from any beginning. */
  readonly now?: () => number;
}

/** How long to wait before asking again, in seconds: RFC 9110 section 10.2.3. */
const RETRY_AFTER_S = 2;

const BODY = JSON.stringify({
  error: 'temporarily_unavailable',
  error_description: 'the server is busy; try again shortly',
});

/**
 * Turns requests away while there are more than can be answered soon, by 503 and `Retry-After` (RFC 9110 section 15.6.4),
 * before anything is spent on them. Queues form in two places. Work that waits for the store, for other servers or for
 * hashing is counted: `in-flight`. Work that waits for nothing is done as soon as it is read, so requests queue unread
 * in their sockets, and the event loop takes them up one after the other, in one turn that grows longer and longer: what
 * it comes to late in a turn has waited for as long as that: `turn`.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #now: () => number;
  #working = 0;
  #turnBeganAt: number | null = null;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** How many requests are being worked on. Those whose body is still to come are not, and neither is what is spared. */
  get working(): number {
    return this.#working;
  }

  /** The same application, behind the admission. */
  before(application: RequestListener): RequestListener {
    return (request, response) => {
      if (this.#options.isSpared(request.url ?? '/')) return application(request, response);
      const reason = this.#overload();
      if (reason !== null) {
        this.#options.onShed(reason);
        return this.#turnAway(response);
      }
      this.#count(request, response);
      application(request, response);
    };
  }

  #overload(): ShedReason | null {
    if (this.#working >= this.#options.requestsMax) return 'in-flight';
    return this.#sinceTurnBegan() > this.#options.turnMaxMs ? 'turn' : null;
  }

  /** What is read in one turn is followed by what was put off until it has been. */
  #sinceTurnBegan(): number {
    const now = this.#now();
    if (this.#turnBeganAt === null) {
      this.#turnBeganAt = now;
      setImmediate(() => {
        this.#turnBeganAt = null;
      });
    }
    return now - this.#turnBeganAt;
  }

  /** Whoever takes long to send a body costs nothing meanwhile, and must not keep others out. */
  #count(request: IncomingMessage, response: ServerResponse): void {
    const { headers } = request;
    let counted = false;
    let ended = false;
    const begin = () => {
      if (ended) return;
      counted = true;
      this.#working += 1;
    };
    response.once('close', () => {
      ended = true;
      if (counted) this.#working -= 1;
    });
    if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) begin();
    else request.once('end', begin);
  }

  #turnAway(response: ServerResponse): void {
    response
      .writeHead(503, {
        ...this.#options.headers,
        'Content-Type': 'application/json; charset=utf-8',
        'Content-Length': Buffer.byteLength(BODY),
        'Retry-After': RETRY_AFTER_S,
      })
      .end(BODY);
  }
}
