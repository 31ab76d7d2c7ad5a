import type { Middleware } from 'koa';
import type { Locales } from '#src/http/locale.ts';
import { assertMethod } from '#src/http/method.ts';
import type { PageLocals, Pages } from '#src/http/pages.ts';

/** What this server is, for whoever opens its address. */
export function frontPage(options: {
  readonly pages: Pages;
  readonly locales: Locales;
  readonly locals: PageLocals['front'];
}): Middleware {
  const { pages, locales, locals } = options;
  return async (ctx, next) => {
    if (ctx.path !== '/') return next();
    assertMethod(ctx, ['GET', 'HEAD']);
    const language = locales.choose({ acceptLanguage: ctx.get('accept-language') });
    const { html, contentSecurityPolicy } = pages.render('front', locals, { language });
    ctx.set('Content-Security-Policy', contentSecurityPolicy);
    ctx.set('Vary', 'Accept-Language');
    ctx.type = 'html';
    ctx.body = html;
  };
}
