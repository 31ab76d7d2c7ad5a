/** A place among the workers of a machine. Whoever replaces a worker has its place. */
export interface SeatNumber {
  /** From 1. */
  readonly number: number;
  /** How many there are. */
  readonly of: number;
}

/** Why a worker could not begin to serve, in the words of the program that it runs. */
export interface StartFailure {
  readonly exitCode: number;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** What came of a start. `created`: the store was made by it. */
export type StartOutcome =
  | { readonly kind: 'ready'; readonly created: boolean }
  | { readonly kind: 'failed'; readonly failure: StartFailure };

/** How a process ended: with a code, or by a signal, or it could not be begun at all. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why it could not be begun. */
  readonly problem: string | null;
}

/** `ended with exit code 1`, `was ended by SIGKILL`, `could not be begun: …` */
export function endingText({ code, signal, problem }: Ending): string {
  if (problem !== null) return `could not be begun: ${problem}`;
  return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
}

/** A process that serves, as its supervisor sees it. */
export interface WorkerProcess {
  /** `null` if the system did not begin it. */
  readonly pid: number | null;
  /** Settles once, also where the process ends without a word. */
  readonly started: Promise<StartOutcome>;
  readonly ended: Promise<Ending>;
  /** What it has measured, once it serves; `null` if it does not say so in time, or measures nothing. */
  metrics(): Promise<string | null>;
  /** What it said last that it has measured, unasked when it ended if it could; `null` if it never said anything. */
  lastMetrics(): string | null;
  /** Asks it for a sign of life. Never answered by one that has stopped, or goes in circles. */
  ask(answered: () => void): void;
  /** Asks it to serve the connections that it has to their end, to take no others, and to end then. */
  leave(): void;
  /** Asks it to end once the requests that are under way have been answered. */
  stop(): void;
  /** Ends it on the spot. */
  kill(): void;
}

/** A worker could not begin to serve. */
export class WorkerStartFault extends Error {
  readonly failure: StartFailure;

  constructor(failure: StartFailure) {
    super(failure.message);
    this.name = 'WorkerStartFault';
    this.failure = failure;
  }
}
