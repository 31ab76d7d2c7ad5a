import Router from '@koa/router';
import type { Context } from 'koa';
import { type ApplicationPorts, applicationsOf, revokeApplication } from '#src/account-page/application.ts';
import {
  changePassword,
  type PasswordChangeOutcome,
  type PasswordChangePorts,
} from '#src/account-page/change-password.ts';
import {
  type AccountPageDependencies,
  antiForgeryOf,
  postedAt,
  redirect,
  show,
  visitorAt,
} from '#src/account-page/page-routes.ts';
import { pathOf } from '#src/account-page/section.ts';
import type { Visitor } from '#src/account-page/visitor.ts';
import { signInTime } from '#src/accounts/account.ts';
import type { AccountRegistry } from '#src/accounts/account-registry.ts';
import { Refusal } from '#src/fault.ts';
import { assertMethod } from '#src/http/method.ts';
import type { PageLocals } from '#src/http/pages.ts';
import { field } from '#src/http/request-body.ts';
import { consentGroups } from '#src/interaction/consent-group.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import type { Sessions } from '#src/sessions/sessions.ts';

export interface AccountRoutes extends AccountPageDependencies, ApplicationPorts, PasswordChangePorts {
  readonly accounts: Pick<AccountRegistry, 'authenticate' | 'findBySubject' | 'setPassword'>;
  readonly sessions: Pick<Sessions, 'listOf' | 'endOf' | 'endAllOf' | 'dismissAllOf'>;
  readonly resources: Pick<ResourceRegistry, 'findByIndicator'>;
  readonly passwordLimits: { readonly minLength: number; readonly maxLength: number };
  /** What a client calls itself, and its page; `null` if it is not there any more. */
  describeClient(clientId: string): Promise<{ name: string; uri: string | undefined } | null>;
  /** Told of what people change, for the log. */
  readonly onChange: (ctx: Context, subject: string, change: string) => void;
}

/** The page of a person's own account: where they are signed in, which applications have access, their password. */
export function accountRoutes(deps: AccountRoutes): Router {
  const router = new Router({ prefix: '/account' });
  router.get('/', async (ctx) => {
    const visitor = await visitorAt(ctx, deps, 'overview');
    if (visitor !== null) showOverview(ctx, deps, visitor);
  });
  // The session is what counts. The code that comes along is left to expire.
  router.get('/signed-in', async (ctx) => {
    if (typeof ctx.query.error === 'string') return redirect(ctx, '/');
    if ((await deps.visitors.find(ctx)) === null)
      throw new Refusal('interaction_ended', 'nobody is signed in');
    redirect(ctx, pathOf(String(ctx.query.state)));
  });
  sessionRoutes(router, deps);
  applicationRoutes(router, deps);
  passwordRoutes(router, deps);
  router.all(['/', '/signed-in', '/sessions', '/applications'], (ctx) => assertMethod(ctx, ['GET', 'HEAD']));
  router.all('/password', (ctx) => assertMethod(ctx, ['GET', 'HEAD', 'POST']));
  router.all(['/sessions/end', '/sessions/end-others', '/applications/revoke'], (ctx) =>
    assertMethod(ctx, ['POST']),
  );
  return router;
}

function showOverview(ctx: Context, deps: AccountRoutes, { account }: Visitor): void {
  const { username, email, displayName } = account;
  show(ctx, deps, 'account', {
    accountName: displayName ?? username,
    username,
    email: email ?? undefined,
    displayName: displayName ?? undefined,
  });
}

function sessionRoutes(router: Router, deps: AccountRoutes): void {
  router.get('/sessions', async (ctx) => {
    const visitor = await visitorAt(ctx, deps, 'sessions');
    if (visitor !== null) await showSessions(ctx, deps, visitor);
  });
  router.post('/sessions/end', async (ctx) => {
    const posted = await postedAt(ctx, deps, 'sessions');
    if (posted === null) return;
    const { subject } = posted.visitor.account;
    // Among the person's own: the identifier alone gives no right to end a session.
    await deps.sessions.endOf(subject, field(posted.form, 'session'));
    deps.onChange(ctx, subject, 'ended a session');
    redirect(ctx, '/account/sessions?done');
  });
  router.post('/sessions/end-others', async (ctx) => {
    const posted = await postedAt(ctx, deps, 'sessions');
    if (posted === null) return;
    const { account, sessionUid } = posted.visitor;
    await deps.sessions.endAllOf(account.subject, { except: sessionUid });
    deps.onChange(ctx, account.subject, 'ended all other sessions');
    redirect(ctx, '/account/sessions?done');
  });
}

async function showSessions(ctx: Context, deps: AccountRoutes, visitor: Visitor): Promise<void> {
  const sessions = await deps.sessions.listOf(visitor.account.subject);
  const locals = sessions.map(({ uid, signedInAt, seen }) => ({
    id: uid,
    current: uid === visitor.sessionUid,
    browser: seen?.browser.name ?? undefined,
    system: seen?.browser.system ?? undefined,
    network: seen?.network ?? undefined,
    signedInAt,
    lastUsedAt: seen?.at ?? signedInAt,
  }));
  show(ctx, deps, 'account-sessions', {
    action: '/account/sessions/end',
    othersAction: '/account/sessions/end-others',
    antiForgery: antiForgeryOf(visitor, deps),
    now: deps.clock.now(),
    sessions: locals.toSorted((a, b) => Number(b.current) - Number(a.current)),
    done: 'done' in ctx.query,
  });
}

