import type { KoaContextWithOIDC } from 'oidc-provider';
import { isPrivateUseUri } from '#src/clients/redirect-uri.ts';
import type { ProtocolPages } from '#src/oidc/protocol-pages.ts';

const SELF_POSTING_TITLE = '<title>Submitting Callback</title>';
const WEB_MESSAGE_TITLE = '<title>Web Message Response</title>';

/** Puts pages of ours in the place of those of the library, which have inline scripts and no button where none runs. */
export function replaceResponsePage(ctx: KoaContextWithOIDC, pages: ProtocolPages): void {
  const { body } = ctx;
  if (typeof body !== 'string') return;
  if (body.includes(SELF_POSTING_TITLE)) postOn(ctx, body, pages);
  else if (body.includes(WEB_MESSAGE_TITLE)) handOver(ctx, body, pages);
}

function postOn(ctx: KoaContextWithOIDC, page: string, pages: ProtocolPages): void {
  const action = /<form method="post" action="([^"]*)">/.exec(page)?.[1];
  if (action === undefined) throw new Error("the library's self-posting page has another form than expected");
  const inputs = page.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"\/>/g);
  const fields = Object.fromEntries(
    [...inputs].map(([, name = '', value = '']) => [unescapeHtml(name), unescapeHtml(value)]),
  );
  const redirectUri = unescapeHtml(action);
  if (isPrivateUseUri(redirectUri)) redirectWith(ctx, redirectUri, fields);
  else pages.renderPostOn(ctx, redirectUri, fields);
}

/**
 * Hands the answer to the window that opened this one, or that has it in a frame, if it is of the origin that the
 * redirect URI is of: OAuth 2.0 Web Message Response Mode section 4.
 */
function handOver(ctx: KoaContextWithOIDC, page: string, pages: ProtocolPages): void {
  const data = /^\s*var data = (\{.*\});$/m.exec(page)?.[1];
  if (data === undefined) throw new Error("the library's web message page has another script than expected");
  const { response, redirect_uri: redirectUri } = JSON.parse(data) as {
    response: Record<string, string>;
    redirect_uri: string;
  };
  // The scheme of an application has no origin that a message could be kept to.
  if (isPrivateUseUri(redirectUri)) redirectWith(ctx, redirectUri, response);
  else pages.renderWebMessage(ctx, new URL(redirectUri).origin, response);
}

/**
 * No form can be posted to the scheme of an application, so there the answer travels as it does by default: OAuth 2.0
 * Multiple Response Type Encoding Practices section 5.
 */
function redirectWith(
  ctx: KoaContextWithOIDC,
  redirectUri: string,
  fields: Readonly<Record<string, string>>,
): void {
  const target = new URL(redirectUri);
  const { response_type: responseType } = ctx.oidc.params ?? {};
  const frontChannel = typeof responseType === 'string' && responseType.includes('token');
  if (frontChannel) target.hash = new URLSearchParams(fields).toString();
  else for (const [name, value] of Object.entries(fields)) target.searchParams.set(name, value);
  ctx.status = 303;
  ctx.redirect(target.href);
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&amp;': '&',
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
};

function unescapeHtml(text: string): string {
  return text.replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity] ?? entity);
}
