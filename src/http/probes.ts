import type { Middleware } from 'koa';
import { assertMethod } from '#src/http/method.ts';

export interface Health {
  /** Throws unless the store can be read and written. */
  ping(): Promise<void>;
  /** True from the moment on that the server has been told to stop. */
  stopping(): boolean;
}

/**
 * `/healthz` answers as long as the process does; `/readyz` only while requests should be sent here, so that a load
 * balancer takes the server out before it stops, and while its store is away.
 */
export function probes(health: Health): Middleware {
  return async (ctx, next) => {
    if (ctx.path !== '/healthz' && ctx.path !== '/readyz') return next();
    assertMethod(ctx, ['GET', 'HEAD']);
    if (ctx.path === '/healthz') {
      ctx.body = { status: 'ok' };
      return;
    }
    const reason = await unreadyBecause(health);
    ctx.status = reason === null ? 200 : 503;
    ctx.body = reason === null ? { status: 'ready' } : { status: 'unready', reason };
  };
}

async function unreadyBecause({ ping, stopping }: Health): Promise<string | null> {
  if (stopping()) return 'stopping';
  try {
    await ping();
    return null;
  } catch {
    return 'store';
  }
}
