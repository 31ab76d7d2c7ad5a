import { AsyncLocalStorage } from 'node:async_hooks';
import type { Random } from '#src/random.ts';
import { type AttributeValue, type FinishedSpan, Span, type SpanKind } from '#src/tracing/span.ts';
import type { TraceContext } from '#src/tracing/trace-context.ts';

export interface TracerOptions {
  /** Of all traces that begin here, how large a part is recorded: from 0 to 1. */
  readonly sampleRatio: number;
  readonly random: Random;
  /** The time in milliseconds since 1970. */
  readonly epochMs: () => number;
  /** Given each span that is recorded, once it has ended. */
  readonly onEnd: (span: FinishedSpan) => void;
}

export interface RootOptions {
  /** Whose trace goes on here, and is recorded if it is recorded there. */
  readonly follows?: TraceContext | null;
  /** What led to a trace of its own. */
  readonly link?: TraceContext | null;
}

export interface DoneWork {
  readonly name: string;
  readonly kind: SpanKind;
  readonly ms: number;
  /** How long ago it ended. */
  readonly msAgo?: number;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** Why it failed, by a word of which there are few. */
  readonly failure?: string | null;
}

const TRACE_ID_BYTES = 16;
const SPAN_ID_BYTES = 8;

/** Ids are cut from this many random bytes at once, as asking for a few costs as much. */
const POOL_BYTES = 4096;

/** The last 56 bits of a trace id decide whether it is recorded, so that others who go by them decide the same. */
const DECIDING_DIGITS = 14;

/** However many things one request does, no more of them are told of: one request cannot fill the queue. */
const SPANS_OF_REQUEST_MAX = 256;

/** Begins spans, and knows which of them the code that runs is working for. */
export class Tracer {
  readonly #options: TracerOptions;
  readonly #storage = new AsyncLocalStorage<Span>();
  #pool: Buffer = Buffer.alloc(0);
  #used = 0;

  constructor(options: TracerOptions) {
    this.#options = options;
  }

  /** Whatever goes on after a request was answered belongs to it no longer, and so to nothing. */
  get current(): Span | null {
    const span = this.#storage.getStore();
    return span === undefined || span.ended ? null : span;
  }

  /** Does work for a span, and all that follows from it. */
  within<T>(span: Span, work: () => T): T {
    return this.#storage.run(span, work);
  }

  /** Begins a span that rests on no other here. */
  root(name: string, kind: SpanKind, { follows = null, link = null }: RootOptions = {}): Span {
    const startedAt = performance.now();
    const traceId = follows?.traceId ?? this.#hex(TRACE_ID_BYTES);
    const sampled = follows?.sampled ?? this.#isSampled(traceId);
    const state = follows?.state ?? null;
    const account = {
      epochOffset: this.#options.epochMs() - startedAt,
      spansLeft: SPANS_OF_REQUEST_MAX,
    };
    const context = { traceId, spanId: this.#hex(SPAN_ID_BYTES), sampled, state };
    const parentSpanId = follows?.spanId ?? null;
    const beginning = { context, parentSpanId, link, name, kind, startedAt };
    return new Span(beginning, account, sampled ? this.#options.onEnd : null);
  }

  /** Begins a span below what the running code works for; a trace of its own where that is nothing. */
  child(name: string, kind: SpanKind, startedAt = performance.now()): Span {
    const parent = this.current;
    if (parent === null) return this.root(name, kind);
    const { account } = parent;
    account.spansLeft -= 1;
    const recorded = parent.recorded && account.spansLeft >= 0;
    const context = { ...parent.context, spanId: this.#hex(SPAN_ID_BYTES) };
    const { spanId: parentSpanId } = parent.context;
    const beginning = { context, parentSpanId, link: null, name, kind, startedAt };
    return new Span(beginning, account, recorded ? this.#options.onEnd : null);
  }

  /** Tells of work that has been done, if what it was done for is recorded. */
  note({ name, kind, ms, msAgo = 0, attributes = {}, failure = null }: DoneWork): void {
    if (this.current?.recorded !== true) return;
    const endedAt = performance.now() - msAgo;
    const span = this.child(name, kind, endedAt - ms);
    for (const [key, value] of Object.entries(attributes)) span.set(key, value);
    if (failure !== null) span.fail(failure);
    span.end(endedAt);
  }

  #isSampled(traceId: string): boolean {
    const { sampleRatio } = this.#options;
    const drawn = Number.parseInt(traceId.slice(-DECIDING_DIGITS), 16) / 16 ** DECIDING_DIGITS;
    return drawn >= 1 - sampleRatio;
  }

  /** Random and not all zero. */
  #hex(bytes: number): string {
    for (;;) {
      if (this.#used + bytes > this.#pool.length) {
        this.#pool = this.#options.random.bytes(POOL_BYTES);
        this.#used = 0;
      }
      const hex = this.#pool.toString('hex', this.#used, this.#used + bytes);
      this.#used += bytes;
      if (!/^0+$/.test(hex)) return hex;
    }
  }
}
