import type { AttributeValue, FinishedSpan, SpanKind } from '#src/tracing/span.ts';
import type { TraceContext } from '#src/tracing/trace-context.ts';

/** Who made the spans: OpenTelemetry Resource. */
export type Resource = ReadonlyMap<string, string>;

/** `SpanKind` of the protocol. */
const KINDS: Readonly<Record<SpanKind, number>> = { internal: 1, server: 2, client: 3 };

/** `STATUS_CODE_ERROR` of the protocol. */
const ERROR = 2;

/** What spans are said to come from, within the resource. */
const SCOPE = { name: 'keyturn' };

/** An `ExportTraceServiceRequest` in the JSON of OTLP 1: ids in hexadecimal, whole numbers of 64 bits as text. */
export function exportRequest(spans: readonly FinishedSpan[], resource: Resource): string {
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: attributesOf(resource) },
        scopeSpans: [{ scope: SCOPE, spans: spans.map(spanOf) }],
      },
    ],
  });
}

/** How many spans a collector says it has not taken, of a request that it otherwise took; 0 where it says nothing. */
export function rejectedSpansIn(answer: string): number {
  try {
    const { partialSuccess } = JSON.parse(answer) as { partialSuccess?: { rejectedSpans?: unknown } };
    const rejected = Number(partialSuccess?.rejectedSpans ?? 0);
    return Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0;
  } catch {
    return 0;
  }
}

function spanOf(span: FinishedSpan): object {
  const { context, parentSpanId, link, name, kind, startedAt, endedAt, attributes, failed } = span;
  return {
    ...idsOf(context),
    ...(parentSpanId !== null && { parentSpanId }),
    name,
    kind: KINDS[kind],
    startTimeUnixNano: nanoseconds(startedAt),
    endTimeUnixNano: nanoseconds(endedAt),
    attributes: attributesOf(attributes),
    ...(link !== null && { links: [idsOf(link)] }),
    ...(failed && { status: { code: ERROR } }),
  };
}

function idsOf({ traceId, spanId, state }: TraceContext) {
  return { traceId, spanId, ...(state !== null && { traceState: state }) };
}

function attributesOf(attributes: ReadonlyMap<string, AttributeValue>): readonly object[] {
  return [...attributes].map(([key, value]) => ({ key, value: typedValue(value) }));
}

function typedValue(value: AttributeValue): object {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  return Number.isSafeInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** Milliseconds with fractions, as a number that has no room for nanoseconds since 1970. */
function nanoseconds(ms: number): string {
  const whole = Math.floor(ms);
  return `${whole}${String(Math.floor((ms - whole) * 1e6)).padStart(6, '0')}`;
}
