import { AsyncResource } from 'node:async_hooks';
import { exportRequest, type Resource, rejectedSpansIn } from '#src/tracing/otlp.ts';
import type { FinishedSpan } from '#src/tracing/span.ts';
import type { Seconds } from '#src/units.ts';

export interface SpanExporterOptions {
  /** Where the collector takes OTLP over HTTP. */
  readonly url: string;
  /** What every request to it carries, credentials among them. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly resource: Resource;
  /** How long spans are gathered before they are sent. */
  readonly every: Seconds;
  /** How many are sent at once. So many are sent without waiting for longer. */
  readonly batchMax: number;
  /** How many may wait to be sent, those that are being sent included. */
  readonly queueMax: number;
  /** How long the collector may take to answer; at the end, for all that is left. */
  readonly timeout: Seconds;
  /** Told when the collector begins to fail, and when it takes spans again. */
  readonly onAway: (reason: string) => void;
  readonly onBack: () => void;
}

/** Why spans were let go. */
export const DROP_REASONS = ['queue-full', 'refused', 'stopped'] as const;

export type DropReason = (typeof DROP_REASONS)[number];

export interface ExportCounts {
  /** How many spans wait to be sent. */
  readonly waiting: number;
  /** How many the collector has taken. */
  readonly exported: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
}

/** What came of an attempt to send. */
type Outcome =
  | { readonly kind: 'taken'; readonly rejected: number }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'away'; readonly reason: string; readonly retryAfterS: number };

/** What a collector that is overloaded, or away, answers: OTLP, failures that are retryable. */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Between attempts, while the collector is away: each pause is twice as long as the one before, up to this. */
const PAUSE_S_MAX = 60;

/** The largest answer that is read. */
const ANSWER_BYTES_MAX = 64 * 1024;

/**
 * Sends spans to a collector, in the background and a batch at a time. Nobody ever waits for it: what finds the queue full
 * is let go and counted. While the collector is away the queue is kept, and tried again now and then.
 */
export class SpanExporter implements AsyncDisposable {
  readonly #options: SpanExporterOptions;
  readonly #queue: FinishedSpan[] = [];
  readonly #dropped: Record<DropReason, number> = { 'queue-full': 0, refused: 0, stopped: 0 };
  /** Plans work that belongs to no request, whoever asks for it. */
  readonly #planSoon: () => void;
  readonly #ending = new AbortController();
  #exported = 0;
  #failures = 0;
  #sending: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(options: SpanExporterOptions) {
    this.#options = options;
    this.#planSoon = AsyncResource.bind(() => this.#plan(0));
    this.#plan(options.every * 1000);
  }

  get counts(): ExportCounts {
    return { waiting: this.#queue.length, exported: this.#exported, dropped: { ...this.#dropped } };
  }

  add(span: FinishedSpan): void {
    const { batchMax, queueMax } = this.#options;
    if (this.#stopped || this.#queue.length >= queueMax) {
      this.#drop(this.#stopped ? 'stopped' : 'queue-full', 1);
      return;
    }
    this.#queue.push(span);
    const full = this.#queue.length === batchMax;
    if (full && this.#sending === null && this.#failures === 0) this.#planSoon();
  }

  /** Sends what is left, within one timeout, and lets go of the rest. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const deadline = setTimeout(() => this.#ending.abort(), this.#options.timeout * 1000);
    await this.#sending;
    await this.#send();
    clearTimeout(deadline);
    this.#drop('stopped', this.#queue.length);
    this.#queue.length = 0;
  }

  #plan(pauseMs: number): void {
    if (this.#stopped) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#sending = this.#sendAndPlan();
    }, pauseMs).unref();
  }

  async #sendAndPlan(): Promise<void> {
    const pauseS = await this.#send();
    this.#sending = null;
    this.#plan(pauseS * 1000);
  }

  /** Sends a batch, and further ones that are full. Answers how long to wait then, in seconds. */
  async #send(): Promise<number> {
    const { batchMax, every } = this.#options;
    let least = 1;
    while (this.#queue.length >= least && !this.#ending.signal.aborted) {
      const batch = this.#queue.slice(0, batchMax);
      const outcome = await this.#post(batch);
      if (outcome.kind === 'away') return this.#pauseAfter(outcome);
      this.#queue.splice(0, batch.length);
      this.#settle(outcome, batch.length);
      least = this.#stopped ? 1 : batchMax;
    }
    return every;
  }

  #settle(outcome: Exclude<Outcome, { kind: 'away' }>, count: number): void {
    const rejected = outcome.kind === 'taken' ? Math.min(outcome.rejected, count) : count;
    this.#drop('refused', rejected);
    this.#exported += count - rejected;
    if (outcome.kind === 'refused') this.#failed(outcome.reason);
    else this.#recovered();
  }

  #pauseAfter({ reason, retryAfterS }: Extract<Outcome, { kind: 'away' }>): number {
    this.#failed(reason);
    const pauseS = Math.max(this.#options.every * 2 ** (this.#failures - 1), retryAfterS);
    return Math.min(pauseS, PAUSE_S_MAX);
  }

  #failed(reason: string): void {
    this.#failures += 1;
    if (this.#failures === 1) this.#options.onAway(reason);
  }

  #recovered(): void {
    if (this.#failures > 0) this.#options.onBack();
    this.#failures = 0;
  }

  #drop(why: DropReason, count: number): void {
    this.#dropped[why] += count;
  }

  async #post(batch: readonly FinishedSpan[]): Promise<Outcome> {
    const { url, headers, resource, timeout } = this.#options;
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: [...headers.map(([name, value]): [string, string] => [name, value]), JSON_TYPE],
        body: exportRequest(batch, resource),
        redirect: 'error',
        signal: AbortSignal.any([this.#ending.signal, AbortSignal.timeout(timeout * 1000)]),
      });
      const { status } = response;
      const answer = await textOf(response);
      if (response.ok) return { kind: 'taken', rejected: rejectedSpansIn(answer) };
      const reason = `the collector answers ${status}`;
      if (!RETRYABLE.has(status)) return { kind: 'refused', reason };
      const retryAfterS = Number(response.headers.get('retry-after')) || 0;
      return { kind: 'away', reason, retryAfterS };
    } catch (problem) {
      return { kind: 'away', reason: whyOf(problem), retryAfterS: 0 };
    }
  }
}

const JSON_TYPE: [string, string] = ['content-type', 'application/json'];

/** The answer, as far as anybody wants to know of it. */
async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body ?? []) {
    length += chunk.length;
    if (length > ANSWER_BYTES_MAX) return '';
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Undici wraps what happened. */
function whyOf(problem: unknown): string {
  const { name, message, cause } = problem as Error;
  if (name === 'TimeoutError') return 'the collector does not answer in time';
  return cause instanceof Error ? cause.message : message;
}
