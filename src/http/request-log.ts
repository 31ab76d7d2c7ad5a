import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Middleware } from 'koa';
import type { Logger } from 'pino';

/** Parts of a path that name one interaction; whoever reads the log need not know which. */
const INTERACTION_UID = /^\/(interaction|authorize)\/[^/]+/;

/** Longer than any path of ours: nobody else decides how much is written. */
const PATH_CHARS_MAX = 200;

/**
 * Gives each request an identifier, which is answered in `X-Request-Id`, and logs how it ended: method, path, status
 * and duration. Never a query, a body, a header or a cookie, so that no code, token or password gets there.
 */
export function requestLog(logAnswer: LogAnswer): Middleware {
  return async (ctx, next) => {
    const startedAt = performance.now();
    const requestId = randomUUID();
    ctx.state.requestId = requestId;
    ctx.set('X-Request-Id', requestId);
    const path = ctx.path.slice(0, PATH_CHARS_MAX).replace(INTERACTION_UID, '/$1/:uid');
    logAnswer(ctx.res, { requestId, method: ctx.method, path, startedAt });
    await next();
  };
}

export interface AnsweredRequest {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  /** By `performance.now`. */
  readonly startedAt: number;
}

export type LogAnswer = (response: ServerResponse, request: AnsweredRequest) => void;

/** Logs how a request ended, once it has. */
export function answerLog(log: Logger): LogAnswer {
  return (response, { startedAt, ...request }) => {
    if (!log.isLevelEnabled('info')) return;
    response.once('close', () => {
      log.info(
        {
          ...request,
          status: response.statusCode,
          ms: Math.round((performance.now() - startedAt) * 10) / 10,
          ...(response.writableFinished ? undefined : { aborted: true }),
        },
        'request',
      );
    });
  };
}
