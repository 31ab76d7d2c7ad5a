import type { AuthorizationDetail } from '#src/authorization-details/detail.ts';
import type { Consent } from '#src/interaction/consent.ts';
import type { EpochSeconds, Seconds } from '#src/units.ts';

/**
 * What a client asks of a person who is somewhere else: OpenID Connect Client-Initiated Backchannel Authentication
 * (CIBA) section 7. The person answers on a page of their account.
 */
export interface BackchannelRequest {
  /** Names it in addresses. Nothing can be redeemed by it. */
  readonly uid: string;
  readonly clientId: string;
  readonly clientName: string;
  readonly clientUri: string | undefined;
  /** What the person also sees where the client is. */
  readonly bindingMessage: string | undefined;
  readonly requested: Consent;
  /** What it asks for in detail: RFC 9396. */
  readonly details: readonly AuthorizationDetail[];
  readonly askedAt: EpochSeconds;
  /** Where it came from, which is the client's server. */
  readonly address: string;
  /** How long ago the sign-in may be that answers it; `null` if the client does not say. */
  readonly maxAge: Seconds | null;
}

/** The sign-in in which a person answers. */
export interface AnsweringSession {
  readonly subject: string;
  readonly sessionUid: string;
  readonly signedInAt: EpochSeconds;
  readonly acr: string | undefined;
  readonly amr: readonly string[] | undefined;
}

/** `gone`: it has expired, or was answered before. */
export type AnswerOutcome = 'answered' | 'gone';

/** Where requests come from and where answers go. */
export interface BackchannelRequests {
  /** All that waits for an answer of this person, the oldest first. */
  waitingFor(subject: string): Promise<readonly BackchannelRequest[]>;

  /** Approves a request of the person whose session it is. Of any number of answers one counts. */
  approve(uid: string, session: AnsweringSession): Promise<AnswerOutcome>;

  /** Refuses a request of this person. */
  deny(uid: string, subject: string): Promise<AnswerOutcome>;
}

/**
 * Which of the requests that wait, the oldest first, a person is shown: no more than so many, and the first of every
 * client before the second of any, so that no client keeps the others away.
 */
export function shownOf<Request extends Pick<BackchannelRequest, 'clientId'>>(
  waiting: readonly Request[],
  most: number,
): readonly Request[] {
  const ofClient = Map.groupBy(waiting, ({ clientId }) => clientId);
  const turnOf = (request: Request) => ofClient.get(request.clientId)?.indexOf(request) ?? 0;
  const chosen = new Set(waiting.toSorted((one, other) => turnOf(one) - turnOf(other)).slice(0, most));
  return waiting.filter((request) => chosen.has(request));
}

export const BINDING_MESSAGE_LENGTH_MAX = 64;

/** Visible text on one line: no control, format or separator characters, which could make it look like another. */
const BINDING_MESSAGE = /^[^\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}]+$/u;

/** Whether a binding message can be shown as it is: CIBA section 7.1. */
export function isBindingMessage(text: string): boolean {
  return text.trim() !== '' && [...text].length <= BINDING_MESSAGE_LENGTH_MAX && BINDING_MESSAGE.test(text);
}
