import Router from '@koa/router';
import type { Context } from 'koa';
import type { AccountRegistry } from '#src/accounts/account-registry.ts';
import type { DetailTypes } from '#src/authorization-details/detail-type.ts';
import { inWords } from '#src/authorization-details/words.ts';
import type { ClientLogos } from '#src/clients/client-logos.ts';
import { Refusal } from '#src/fault.ts';
import type { Locales } from '#src/http/locale.ts';
import { assertMethod } from '#src/http/method.ts';
import type { PageName } from '#src/http/page-names.ts';
import type { ClientLocals } from '#src/http/page-parts.ts';
import type { PageLocals, Pages, UnverifiedClient } from '#src/http/pages.ts';
import { field, parseForm, readBody } from '#src/http/request-body.ts';
import type { AntiForgery } from '#src/interaction/anti-forgery.ts';
import type { Consents } from '#src/interaction/consent.ts';
import { consentGroups } from '#src/interaction/consent-group.ts';
import type { Answer, Interaction, Interactions } from '#src/interaction/interaction.ts';
import { type SignInOutcome, type SignInPorts, signIn } from '#src/interaction/sign-in.ts';
import { dueStep } from '#src/interaction/step.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';

export interface InteractionRoutes extends SignInPorts {
  readonly interactions: Interactions<Context>;
  readonly accounts: Pick<AccountRegistry, 'authenticate' | 'findBySubject'>;
  readonly consents: Consents;
  readonly resources: Pick<ResourceRegistry, 'findByIndicator'>;
  readonly detailTypes: DetailTypes;
  readonly antiForgery: AntiForgery;
  readonly logos: Pick<ClientLogos, 'find' | 'isAtHand'>;
  readonly pages: Pages;
  readonly locales: Locales;
  readonly bodyMax: number;
  /** Told of every attempt to sign in, for the log. */
  readonly onSignIn: (ctx: Context, clientId: string, outcome: SignInOutcome) => void;
}

/**
 * The pages between an authorization request and its answer. Every address leads to the page that is due now, and
 * every form leads back to the protocol, so going back, reloading and sending twice do no harm.
 */
export function interactionRoutes(deps: InteractionRoutes): Router {
  const router = new Router({ prefix: '/interaction/:uid' });

  // A form that is answered with a page leaves its own address in the browser, which may be opened again.
  router.get(['/', ...FORMS], async (ctx) => {
    const interaction = await found(ctx, deps);
    const { step } = dueStep(interaction);
    if (step === 'sign-in') return showSignIn(ctx, interaction, deps, { login: interaction.loginHint });
    if (step === 'select-account') return showAccount(ctx, interaction, deps);
    if (step === 'consent') return showConsent(ctx, interaction, deps);
    return goOn(ctx, deps, { answer: 'denied', description: 'this server has no page for what was asked' });
  });

  router.get('/logo', async (ctx) => {
    const { says } = await found(ctx, deps);
    const logo = says.logoUri === undefined ? null : await deps.logos.find(says.logoUri, ctx.ip);
    if (logo === null) return;
    ctx.set('Content-Security-Policy', "default-src 'none'; sandbox; frame-ancestors 'none'");
    ctx.type = logo.type;
    ctx.body = logo.bytes;
  });

  router.post('/sign-in', async (ctx) => {
    const { interaction, form } = await posted(ctx, deps);
    if (dueStep(interaction).step !== 'sign-in') return ctx.redirect(`/interaction/${interaction.uid}`);
    const login = field(form, 'login');
    const outcome = await signIn(deps, { login, password: field(form, 'password'), address: ctx.ip });
    deps.onSignIn(ctx, interaction.clientId, outcome);
    if (outcome.outcome === 'signed-in') return goOn(ctx, deps, outcome.answer);
    return refuseSignIn(ctx, interaction, deps, login, outcome);
  });

  router.post('/consent', async (ctx) => {
    const { interaction } = await posted(ctx, deps);
    const due = dueStep(interaction);
    if (due.step !== 'consent') return ctx.redirect(`/interaction/${interaction.uid}`);
    // What is agreed to is remembered, also where the account has been locked since the page was shown.
    await activeAccount(interaction, deps);
    await deps.consents.remember(due.subject, interaction.clientId, interaction.requested);
    return goOn(ctx, deps, { answer: 'consented' });
  });

  router.post('/select-account', async (ctx) => {
    const { interaction } = await posted(ctx, deps);
    if (dueStep(interaction).step !== 'select-account')
      return ctx.redirect(`/interaction/${interaction.uid}`);
    return goOn(ctx, deps, { answer: 'account-selected' });
  });

  router.post('/switch', async (ctx) => {
    await posted(ctx, deps);
    const next = await deps.interactions.askWhoIsThere(ctx);
    if (next === null) throw over();
    ctx.status = 303;
    ctx.redirect(next);
  });

  router.post('/cancel', async (ctx) => {
    await posted(ctx, deps);
    return goOn(ctx, deps, { answer: 'denied', description: 'the person declined' });
  });

  router.all(['/', '/logo'], (ctx) => assertMethod(ctx, ['GET', 'HEAD']));
  router.all(FORMS, (ctx) => assertMethod(ctx, ['GET', 'HEAD', 'POST']));
  return router;
}

