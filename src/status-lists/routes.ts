import type { Middleware } from 'koa';
import { answerWithDocument, openToScripts } from '#src/http/metadata.ts';
import type { StatusListPublisher } from '#src/status-lists/publisher.ts';
import { STATUS_LIST_TYPE, STATUS_LISTS_PATH } from '#src/status-lists/status-list.ts';
import type { Seconds } from '#src/units.ts';

const LIST = new RegExp(`^${STATUS_LISTS_PATH}/([\\w-]{1,64})$`);

const MEDIA_TYPE = `application/${STATUS_LIST_TYPE}`;

/** `GET /status-lists/{name}`: Token Status List sections 8.1 and 8.2. To scripts of any origin, as to anyone. */
export function statusListRoutes({
  publisher,
  ttl,
}: {
  readonly publisher: Pick<StatusListPublisher, 'publish'>;
  readonly ttl: Seconds;
}): Middleware {
  return async (ctx, next) => {
    const [, name] = LIST.exec(ctx.path) ?? [];
    if (name === undefined) return next();
    if (openToScripts(ctx)) return;
    // Token Status List section 8.4: what was is not told.
    if (ctx.query.time !== undefined) {
      ctx.status = 501;
      ctx.body = { error: 'not_implemented', error_description: 'only the present status is told' };
      return;
    }
    if (ctx.accepts(MEDIA_TYPE) === false) {
      ctx.status = 406;
      ctx.body = { error: 'not_acceptable', error_description: `there is ${MEDIA_TYPE} only` };
      return;
    }
    const list = await publisher.publish(name);
    if (list === null) return next();
    answerWithDocument(ctx, list, { type: MEDIA_TYPE, maxAge: ttl });
    ctx.vary('Accept');
  };
}