function applicationRoutes(router: Router, deps: AccountRoutes): void {
  router.get('/applications', async (ctx) => {
    const visitor = await visitorAt(ctx, deps, 'applications');
    if (visitor !== null) await showApplications(ctx, deps, visitor);
  });
  router.post('/applications/revoke', async (ctx) => {
    const posted = await postedAt(ctx, deps, 'applications');
    if (posted === null) return;
    const { subject } = posted.visitor.account;
    const wanted = field(posted.form, 'client');
    const applications = await applicationsOf(deps, posted.visitor.account);
    const clientId = applications.find((each) => each.clientId === wanted)?.clientId;
    if (clientId !== undefined) {
      await revokeApplication(deps, subject, clientId);
      deps.onChange(ctx, subject, `took access away from ${JSON.stringify(clientId)}`);
    }
    redirect(ctx, '/account/applications?done');
  });
}

async function showApplications(ctx: Context, deps: AccountRoutes, visitor: Visitor): Promise<void> {
  const applications = await Promise.all(
    (await applicationsOf(deps, visitor.account)).map(async ({ clientId, consent, offline, lastUsedAt }) => {
      const client = await deps.describeClient(clientId);
      return {
        clientId,
        clientName: client?.name ?? clientId,
        clientUri: client?.uri,
        groups: consent === null ? [] : await consentGroups(consent, deps.resources),
        offline,
        lastUsedAt: lastUsedAt ?? undefined,
      };
    }),
  );
  show(ctx, deps, 'account-applications', {
    action: '/account/applications/revoke',
    antiForgery: antiForgeryOf(visitor, deps),
    now: deps.clock.now(),
    applications,
    done: 'done' in ctx.query,
  });
}

function passwordRoutes(router: Router, deps: AccountRoutes): void {
  router.get('/password', async (ctx) => {
    const visitor = await visitorAt(ctx, deps, 'password', { fresh: true });
    if (visitor !== null) showPassword(ctx, deps, visitor, { done: 'done' in ctx.query });
  });
  router.post('/password', async (ctx) => {
    const posted = await postedAt(ctx, deps, 'password');
    if (posted === null) return;
    const { visitor, form } = posted;
    const outcome = await changePassword(deps, visitor, {
      current: field(form, 'current'),
      wanted: field(form, 'new'),
      repeated: field(form, 'repeat'),
      address: ctx.ip,
    });
    const { subject } = visitor.account;
    if (outcome.outcome !== 'changed') return refusePassword(ctx, deps, visitor, outcome);
    deps.onChange(ctx, subject, 'changed the password');
    await stayIn(ctx, deps, visitor);
    redirect(ctx, '/account/password?done');
  });
}

/** The password that was just shown is a sign-in as good as any, and the one before has ended with all the others. */
async function stayIn(ctx: Context, deps: AccountRoutes, visitor: Visitor): Promise<void> {
  const account = await deps.accounts.findBySubject(visitor.account.subject);
  if (account?.state !== 'active') return;
  const signedInAt = signInTime(account, deps.clock.now());
  await deps.visitors.renew(ctx, { ...visitor, account, signedInAt, acr: deps.passwordAcr, amr: ['pwd'] });
}

/** How soon to come back when too many passwords wait to be hashed, in seconds. */
const OVERLOAD_RETRY_AFTER_S = 5;

const STATUS: Readonly<Record<string, number>> = { refused: 401, throttled: 429, overloaded: 503 };

function refusePassword(
  ctx: Context,
  deps: AccountRoutes,
  visitor: Visitor,
  refusal: Exclude<PasswordChangeOutcome, { outcome: 'changed' }>,
): void {
  const { outcome } = refusal;
  const { minLength, maxLength } = deps.passwordLimits;
  const limits: Readonly<Record<string, number>> = {
    password_too_short: minLength,
    password_too_long: maxLength,
  };
  ctx.status = STATUS[outcome] ?? 400;
  if (outcome === 'overloaded') ctx.set('Retry-After', String(OVERLOAD_RETRY_AFTER_S));
  if (refusal.outcome === 'throttled') ctx.set('Retry-After', String(refusal.retryAfter));
  showPassword(ctx, deps, visitor, {
    problem: outcome,
    charactersLimit: limits[outcome],
    ...(refusal.outcome === 'throttled' && { retryAfterMinutes: Math.ceil(refusal.retryAfter / 60) }),
  });
}

function showPassword(
  ctx: Context,
  deps: AccountRoutes,
  visitor: Visitor,
  more: Partial<PageLocals['account-password']>,
): void {
  show(ctx, deps, 'account-password', {
    action: '/account/password',
    antiForgery: antiForgeryOf(visitor, deps),
    username: visitor.account.username,
    ...more,
  });
}