/** Where the forms of the pages go. */
const FORMS = ['/sign-in', '/select-account', '/consent', '/switch', '/cancel'];

const over = () => new Refusal('interaction_ended', 'this step has been completed already, or has expired');

/** The interaction that the address names, if it is this browser's. @throws Refusal `interaction_ended` */
async function found(ctx: Context, { interactions }: InteractionRoutes): Promise<Interaction> {
  const interaction = await interactions.find(ctx);
  if (interaction === null || interaction.uid !== ctx.params.uid) throw over();
  return interaction;
}

/** A form of ours. @throws Refusal `interaction_ended`, `forged_form`, `body_too_large` or `not_a_form` */
async function posted(ctx: Context, deps: InteractionRoutes) {
  if (!ctx.is('application/x-www-form-urlencoded'))
    throw new Refusal('not_a_form', 'only forms are accepted here');
  const form = parseForm(await readBody(ctx.req, deps.bodyMax));
  const interaction = await found(ctx, deps);
  if (!deps.antiForgery.isTokenFor(interaction.uid, field(form, 'csrf'))) {
    throw new Refusal('forged_form', 'the form was not made for this browser, or is too old');
  }
  return { interaction, form };
}

async function goOn(ctx: Context, deps: InteractionRoutes, answer: Answer) {
  const next = await deps.interactions.answer(ctx, answer);
  if (next === null) throw over();
  ctx.status = 303;
  ctx.redirect(next);
}

async function showSignIn(
  ctx: Context,
  interaction: Interaction,
  deps: InteractionRoutes,
  rest: Partial<Pick<PageLocals['sign-in'], 'login' | 'problem' | 'retryAfterMinutes'>>,
): Promise<void> {
  show(ctx, interaction, deps, 'sign-in', {
    ...(await clientLocals(ctx, interaction, deps)),
    action: `/interaction/${interaction.uid}/sign-in`,
    cancelAction: `/interaction/${interaction.uid}/cancel`,
    antiForgery: deps.antiForgery.tokenFor(interaction.uid),
    ...rest,
  });
}

const SIGN_IN_REFUSAL_STATUS = { missing: 400, refused: 401, throttled: 429, overloaded: 503 } as const;

/** How soon to come back when too many passwords wait to be hashed, in seconds. */
const OVERLOAD_RETRY_AFTER_S = 5;

async function refuseSignIn(
  ctx: Context,
  interaction: Interaction,
  deps: InteractionRoutes,
  login: string,
  refusal: Exclude<SignInOutcome, { outcome: 'signed-in' }>,
): Promise<void> {
  const { outcome } = refusal;
  if (outcome === 'throttled') ctx.set('Retry-After', String(refusal.retryAfter));
  if (outcome === 'overloaded') ctx.set('Retry-After', String(OVERLOAD_RETRY_AFTER_S));
  const retry =
    outcome === 'throttled' ? { retryAfterMinutes: Math.ceil(refusal.retryAfter / 60) } : undefined;
  ctx.status = SIGN_IN_REFUSAL_STATUS[outcome];
  return showSignIn(ctx, interaction, deps, { login, problem: outcome, ...retry });
}

/** Whom the browser is signed in as. @throws Refusal `interaction_ended` */
async function activeAccount({ subject }: Interaction, { accounts }: InteractionRoutes) {
  const account = subject === null ? null : await accounts.findBySubject(subject);
  if (account?.state !== 'active') throw over();
  return account;
}

