import type { RequestListener } from 'node:http';
import type { Middleware } from 'koa';
import type { Logger } from 'pino';
import type { LogAnswer } from '#src/http/request-log.ts';
import type { OutgoingFetch } from '#src/oidc/outgoing-fetch.ts';
import type { Send } from '#src/outbox/dispatcher.ts';
import type { Surroundings } from '#src/services.ts';
import type { ServerEvents } from '#src/serving/log.ts';
import type { OutsideSigner } from '#src/signing/algorithm.ts';
import type { ExportCounts } from '#src/tracing/span-exporter.ts';

/**
 * What traces a server. Each part of the server is given to it once, when the server is put together, and comes back as
 * it is to be used: the same, with spans; or simply the same, where nothing is traced.
 */
export interface Tracing extends AsyncDisposable {
  /** What was sent to the collector, and what was not; `null` where nothing is traced. */
  readonly counts: (() => ExportCounts) | null;
  /** What stands in front of the application. */
  readonly middleware: readonly Middleware[];
  /** Requests as they arrive. */
  arriving(application: RequestListener): RequestListener;
  /** Requests as they are taken up. */
  within(application: RequestListener): RequestListener;
  log(log: Logger): Logger;
  logAnswer(logAnswer: LogAnswer): LogAnswer;
  events(events: ServerEvents): ServerEvents;
  fetch(fetch: OutgoingFetch): OutgoingFetch;
  senders(senders: Senders): Senders;
  signer(signer: OutsideSigner): OutsideSigner;
}

/** By topic. */
export type Senders = Readonly<Record<string, Send>>;

export interface TracingParts extends Pick<Surroundings, 'random'> {
  readonly log: Logger;
  /** Which of several processes this is that serve on one machine, from 1; `null` for the only one. */
  readonly worker: number | null;
}

/** What gives everything back as it was. */
export const UNTRACED: Tracing = {
  counts: null,
  middleware: [],
  arriving: (application) => application,
  within: (application) => application,
  log: (log) => log,
  logAnswer: (logAnswer) => logAnswer,
  events: (events) => events,
  fetch: (fetch) => fetch,
  senders: (senders) => senders,
  signer: (signer) => signer,
  [Symbol.asyncDispose]: async () => {},
};
