/** What a supervisor asks a worker that serves, and what it is answered. `text` is `null` if it could not be told. */
export type MetricsQuestion = { readonly kind: 'metrics?'; readonly question: number };
export type MetricsAnswer = {
  readonly kind: 'metrics';
  readonly question: number;
  readonly text: string | null;
};

/** The number of the question that a worker answers at its end, which nobody has asked. */
export const LAST_WORD = 0;

export function isMetricsQuestion(message: unknown): message is MetricsQuestion {
  return kindOf(message) === 'metrics?';
}

/** Whether a message says what a worker has measured. */
export function saysMetrics(message: unknown): message is MetricsAnswer {
  return kindOf(message) === 'metrics';
}

/** Whether it answers this question. */
export function isMetricsAnswer(message: unknown, { question }: MetricsQuestion): message is MetricsAnswer {
  return saysMetrics(message) && message.question === question;
}

const kindOf = (message: unknown) => (message as { kind?: unknown } | null)?.kind;
