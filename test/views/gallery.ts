import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import Koa, { type Middleware } from 'koa';
import { loadAssets } from '#src/http/assets.ts';
import { failures } from '#src/http/failure.ts';
import { loadLocales } from '#src/http/locale.ts';
import { createPages, type RenderedPage } from '#src/http/pages.ts';
import { securityHeaders } from '#src/http/security-headers.ts';
import { templates, VIEWS } from '#test/support/templates.ts';
import type { Sample } from '#test/views/samples.ts';

export const SERVER_NAME = 'id.example.com';

export const locales = loadLocales(`${VIEWS}/locales`);
export const assets = loadAssets(`${VIEWS}/assets`);
export const pages = createPages({ templates, locales, assets, serverName: SERVER_NAME });

/** Renders a sample as the server would, for a client on http, as in development. */
export function renderSample({ page, locals }: Sample, language: string): RenderedPage {
  return pages.render(page, locals as never, { language, formActionOrigins: ['http://127.0.0.1'] });
}

export interface TestServer extends AsyncDisposable {
  readonly origin: string;
}

/** Serves with the security headers, the failures and the assets of the real thing, on a port of its own. */
export async function serve(...middleware: readonly Middleware[]): Promise<TestServer> {
  const app = new Koa();
  app.silent = true;
  app.use(securityHeaders({ issuer: 'http://127.0.0.1' }));
  app.use(failures({ pages, locales, onFault: () => {} })).use(assets.middleware);
  for (const each of middleware) app.use(each);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers every GET with what `pageFor` renders for the path, if anything. */
export function showing(pageFor: (path: string) => RenderedPage | undefined): Middleware {
  return async (ctx, next) => {
    const page = ctx.method === 'GET' ? pageFor(decodeURIComponent(ctx.path)) : undefined;
    if (page === undefined) return next();
    ctx.set('Content-Security-Policy', page.contentSecurityPolicy);
    ctx.type = 'html';
    ctx.body = page.html;
  };
}

/** Answers every POST with its path and the form that it carried, and keeps them. */
export function receiving(received: string[] = []): Middleware {
  return async (ctx, next) => {
    if (ctx.method !== 'POST') return next();
    received.push(`${ctx.path} ${await text(ctx.req)}`);
    ctx.body = received.at(-1);
  };
}
