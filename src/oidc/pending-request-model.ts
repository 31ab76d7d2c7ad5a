import { errors } from 'oidc-provider';
import type { AssertAnswerable } from '#src/oidc/assert-answerable.ts';
import {
  currentRequest,
  type LibraryModel,
  requestUnderWay,
  type TeachableModel,
} from '#src/oidc/library.ts';
import { isUndecided } from '#src/oidc/pending-request-adapter.ts';
import type { PollingPace } from '#src/throttle/polling-pace.ts';
import type { Authorization, Authorizations } from '#src/tokens/authorization.ts';
import { type Seconds, seconds } from '#src/units.ts';

/** What the library's device codes and backchannel authentication requests have in common. */
export interface PendingRequest extends LibraryModel {
  readonly jti: string;
  readonly clientId?: string | undefined;
  readonly grantId?: string | undefined;
  readonly error?: string | undefined;
  readonly isExpired: boolean;
  readonly remainingTTL: number;
  readonly resourceIndicators: ReadonlySet<string | undefined>;
  readonly scopes: Set<string>;
  consume(): Promise<void>;
}

export interface PendingRequestDependencies {
  readonly authorizations: Authorizations;
  readonly pollingPace: Pick<PollingPace, 'poll'>;
  readonly pollingInterval: Seconds;
  readonly assertAnswerable: AssertAnswerable;
}

/** Teaches that clients must not poll faster than they were told, and that what a poll gets wrong costs nothing. */
export function teachPolling<Instance extends PendingRequest>(
  model: TeachableModel<Instance>,
  { pollingPace, pollingInterval, assertAnswerable }: PendingRequestDependencies,
): void {
  const find = model.find.bind(model);
  const { consume } = model.prototype;

  model.find = async (value, options) => {
    const request = await find(value, options);
    const oidc = requestUnderWay()?.oidc;
    // What another client holds is refused without a word about its state.
    if (oidc?.route !== 'token' || request?.clientId !== oidc.client?.clientId) return request;
    // Only what is still undecided is slowed down: nobody has to wait for an answer that is there.
    if (request === undefined || request.isExpired || !isUndecided(request)) return request;
    const remaining = seconds(Math.max(1, request.remainingTTL));
    const pace = await pollingPace.poll(request.jti, { interval: pollingInterval, remaining });
    if (pace === 'too-soon') throw new errors.SlowDown();
    return request;
  };

  model.prototype.consume = async function consumeOnce(this: Instance) {
    // Whatever the request got wrong must be told before the code is used up, else a typing error costs a sign-in.
    if (this.error === undefined) await assertAnswerable(currentRequest(), this);
    await consume.call(this);
  };
}

/**
 * Opens the authorization of a person who has approved, and saves what carries it to the client. Nothing can be
 * redeemed that has no authorization, and what was opened for someone who came second is nobody's.
 * @throws errors.AccessDenied, DecidedAlready
 */
export async function saveApproval<T>(
  authorizations: Pick<Authorizations, 'open' | 'end'>,
  { grantId, authorization }: { grantId: string; authorization: Authorization },
  save: () => Promise<T>,
): Promise<T> {
  if (!(await authorizations.open(grantId, authorization)))
    throw new errors.AccessDenied('the session has ended');
  try {
    return await save();
  } catch (problem) {
    await authorizations.end(grantId);
    throw problem;
  }
}
