import type { Client, ErrorOut, KoaContextWithOIDC } from 'oidc-provider';
import type { Locales } from '#src/http/locale.ts';
import type { PageName } from '#src/http/page-names.ts';
import type { PageLocals, Pages } from '#src/http/pages.ts';
import { ROUTES } from '#src/oidc/endpoints.ts';
import { sessionOf } from '#src/oidc/session-model.ts';

/** The pages that the library asks for while it speaks the protocol. */
export class ProtocolPages {
  readonly #pages: Pages;
  readonly #locales: Locales;
  readonly #accountName: (subject: string) => Promise<string | null>;

  constructor(options: {
    pages: Pages;
    locales: Locales;
    accountName(subject: string): Promise<string | null>;
  }) {
    this.#pages = options.pages;
    this.#locales = options.locales;
    this.#accountName = options.accountName;
  }

  /** Tells a person what went wrong, where no client can be told. Programs are told as JSON. */
  async renderError(ctx: KoaContextWithOIDC, out: ErrorOut, error: Error): Promise<void> {
    if (ctx.state.neverPages === true) {
      ctx.body = out;
      return;
    }
    this.show(ctx, 'error', {
      status: ctx.status,
      code: error.name === 'SessionNotFound' ? 'session_not_found' : out.error,
      message: out.error_description ?? '',
      requestId: ctx.state.requestId,
    });
  }

  /** Asks whether to sign out: OpenID Connect RP-Initiated Logout section 2. */
  async renderSignOut(ctx: KoaContextWithOIDC): Promise<void> {
    const { session, client } = ctx.oidc;
    const secret = session?.state?.secret;
    if (session === undefined || typeof secret !== 'string')
      throw new Error('a sign-out begins with a session');
    const accountName = session.accountId === undefined ? null : await this.#accountName(session.accountId);
    const backTo = session.state?.postLogoutRedirectUri;
    this.show(
      ctx,
      'sign-out',
      {
        ...clientLocals(client),
        accountName: accountName ?? undefined,
        action: ctx.oidc.urlFor('end_session_confirm'),
        field: 'xsrf',
        antiForgery: secret,
        values: { logout: 'yes' },
        stayHref: typeof client?.clientUri === 'string' ? client.clientUri : '/',
      },
      typeof backTo === 'string' ? [backTo] : [],
    );
  }

  /** Tells that the sign-out is done; whoever comes here without one is asked for it. */
  async renderSignedOut(ctx: KoaContextWithOIDC): Promise<void> {
    const { accountId } = await sessionOf(ctx.oidc.provider, ctx);
    if (accountId !== undefined) {
      ctx.status = 303;
      return ctx.redirect(ROUTES.end_session);
    }
    this.show(ctx, 'signed-out', clientLocals(ctx.oidc.client));
  }

  /** Sends a form on to where it belongs: OAuth 2.0 Form Post Response Mode. */
  renderPostOn(ctx: KoaContextWithOIDC, action: string, fields: Readonly<Record<string, string>>): void {
    const { issuer, session, client } = ctx.oidc;
    const { origin, pathname, search } = new URL(action);
    const own = origin === new URL(issuer).origin;
    // A sign-out that has nobody to ask is posted on to this server, which then leads back to the client.
    const backTo = own ? session?.state?.postLogoutRedirectUri : undefined;
    const locals = { action: own ? pathname + search : action, fields, clientName: client?.clientName };
    this.show(ctx, 'post-on', locals, typeof backTo === 'string' ? [backTo] : []);
  }

  /** Hands an answer to the window that asked for it: OAuth 2.0 Web Message Response Mode section 4. */
  renderWebMessage(
    ctx: KoaContextWithOIDC,
    targetOrigin: string,
    response: Readonly<Record<string, string>>,
  ): void {
    // That page alone may stand in a frame, and in none but the client's: its policy says so.
    ctx.remove('X-Frame-Options');
    this.show(ctx, 'web-message', { targetOrigin, response, clientName: ctx.oidc.client?.clientName });
  }

  /** Answers with a page, in the language that the request asks for. */
  show<Name extends PageName>(
    ctx: KoaContextWithOIDC,
    page: Name,
    locals: PageLocals[Name],
    formActionOrigins: readonly string[] = [],
  ): void {
    const uiLocales = ctx.oidc.params?.ui_locales;
    const language = this.#locales.choose({
      uiLocales: typeof uiLocales === 'string' ? uiLocales : undefined,
      acceptLanguage: ctx.get('accept-language'),
    });
    const { html, contentSecurityPolicy } = this.#pages.render(page, locals, { language, formActionOrigins });
    ctx.set('Content-Security-Policy', contentSecurityPolicy);
    ctx.type = 'html';
    ctx.body = html;
  }
}

/** What a page tells of a client. */
export function clientLocals(client: Client | undefined) {
  return client === undefined
    ? {}
    : { clientName: client.clientName ?? client.clientId, clientUri: client.clientUri };
}
