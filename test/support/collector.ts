import assert from 'node:assert/strict';
import { type Receiver, startReceiver } from '#test/support/receiver.ts';
import { until } from '#test/support/until.ts';

/** A span as a collector sees it. */
export interface ExportedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | null;
  readonly name: string;
  /** `SpanKind` of OTLP: 1 internal, `SERVER`, `CLIENT`. */
  readonly kind: number;
  readonly startedAt: bigint;
  readonly endedAt: bigint;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly state: string | null;
  readonly failed: boolean;
  /** What the resource says that made it. */
  readonly resource: Readonly<Record<string, string | number | boolean>>;
}

/** Takes traces by OTLP over HTTP, in JSON. */
export interface Collector extends Receiver {
  /** The settings by which a server sends its spans here, each as soon as it has ended. */
  readonly settings: Readonly<Record<string, string>>;
  /** All spans that have come so far. */
  spans(): readonly ExportedSpan[];
  /** The first span that is so, once it has come. */
  span(what: string, wanted: (span: ExportedSpan) => boolean): Promise<ExportedSpan>;
  /** All spans of a trace, once the first of them has come: it ends last. */
  traceOf(what: string, wanted: (span: ExportedSpan) => boolean): Promise<readonly ExportedSpan[]>;
}

/** By what a response is known in spans and in the log. */
export const requestId = (response: Response) => response.headers.get('x-request-id') ?? assert.fail();

/** Whether a span is that of the request which was answered so. */
export const answers = (response: Response) => (span: ExportedSpan) =>
  span.attributes['keyturn.request_id'] === requestId(response);

/** `SpanKind` of OTLP. */
export const SERVER = 2;
export const CLIENT = 3;

export async function startCollector(): Promise<Collector> {
  const receiver = await startReceiver();
  const spans = () => receiver.received.flatMap(({ body }) => spansIn(body));
  const span: Collector['span'] = async (what, wanted) => {
    await until(
      () => `${what} among ${spans().map(({ name }) => name)}`,
      () => spans().some(wanted),
    );
    return spans().find(wanted) as ExportedSpan;
  };
  return {
    ...receiver,
    settings: { KEYTURN_TRACING_OTLP_ENDPOINT: receiver.origin, KEYTURN_TRACING_BATCH_MAX: '1' },
    spans,
    span,
    traceOf: async (what, wanted) => {
      const { traceId } = await span(what, wanted);
      return spans().filter((each) => each.traceId === traceId);
    },
  };
}

interface Otlp {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly OtlpAttribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly OtlpAttribute[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status?: { readonly code: number };
}

interface OtlpAttribute {
  readonly key: string;
  readonly value: Readonly<Record<string, string | number | boolean>>;
}

/** The spans of an `ExportTraceServiceRequest`. */
export function spansIn(body: string): readonly ExportedSpan[] {
  const { resourceSpans } = JSON.parse(body) as Otlp;
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? null,
        name: span.name,
        kind: span.kind,
        startedAt: BigInt(span.startTimeUnixNano),
        endedAt: BigInt(span.endTimeUnixNano),
        attributes: attributesIn(span.attributes),
        links: span.links ?? [],
        state: span.traceState ?? null,
        failed: span.status?.code === 2,
        resource: attributesIn(resource.attributes),
      })),
    ),
  );
}

function attributesIn(attributes: readonly OtlpAttribute[]): ExportedSpan['attributes'] {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const [[type = '', content = ''] = []] = Object.entries(value);
      return [key, type === 'intValue' ? Number(content) : content];
    }),
  );
}
