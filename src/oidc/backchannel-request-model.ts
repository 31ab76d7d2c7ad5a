import {
  type AdapterPayload,
  type BackchannelAuthenticationRequest,
  errors,
  type KoaContextWithOIDC,
  type Provider,
} from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import { hintIn, nobody } from '#src/oidc/backchannel-authentication.ts';
import { currentRequest, type LibraryModel, teachable } from '#src/oidc/library.ts';
import {
  type PendingRequest,
  type PendingRequestDependencies,
  teachPolling,
} from '#src/oidc/pending-request-model.ts';
import { newIdentifier, type Random } from '#src/random.ts';
import type { PendingLimit } from '#src/throttle/pending-limit.ts';
import { after, type EpochSeconds, type Seconds, seconds } from '#src/units.ts';

export interface BackchannelRequestDependencies extends PendingRequestDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly pendingLimit: Pick<PendingLimit, 'admit' | 'release'>;
}

/** A backchannel authentication request, and what the library would not remember of it. */
export type BackchannelRequestModel = BackchannelAuthenticationRequest &
  LibraryModel &
  PendingRequest & {
    uid?: string;
    asked?: { readonly at: EpochSeconds; readonly address: string };
  };

/** What is stored of one. */
export type BackchannelPayload = AdapterPayload & Pick<BackchannelRequestModel, 'asked'>;

/** The client has asked for the person too often, or too often without an answer so far. */
class AskedTooOften extends errors.TemporarilyUnavailable {
  readonly retryAfter: Seconds;

  constructor(retryAfter: Seconds) {
    super('too many authentication requests for this person wait, or have been made');
    this.retryAfter = retryAfter;
    this.status = 429;
    this.statusCode = 429;
  }
}

/**
 * Teaches the library that a person must not be asked too often, that a request has a name by which the pages know it,
 * and that clients must not poll faster than they were told: CIBA sections 7 and 11.
 */
export function teachBackchannelRequests(provider: Provider, deps: BackchannelRequestDependencies): void {
  const Model = teachable<BackchannelRequestModel>(provider.BackchannelAuthenticationRequest);
  const { save } = Model.prototype;
  const kept = (Model as unknown as { IN_PAYLOAD: readonly string[] }).IN_PAYLOAD;
  Object.defineProperty(Model, 'IN_PAYLOAD', { get: () => [...kept, 'uid', 'asked'] });
  teachPolling<BackchannelRequestModel>(Model, deps);

  Model.prototype.save = async function saveRequest(this: BackchannelRequestModel) {
    if (this.uid !== undefined) return save.call(this);
    this.uid = newIdentifier(deps.random);
    await admit(this, currentRequest(), deps);
    try {
      return await save.call(this);
    } catch (problem) {
      await deps.pendingLimit.release(this.uid);
      throw problem;
    }
  };
}

async function admit(
  request: BackchannelRequestModel,
  ctx: KoaContextWithOIDC,
  { clock, pendingLimit }: BackchannelRequestDependencies,
): Promise<void> {
  const now = clock.now();
  const subject = request.accountId as string;
  request.asked = { at: now, address: ctx.ip };
  const admission = await pendingLimit.admit({
    id: request.uid as string,
    subject,
    hint: hintIn(ctx.oidc.params ?? {}, subject),
    clientId: request.clientId as string,
    until: after(now, seconds(request.remainingTTL)),
  });
  if (!admission.admitted) throw new AskedTooOften(admission.retryAfter);
  if (!admission.reachesPerson) request.accountId = nobody(subject);
}
