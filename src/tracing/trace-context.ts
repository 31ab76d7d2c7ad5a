/** Where in a trace somebody is: W3C Trace Context section 3. */
export interface TraceContext {
  /** 32 hexadecimal digits in lower case, not all of them zero. */
  readonly traceId: string;
  /** 16 hexadecimal digits in lower case, not all of them zero. */
  readonly spanId: string;
  /** Whether who began the trace, or decided since, has it recorded. */
  readonly sampled: boolean;
  /** What other tracing systems pass on with it, as it came; `null` for nothing. */
  readonly state: string | null;
}

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

const TRACEPARENT =
  /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** The bit of the flags that says `sampled`: section 3.2.2.5. No other has a meaning in version 00. */
const SAMPLED = 0x01;

/**
 * The context that a request brings; `null` where it brings none, or one that is malformed, which begins another trace
 * (section 3.2). Of a version that is not known yet, the parts that all versions have are taken (section 3.2.4). A `tracestate`
 * that is malformed is left out, and the rest stands (section 3.3).
 */
export function readTraceContext({ traceparent, tracestate }: Headers): TraceContext | null {
  // Two headers come joined by a comma, which is malformed as well.
  const [, version, traceId, spanId, flags, further] = TRACEPARENT.exec(String(traceparent ?? '')) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return null;
  if (version === '00' && further !== undefined) return null;
  const sampled = (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED;
  return { traceId, spanId, sampled, state: readState(String(tracestate ?? '')) };
}

/** The headers by which somebody who is called learns of the context. */
export function traceHeaders({ traceId, spanId, sampled, state }: TraceContext): Record<string, string> {
  const traceparent = `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
  return state === null ? { traceparent } : { traceparent, tracestate: state };
}

/** A vendor, or a tenant at a vendor. */
const KEY = /^(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})$/;

/** Printable ASCII without comma and equals sign, and no space at its end. */
const VALUE = /^[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;

const MEMBERS_MAX = 32;

/** So much is passed on by everybody; more is nobody's right. */
const STATE_CHARS_MAX = 512;

/** Section 3.3.1: members apart by commas, of which some may be empty. */
function readState(text: string): string | null {
  const members = text
    .split(',')
    .map((member) => member.replace(/^[ \t]+|[ \t]+$/g, ''))
    .filter((member) => member !== '');
  const pairs = members.map((member) => {
    const at = member.indexOf('=');
    return [member.slice(0, Math.max(at, 0)), member.slice(at + 1)] as const;
  });
  const wellFormed = pairs.every(([key, value]) => KEY.test(key) && VALUE.test(value));
  if (pairs.length === 0 || pairs.length > MEMBERS_MAX || !wellFormed) return null;
  const state = members.join(',');
  return state.length > STATE_CHARS_MAX ? null : state;
}
