import type { ParsedUrlQuery } from 'node:querystring';
import type { Context } from 'koa';
import type { SectionName } from '#src/account-page/section.ts';
import { isFresh, type Visitor, type Visitors } from '#src/account-page/visitor.ts';
import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import type { Locales } from '#src/http/locale.ts';
import type { PageName } from '#src/http/page-names.ts';
import type { PageLocals, Pages } from '#src/http/pages.ts';
import { field, parseForm, readBody } from '#src/http/request-body.ts';
import type { AntiForgery } from '#src/interaction/anti-forgery.ts';
import type { Seconds } from '#src/units.ts';

/** What every page of an account needs. */
export interface AccountPageDependencies {
  readonly visitors: Visitors<Context>;
  readonly antiForgery: AntiForgery;
  readonly pages: Pages;
  readonly locales: Locales;
  readonly clock: Clock;
  /** How old a sign-in may be for what changes something. */
  readonly freshSignIn: Seconds;
  readonly bodyMax: number;
}

/**
 * Who has come to this section. `null`: nobody is signed in, or with `fresh` not recently enough, and the answer leads
 * to the sign-in and back.
 */
export async function visitorAt(
  ctx: Context,
  deps: AccountPageDependencies,
  section: SectionName,
  { fresh = false }: { readonly fresh?: boolean } = {},
): Promise<Visitor | null> {
  const visitor = await deps.visitors.find(ctx);
  if (visitor !== null && (!fresh || isFresh(visitor, deps.clock.now(), deps.freshSignIn))) return visitor;
  redirect(ctx, deps.visitors.signInAddress(section, fresh ? { maxAge: deps.freshSignIn } : {}));
  return null;
}

/**
 * Who has sent a form of this section, and what; `null` as in `visitorAt`, with `fresh`.
 * @throws Refusal `not_a_form`, `body_too_large` or `forged_form`
 */
export async function postedAt(
  ctx: Context,
  deps: AccountPageDependencies,
  section: SectionName,
): Promise<{ visitor: Visitor; form: ParsedUrlQuery } | null> {
  if (!ctx.is('application/x-www-form-urlencoded'))
    throw new Refusal('not_a_form', 'only forms are accepted here');
  const form = parseForm(await readBody(ctx.req, deps.bodyMax));
  const known = await visitorAt(ctx, deps, section);
  if (known === null) return null;
  if (!deps.antiForgery.isTokenFor(formOf(known), field(form, 'csrf'))) {
    throw new Refusal('forged_form', 'the form was not made for this browser, or is too old');
  }
  const visitor = await visitorAt(ctx, deps, section, { fresh: true });
  return visitor === null ? null : { visitor, form };
}

/** The anti-forgery token of every form that this visitor is shown. */
export function antiForgeryOf(visitor: Visitor, { antiForgery }: AccountPageDependencies): string {
  return antiForgery.tokenFor(formOf(visitor));
}

/** Told apart from the identifiers of interactions, whose forms have tokens of the same kind. */
const formOf = ({ sessionUid }: Visitor) => `account:${sessionUid}`;

export function show<Name extends PageName>(
  ctx: Context,
  { pages, locales }: AccountPageDependencies,
  page: Name,
  locals: PageLocals[Name],
): void {
  const language = locales.choose({ acceptLanguage: ctx.get('accept-language') });
  const { html, contentSecurityPolicy } = pages.render(page, locals, { language });
  ctx.set('Content-Security-Policy', contentSecurityPolicy);
  ctx.type = 'html';
  ctx.body = html;
}

/** To another address by GET, whatever this request was: RFC 9110 section 15.4.4. */
export function redirect(ctx: Context, address: string): void {
  ctx.status = 303;
  ctx.redirect(address);
}
