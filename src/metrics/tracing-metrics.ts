import { Counter, Gauge, type Registry } from 'prom-client';

/** What became of the spans that were recorded. */
export interface SpanCounts {
  readonly waiting: number;
  readonly exported: number;
  /** By reason. */
  readonly dropped: Readonly<Record<string, number>>;
}

/** Measures whether what is traced gets to its collector. */
export function measureTracing(registry: Registry, counts: () => SpanCounts): void {
  const registers = [registry];
  new Gauge({
    name: 'keyturn_trace_spans_waiting',
    help: 'Spans that wait to be sent to the collector.',
    registers,
    collect() {
      this.set(counts().waiting);
    },
  });
  new Counter({
    name: 'keyturn_trace_spans_exported_total',
    help: 'Spans that the collector has taken.',
    registers,
    collect() {
      this.reset();
      this.inc(counts().exported);
    },
  });
  new Counter({
    name: 'keyturn_trace_spans_dropped_total',
    help: 'Spans that were let go, by reason.',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset();
      for (const [reason, count] of Object.entries(counts().dropped)) this.inc({ reason }, count);
    },
  });
}
