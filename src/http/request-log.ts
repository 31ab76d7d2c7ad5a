import { randomUUID } from 'node:crypto';
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
export function requestLog(log: Logger): Middleware {
  return async (ctx, next) => {
    const startedAt = performance.now();
    const requestId = randomUUID();
    ctx.state.requestId = requestId;
    ctx.set('X-Request-Id', requestId);
    const path = ctx.path.slice(0, PATH_CHARS_MAX).replace(INTERACTION_UID, '/$1/:uid');
    ctx.res.once('close', () => {
      if (!log.isLevelEnabled('info')) return;
      log.info(
        {
          requestId,
          method: ctx.method,
          path,
          status: ctx.res.statusCode,
          ms: Math.round((performance.now() - startedAt) * 10) / 10,
          ...(ctx.res.writableFinished ? undefined : { aborted: true }),
        },
        'request',
      );
    });
    await next();
  };
}
