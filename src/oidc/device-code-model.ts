import { type DeviceCode, errors, type Provider } from 'oidc-provider';
import type { AssertAnswerable } from '#src/oidc/assert-answerable.ts';
import { openingAuthorization } from '#src/oidc/authorization-opening.ts';
import { currentRequest, type LibraryModel, teachable } from '#src/oidc/library.ts';
import { DecidedAlready, isUndecided } from '#src/oidc/pending-request-adapter.ts';
import type { PollingPace } from '#src/throttle/polling-pace.ts';
import type { UserCodeThrottle } from '#src/throttle/user-code-throttle.ts';
import type { Authorizations } from '#src/tokens/authorization.ts';
import { type Seconds, seconds } from '#src/units.ts';

export interface DeviceCodeDependencies {
  readonly authorizations: Authorizations;
  readonly pollingPace: Pick<PollingPace, 'poll'>;
  readonly userCodeThrottle: Pick<UserCodeThrottle, 'admit' | 'recordRight'>;
  readonly pollingInterval: Seconds;
  readonly assertAnswerable: AssertAnswerable;
}

/** More than any user code has, separators included. */
const USER_CODE_LENGTH_MAX = 64;

type Code = DeviceCode & LibraryModel & { readonly jti: string; readonly remainingTTL: number };

/** Wrong user codes have come too often, from this address or from everywhere. */
export class TooManyUserCodes extends errors.TemporarilyUnavailable {
  readonly retryAfter: Seconds;

  constructor(retryAfter: Seconds) {
    super('too many wrong codes');
    this.retryAfter = retryAfter;
    this.status = 429;
    this.statusCode = 429;
  }
}

/**
 * Teaches the library that an authorization opens when a person approves a device, that user codes must not be guessed
 * at, and that devices must not poll faster than they were told: RFC 8628 sections 3.5 and 5.1.
 */
export function teachDeviceCodes(provider: Provider, deps: DeviceCodeDependencies): void {
  const DeviceCodes = teachable<Code>(provider.DeviceCode) as ReturnType<typeof teachable<Code>> & {
    findByUserCode(userCode: string, options?: object): Promise<Code | undefined>;
  };
  const library = {
    find: DeviceCodes.find.bind(DeviceCodes),
    findByUserCode: DeviceCodes.findByUserCode.bind(DeviceCodes),
    save: DeviceCodes.prototype.save,
    consume: DeviceCodes.prototype.consume,
  };

  provider.on('device_authorization.success', (_ctx, answer: object) => {
    Object.assign(answer, { interval: deps.pollingInterval });
  });

  DeviceCodes.find = async (value, options) => {
    const code = await library.find(value, options);
    const { route, client } = currentRequest().oidc;
    // What another client holds is refused without a word about its state.
    if (route !== 'token' || code === undefined || code.clientId !== client?.clientId) return code;
    await assertPace(code, deps);
    return code;
  };

  DeviceCodes.findByUserCode = async (userCode, options) => {
    if (userCode.length > USER_CODE_LENGTH_MAX) return undefined;
    const admission = await deps.userCodeThrottle.admit(currentRequest().ip);
    if (!admission.admitted) throw new TooManyUserCodes(admission.retryAfter);
    const code = await library.findByUserCode(userCode, options);
    if (code !== undefined) await deps.userCodeThrottle.recordRight(admission.attempt);
    return code;
  };

  DeviceCodes.prototype.save = async function saveCode(this: Code) {
    const { grantId, error } = this;
    if (grantId === undefined) return library.save.call(this);
    if (error !== undefined) return takeBack(() => library.save.call(this));
    const authorization = await openingAuthorization(currentRequest().oidc, this);
    if (!(await deps.authorizations.open(grantId, authorization)))
      throw new errors.AccessDenied('the session has ended');
    try {
      return await library.save.call(this);
    } catch (problem) {
      // Another browser was faster: what this one has opened is nobody's.
      await deps.authorizations.end(grantId);
      throw problem;
    }
  };

  DeviceCodes.prototype.consume = async function consumeCode(this: Code) {
    // Whatever the request got wrong must be told before the code is used up, else a typing error costs a sign-in.
    if (this.error === undefined) await deps.assertAnswerable(currentRequest(), this);
    await library.consume.call(this);
  };
}

/**
 * Where something goes wrong with an approval, the library has the device told of it, and then tells the person what it
 * was. If the approval stands already, its own or another browser's, only the latter is left to do.
 */
async function takeBack(save: () => Promise<string>): Promise<string> {
  try {
    return await save();
  } catch (problem) {
    if (problem instanceof DecidedAlready) return '';
    throw problem;
  }
}

/** Only what is still undecided is slowed down: nobody has to wait for an answer that is there. */
async function assertPace(code: Code, { pollingPace, pollingInterval }: DeviceCodeDependencies) {
  if (code.isExpired || !isUndecided(code)) return;
  const remaining = seconds(Math.max(1, code.remainingTTL));
  const pace = await pollingPace.poll(`device-code:${code.jti}`, { interval: pollingInterval, remaining });
  if (pace === 'too-soon') throw new errors.SlowDown();
}
