import { type DeviceCode, errors, type Provider } from 'oidc-provider';
import { openingAuthorization } from '#src/oidc/authorization-opening.ts';
import { currentRequest, type LibraryModel, teachable } from '#src/oidc/library.ts';
import { DecidedAlready } from '#src/oidc/pending-request-adapter.ts';
import {
  type PendingRequest,
  type PendingRequestDependencies,
  saveApproval,
  teachPolling,
} from '#src/oidc/pending-request-model.ts';
import type { UserCodeThrottle } from '#src/throttle/user-code-throttle.ts';
import type { Seconds } from '#src/units.ts';

export interface DeviceCodeDependencies extends PendingRequestDependencies {
  readonly userCodeThrottle: Pick<UserCodeThrottle, 'admit' | 'recordRight'>;
}

/** More than any user code has, separators included. */
const USER_CODE_LENGTH_MAX = 64;

type Code = DeviceCode & LibraryModel & PendingRequest;

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
  const findByUserCode = DeviceCodes.findByUserCode.bind(DeviceCodes);
  const { save } = DeviceCodes.prototype;
  teachPolling<Code>(DeviceCodes, deps);

  provider.on('device_authorization.success', (_ctx, answer: object) => {
    Object.assign(answer, { interval: deps.pollingInterval });
  });

  DeviceCodes.findByUserCode = async (userCode, options) => {
    if (userCode.length > USER_CODE_LENGTH_MAX) return undefined;
    const admission = await deps.userCodeThrottle.admit(currentRequest().ip);
    if (!admission.admitted) throw new TooManyUserCodes(admission.retryAfter);
    const code = await findByUserCode(userCode, options);
    if (code !== undefined) await deps.userCodeThrottle.recordRight(admission.attempt);
    return code;
  };

  DeviceCodes.prototype.save = async function saveCode(this: Code) {
    const { grantId, error } = this;
    const saveRecord = () => save.call(this);
    if (grantId === undefined) return saveRecord();
    if (error !== undefined) return takeBack(saveRecord);
    const authorization = await openingAuthorization(currentRequest().oidc, this);
    return saveApproval(deps.authorizations, { grantId, authorization }, saveRecord);
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