async function showAccount(ctx: Context, interaction: Interaction, deps: InteractionRoutes): Promise<void> {
  const { uid } = interaction;
  const account = await activeAccount(interaction, deps);
  show(ctx, interaction, deps, 'select-account', {
    ...(await clientLocals(ctx, interaction, deps)),
    accountName: account.displayName ?? account.username,
    action: `/interaction/${uid}/select-account`,
    switchAction: `/interaction/${uid}/switch`,
    cancelAction: `/interaction/${uid}/cancel`,
    antiForgery: deps.antiForgery.tokenFor(uid),
  });
}

async function showConsent(ctx: Context, interaction: Interaction, deps: InteractionRoutes): Promise<void> {
  const { requested, uid } = interaction;
  const account = await activeAccount(interaction, deps);
  const language = languageFor(ctx, interaction, deps);
  show(ctx, interaction, deps, 'consent', {
    ...(await clientLocals(ctx, interaction, deps)),
    ...(interaction.vouchedBy === 'administrator'
      ? undefined
      : { unverified: unverifiedClient(interaction) }),
    accountName: account.displayName ?? account.username,
    action: `/interaction/${uid}/consent`,
    cancelAction: `/interaction/${uid}/cancel`,
    switchAction: `/interaction/${uid}/switch`,
    antiForgery: deps.antiForgery.tokenFor(uid),
    groups: await consentGroups(requested, deps.resources),
    details: interaction.details.map((detail) =>
      inWords(detail, deps.detailTypes.get(detail.type), language),
    ),
    offline: requested.scope.includes('offline_access'),
  });
}

/** Who asks. A client that nobody here has looked at may say that its home is anywhere, so that stands apart. */
async function clientLocals(
  ctx: Context,
  { uid, clientName, clientUri, vouchedBy, says }: Interaction,
  { logos }: InteractionRoutes,
): Promise<ClientLocals> {
  const { logoUri, policyUri, tosUri } = says;
  const website = claimedHome(vouchedBy, says.clientUri);
  const hasLogo = logoUri !== undefined && (await logos.isAtHand(logoUri, ctx.ip));
  return {
    clientName,
    clientUri,
    logo: hasLogo ? `/interaction/${uid}/logo` : undefined,
    links: { website, policy: policyUri, terms: tosUri },
    claimed: vouchedBy !== 'administrator',
  };
}

/**
 * The home that a client says it has, where nobody has checked that: none of the administrators', whose clients have it
 * beside their name, and for a client that is known by a host none elsewhere, which could only mislead.
 */
function claimedHome(vouchedBy: Interaction['vouchedBy'], clientUri: string | undefined): string | undefined {
  if (vouchedBy === 'administrator' || clientUri === undefined) return undefined;
  return vouchedBy === 'nobody' || new URL(clientUri).host === vouchedBy.host ? clientUri : undefined;
}

function unverifiedClient({ vouchedBy, redirectUri }: Interaction): UnverifiedClient {
  return {
    knownBy: typeof vouchedBy === 'string' ? null : vouchedBy.host,
    sentTo: whereTo(redirectUri),
  };
}

/** Whose server a person is sent to; `device` for a program on the device; `null` where nobody is sent anywhere. */
function whereTo(redirectUri: string | null): string | 'device' | null {
  if (redirectUri === null) return null;
  const { protocol, host } = new URL(redirectUri);
  return protocol === 'https:' ? host : 'device';
}

function show<Name extends PageName>(
  ctx: Context,
  interaction: Interaction,
  deps: InteractionRoutes,
  page: Name,
  locals: PageLocals[Name],
): void {
  const language = languageFor(ctx, interaction, deps);
  // The last redirect after the form leads to the client, and browsers hold the form's policy against that too.
  const { html, contentSecurityPolicy } = deps.pages.render(page, locals, {
    language,
    formActionOrigins: interaction.redirectUri === null ? [] : [interaction.redirectUri],
  });
  ctx.set('Content-Security-Policy', contentSecurityPolicy);
  ctx.type = 'html';
  ctx.body = html;
}

function languageFor(ctx: Context, { uiLocales }: Interaction, { locales }: InteractionRoutes): string {
  return locales.choose({ uiLocales, acceptLanguage: ctx.get('accept-language') });
}
