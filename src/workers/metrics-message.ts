/** What a supervisor asks a worker that serves, and what it is answered. `text` is `null` if it could not be told. */
export type MetricsQuestion = { readonly kind: 'metrics?'; readonly question: number };
export type MetricsAnswer = {
  readonly kind: 'metrics';
  readonly question: number;
  readonly text: string | null;
};

export function isMetricsQuestion(message: unknown): message is MetricsQuestion {
  return kindOf(message) === 'metrics?';
}

/** Whether a message answers this question. */
export function isMetricsAnswer(message: unknown, { question }: MetricsQuestion): message is MetricsAnswer {
  return kindOf(message) === 'metrics' && (message as MetricsAnswer).question === question;
}

const kindOf = (message: unknown) => (message as { kind?: unknown } | null)?.kind;
