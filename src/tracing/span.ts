import type { TraceContext } from '#src/tracing/trace-context.ts';

/** What OpenTelemetry has for the part that a span plays. */
export type SpanKind = 'internal' | 'server' | 'client';

export type AttributeValue = string | number | boolean;

/** Some work, with its place in a trace, from when until when it went on, and what is worth knowing of it. */
export interface FinishedSpan {
  readonly context: TraceContext;
  /** `null` for the first of its trace. */
  readonly parentSpanId: string | null;
  /** A context elsewhere that led to it without being followed. */
  readonly link: TraceContext | null;
  readonly name: string;
  readonly kind: SpanKind;
  /** In milliseconds since 1970, with fractions. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly attributes: ReadonlyMap<string, AttributeValue>;
  readonly failed: boolean;
}

/** What a span begins with. */
export interface SpanBeginning extends Pick<FinishedSpan, 'context' | 'parentSpanId' | 'link' | 'kind'> {
  readonly name: string;
  /** By `performance.now`. */
  readonly startedAt: number;
}

/**
 * How far the clock of a trace is from `performance.now`, and how many spans it may still have here. All spans that
 * rest on one request share it, so that their times are of one clock, which cannot be set back between them.
 */
export interface TraceAccount {
  readonly epochOffset: number;
  spansLeft: number;
}

/** Work that is under way. Where the trace is not recorded, all that is said of it is let go. */
export class Span {
  readonly context: TraceContext;
  readonly account: TraceAccount;
  readonly #beginning: SpanBeginning;
  readonly #onEnd: ((span: FinishedSpan) => void) | null;
  readonly #attributes = new Map<string, AttributeValue>();
  #name: string;
  #failed = false;
  #ended = false;

  /** `onEnd` is `null` for one that is not recorded. */
  constructor(beginning: SpanBeginning, account: TraceAccount, onEnd: ((span: FinishedSpan) => void) | null) {
    this.context = beginning.context;
    this.account = account;
    this.#beginning = beginning;
    this.#name = beginning.name;
    this.#onEnd = onEnd;
  }

  /** By `performance.now`. */
  get startedAt(): number {
    return this.#beginning.startedAt;
  }

  get recorded(): boolean {
    return this.#onEnd !== null;
  }

  get ended(): boolean {
    return this.#ended;
  }

  rename(name: string): void {
    this.#name = name;
  }

  set(name: string, value: AttributeValue | undefined): void {
    if (value !== undefined && this.#onEnd !== null) this.#attributes.set(name, value);
  }

  /** Marks the work as failed; `type` is a word of which there are few, and says nothing of what was worked on. */
  fail(type: string): void {
    this.#failed = true;
    this.set('error.type', type);
  }

  /** `at` by `performance.now`. Only the first end counts. */
  end(at = performance.now()): void {
    if (this.#ended) return;
    this.#ended = true;
    const { startedAt, ...beginning } = this.#beginning;
    const { epochOffset } = this.account;
    this.#onEnd?.({
      ...beginning,
      name: this.#name,
      startedAt: epochOffset + startedAt,
      endedAt: epochOffset + at,
      attributes: this.#attributes,
      failed: this.#failed,
    });
  }
}
