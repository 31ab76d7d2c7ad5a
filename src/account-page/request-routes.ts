import Router from '@koa/router';
import type { Context } from 'koa';
import {
  type AccountPageDependencies,
  antiForgeryOf,
  postedAt,
  redirect,
  show,
  visitorAt,
} from '#src/account-page/page-routes.ts';
import type { Visitor } from '#src/account-page/visitor.ts';
import type { DetailTypes } from '#src/authorization-details/detail-type.ts';
import { inWords } from '#src/authorization-details/words.ts';
import {
  type BackchannelRequest,
  type BackchannelRequests,
  shownOf,
} from '#src/backchannel/backchannel-request.ts';
import { assertMethod } from '#src/http/method.ts';
import { field } from '#src/http/request-body.ts';
import { consentGroups } from '#src/interaction/consent-group.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import { minutes, type Seconds, seconds } from '#src/units.ts';

export interface RequestRoutes extends AccountPageDependencies {
  readonly requests: BackchannelRequests;
  readonly resources: Pick<ResourceRegistry, 'findByIndicator'>;
  readonly detailTypes: DetailTypes;
  /** How many requests a person is shown at a time. */
  readonly shownMax: number;
  /** Told of every answer, for the log. */
  readonly onAnswer: (ctx: Context, answer: RequestAnswer) => void;
}

/** `gone`: it had expired, or was answered elsewhere. */
export interface RequestAnswer {
  readonly subject: string;
  readonly clientId: string | null;
  readonly answer: 'approved' | 'denied' | 'gone';
}

const PATH = '/account/requests';

/**
 * The part of a person's account where they answer clients that they use elsewhere: OpenID Connect CIBA section 7.3
 * leaves to the server how it asks them.
 */
export function requestRoutes(deps: RequestRoutes): Router {
  const router = new Router({ prefix: PATH });
  router.get('/', async (ctx) => {
    const visitor = await visitorAt(ctx, deps, 'requests', { fresh: true });
    if (visitor !== null) await showRequests(ctx, deps, visitor);
  });
  router.post('/approve', async (ctx) => {
    const answered = await answeredAt(ctx, deps);
    if (answered === null) return;
    const { visitor, request } = answered;
    const { account, ...signIn } = visitor;
    const session = { ...signIn, subject: account.subject };
    const outcome = request === null ? 'gone' : await deps.requests.approve(request.uid, session);
    goBack(ctx, deps, answered, outcome === 'gone' ? 'gone' : 'approved');
  });
  router.post('/deny', async (ctx) => {
    const answered = await answeredAt(ctx, deps);
    if (answered === null) return;
    const { visitor, request } = answered;
    const outcome =
      request === null ? 'gone' : await deps.requests.deny(request.uid, visitor.account.subject);
    goBack(ctx, deps, answered, outcome === 'gone' ? 'gone' : 'denied');
  });
  router.all('/', (ctx) => assertMethod(ctx, ['GET', 'HEAD']));
  router.all(['/approve', '/deny'], (ctx) => assertMethod(ctx, ['POST']));
  return router;
}

interface Answered {
  readonly visitor: Visitor;
  readonly request: BackchannelRequest | null;
}

/** Who answers which of their requests, having signed in as recently as its client wants; `null` as in `postedAt`. */
async function answeredAt(ctx: Context, deps: RequestRoutes): Promise<Answered | null> {
  const posted = await postedAt(ctx, deps, 'requests');
  if (posted === null) return null;
  const { visitor, form } = posted;
  const wanted = field(form, 'request');
  const request =
    (await deps.requests.waitingFor(visitor.account.subject)).find(({ uid }) => uid === wanted) ?? null;
  const freshSignIn = ageMax(deps, request?.maxAge ?? null);
  const fresh = await visitorAt(ctx, { ...deps, freshSignIn }, 'requests', { fresh: true });
  return fresh === null ? null : { visitor: fresh, request };
}

/** Whatever a client asks for, a person needs a while between signing in and answering. */
const FRESH_FOR_MIN = minutes(1);

const ageMax = ({ freshSignIn }: RequestRoutes, maxAge: Seconds | null) =>
  maxAge === null ? freshSignIn : seconds(Math.min(freshSignIn, Math.max(maxAge, FRESH_FOR_MIN)));

function goBack(
  ctx: Context,
  { onAnswer }: RequestRoutes,
  { visitor, request }: Answered,
  answer: RequestAnswer['answer'],
): void {
  onAnswer(ctx, { subject: visitor.account.subject, clientId: request?.clientId ?? null, answer });
  redirect(ctx, `${PATH}?${answer}`);
}

async function showRequests(ctx: Context, deps: RequestRoutes, visitor: Visitor): Promise<void> {
  const waiting = shownOf(await deps.requests.waitingFor(visitor.account.subject), deps.shownMax);
  const language = deps.locales.choose({ acceptLanguage: ctx.get('accept-language') });
  const requests = waiting.map(async (request) => ({
    id: request.uid,
    clientName: request.clientName,
    clientUri: request.clientUri,
    bindingMessage: request.bindingMessage,
    groups: await consentGroups(request.requested, deps.resources),
    details: request.details.map((detail) => inWords(detail, deps.detailTypes.get(detail.type), language)),
    offline: request.requested.scope.includes('offline_access'),
    askedAt: request.askedAt,
    address: request.address,
  }));
  const answers = ['approved', 'denied', 'gone'] as const;
  show(ctx, deps, 'account-requests', {
    action: `${PATH}/approve`,
    denyAction: `${PATH}/deny`,
    antiForgery: antiForgeryOf(visitor, deps),
    now: deps.clock.now(),
    requests: await Promise.all(requests),
    answer: answers.find((answer) => answer in ctx.query),
  });
}
