import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

/** Why a request is turned away. */
export type ShedReason = 'in-flight' | 'waited';

export interface AdmissionOptions {
  /** How many requests may be worked on, or wait for that, at once. */
  readonly requestsMax: number;
  /** How long a request may wait until it is taken up, in milliseconds. */
  readonly waitMaxMs: number;
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

/** For how long requests are taken up as they are read in one turn of the event loop, in milliseconds. */
const SLICE_MS = 10;

/** How many of those that wait are taken up in each turn after that. */
const TAKEN_UP_PER_TURN = 4;

const BODY = JSON.stringify({
  error: 'temporarily_unavailable',
  error_description: 'the server is busy; try again shortly',
});

/**
 * Turns requests away while there are more than can be answered soon, by 503 and `Retry-After` (RFC 9110 section 15.6.4),
 * before anything is spent on them. What waits for the store, for other servers or for hashing is counted: `in-flight`.
 * What waits for nothing would be done as soon as it is read, all in one turn of the event loop, however long that takes; and
 * a turn lets in a single new connection (libuv 1.52), so that everybody else would be kept out. So a turn takes up a few
 * requests, the others wait for one of the next, and those that have waited for too long are turned away: `waited`.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #now: () => number;
  #working = 0;
  #turnBeganAt: number | null = null;
  readonly #waiting: WaitingRequest[] = [];
  #planned = false;

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
      if (this.#working + this.#waiting.length >= this.#options.requestsMax)
        return this.#turnAway(response, 'in-flight');
      if (this.#waiting.length === 0 && this.#sinceTurnBegan() <= SLICE_MS)
        return this.#begin(application, request, response);
      this.#waiting.push({ application, request, response, since: this.#now() });
      this.#plan();
    };
  }

  /** One by one, so that each is done with what it can do at once before the next begins. */
  #plan(): void {
    if (this.#planned || this.#waiting.length === 0) return;
    this.#planned = true;
    for (let left = TAKEN_UP_PER_TURN - 1; left >= 0; left -= 1)
      setImmediate(() => {
        this.#takeUp();
        if (left > 0) return;
        this.#planned = false;
        this.#plan();
      });
  }

  #takeUp(): void {
    const next = this.#waiting.shift();
    // Its client may have gone away.
    if (next === undefined || next.response.destroyed) return;
    const { application, request, response, since } = next;
    if (this.#now() - since > this.#options.waitMaxMs) this.#turnAway(response, 'waited');
    else this.#begin(application, request, response);
  }

  #begin(application: RequestListener, request: IncomingMessage, response: ServerResponse): void {
    this.#count(request, response);
    application(request, response);
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
    response.on('close', () => {
      ended = true;
      if (counted) this.#working -= 1;
    });
    if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) begin();
    else request.on('end', begin);
  }

  #turnAway(response: ServerResponse, reason: ShedReason): void {
    this.#options.onShed(reason);
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

interface WaitingRequest {
  readonly application: RequestListener;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** When it was read. */
  readonly since: number;
}
