import type { Context } from 'koa';
import type { Logger } from 'pino';
import type { RequestRoutes } from '#src/account-page/request-routes.ts';
import type { AccountRoutes } from '#src/account-page/routes.ts';
import type { ClientLogosOptions } from '#src/clients/client-logos.ts';
import { Refusal, type SigningFault } from '#src/fault.ts';
import type { ClockFinding } from '#src/fleet/server-node.ts';
import type { ShedReason } from '#src/http/admission.ts';
import type { InteractionRoutes } from '#src/interaction/routes.ts';
import type { LackedKey } from '#src/jwks-readers/readiness-gate.ts';
import type { OnProblem, ProblematicRequest } from '#src/oidc/problem.ts';
import type { ProtocolOptions } from '#src/oidc/protocol.ts';
import type { ProviderDependencies } from '#src/oidc/provider-dependencies.ts';
import type { Attempt } from '#src/outbox/dispatcher.ts';
import type { RegistrationRoutes } from '#src/registration/routes.ts';
import type { ResealStepDone } from '#src/sealing/resealing.ts';
import type { Services } from '#src/services.ts';

/** What happens in a server that somebody may want to know later. */
export interface ServerEvents
  extends Pick<
      ProviderDependencies,
      'onCodeIssued' | 'onReuse' | 'onRetry' | 'onExchange' | 'onAssertion' | 'onBackchannelRequest'
    >,
    Pick<InteractionRoutes, 'onSignIn'>,
    Pick<RegistrationRoutes, 'onRegistration' | 'onRefusal'> {
  readonly onAccountChange: AccountRoutes['onChange'];
  readonly onBackchannelAnswer: RequestRoutes['onAnswer'];
  readonly onClock: (finding: ClockFinding, state: 'apart' | 'together') => void;
  readonly onLogoUnavailable: ClientLogosOptions['onUnavailable'];
  readonly onDelivery: (attempt: Attempt) => void;
  /** A key that is to sign soon has not been fetched by everyone. */
  readonly onKeyLacked: (lacked: LackedKey) => void;
  readonly onKekCurrent: (kekId: string) => void;
  readonly onKekFileGone: (kekId: string) => void;
  readonly onKeysChanged: (steps: readonly unknown[]) => void;
  /** The token with the signing keys went away; it is looked for again. */
  readonly onTokenAway: (fault: SigningFault) => void;
  readonly onTokenBack: () => void;
  readonly onReseal: (step: ResealStepDone) => void;
  readonly onStoreFinding: (finding: StoreFinding) => void;
  readonly onTlsRenewed: () => void;
  readonly onTlsFault: (fault: Error) => void;
  /** Work that no request waits for. */
  readonly onFault: (error: unknown) => void;
  readonly onUseNotNoted: (error: unknown) => void;
  readonly onRequestFault: (ctx: Context, error: unknown) => void;
  readonly onUnsent: (error: unknown) => void;
  /** Whatever the protocol refused, and every fault in it. */
  readonly onProblem: OnProblem;
  /** Whatever was refused elsewhere, by the error that the caller is told. */
  readonly onRefused: (ctx: Context, error: string) => void;
  readonly onTokenIssued: ProviderDependencies['onClientUsed'];
  /** Requests were turned away since the server has too much to do. Told of some of them, with how many there were. */
  readonly onShed: (reason: ShedReason, count: number) => void;
  readonly onIntrospected: ProtocolOptions['onIntrospected'];
  readonly onUserinfo: ProtocolOptions['onUserinfo'];
}

type StoreFinding = Awaited<ReturnType<Services['store']['examine']>>[number];

/** Writes events down. Nothing that is written says what a request carried. */
export function logEvents(log: Logger): ServerEvents {
  return {
    onFault: (error) => log.error({ err: error }, 'background work failed and will be tried again'),
    onRequestFault: (ctx, error) =>
      log.error({ err: error, requestId: ctx.state.requestId }, 'request failed'),
    onUnsent: (error) => log.warn({ err: error }, 'a response could not be sent'),
    onUseNotNoted: (error) => log.error({ err: error }, 'the use of a client was not noted'),
    onKeyLacked: ({ alg, kid, due, heldUntil, lackedBy }) =>
      log.warn(
        {
          alg,
          kid,
          due,
          heldUntil,
          lackedBy: lackedBy.map(({ resourceServer }) => resourceServer.identifier),
        },
        heldUntil === null
          ? 'the next signing key is due, although resource servers have not fetched it'
          : 'the next signing key waits for resource servers that have not fetched it',
      ),
    onKeysChanged: (steps) => log.info({ steps }, 'signing keys changed'),
    onTokenAway: (fault) => log.error({ err: fault }, 'the token of the signing keys is away'),
    onTokenBack: () => log.info('the token of the signing keys is back'),
    onStoreFinding: ({ subject, state, says, remedy }) =>
      state === 'well' ? undefined : log.warn({ subject, remedy }, says),
    onTlsRenewed: () => log.info('the files of TLS have changed and are in use'),
    onTlsFault: (fault) => log.error({ err: fault }, 'the files of TLS have changed and are of no use'),
    onClock: ({ of, name, by }, state) =>
      state === 'apart'
        ? log.warn({ of, name, seconds: by }, 'a clock is further from ours than it may be')
        : log.info({ of, name }, 'a clock is no longer too far from ours'),
    onKekCurrent: (kek) => log.info({ kek }, 'another key-encryption key has become current'),
    onKekFileGone: (kek) => log.error({ kek }, 'the file of a key-encryption key that records need is gone'),
    onReseal: (step) => logReseal(log, step),
    onDelivery: (attempt) => {
      const fine = attempt.outcome === 'delivered' || attempt.outcome === 'unwanted';
      log[fine ? 'info' : 'warn'](attempt, 'delivery');
    },
    onLogoUnavailable: (logo, reason) =>
      log.info({ logo, reason: String(reason) }, 'the logo of a client is not shown'),
    onRetry: (detail) => log.debug(detail, 'a used refresh token came back in time for the same successor'),
    onReuse: (detail) => log.warn(detail, 'a used refresh token came back, its family has ended'),
    onExchange: (detail) => log.info(detail, 'token exchanged'),
    onAssertion: (detail) => log.info(detail, 'assertion taken for a token'),
    onBackchannelRequest: (notice) => log.info(notice, 'backchannel authentication request'),
    onBackchannelAnswer: (ctx, answer) =>
      log.info({ ...whence(ctx), ...answer }, 'backchannel authentication answered'),
    onSignIn: (ctx, clientId, outcome) => {
      const detail = 'answer' in outcome ? { outcome: outcome.outcome, subject: outcome.subject } : outcome;
      log.info({ ...whence(ctx), clientId, ...detail }, 'sign-in');
    },
    onAccountChange: (ctx, subject, change) => log.info({ ...whence(ctx), subject, change }, 'account page'),
    onRefusal: ({ ip, state: { requestId } }, { code, message }) =>
      log.info({ requestId, address: ip, error: code, description: message }, 'refused'),
    onRegistration: (ctx, event, clientId) =>
      log.info({ ...whence(ctx), clientId }, `client ${event} by itself`),
    onProblem: (ctx, problem) => logProblem(log, ctx, problem),
    // Whoever asks is told why, and the log says how each request ended.
    onRefused: () => {},
    // Too many to be written down one by one.
    onCodeIssued: () => {},
    onTokenIssued: () => {},
    onIntrospected: () => {},
    onUserinfo: () => {},
    onShed: (reason, count) =>
      log.warn({ reason, count }, 'requests are turned away: the server has more to do than it can'),
  };
}

function logReseal(log: Logger, { progress, faults }: ResealStepDone): void {
  const { kekId, looked, resealed, unreadable, finishedAt } = progress;
  for (const err of faults) log.error({ err }, 'a record could not be opened, and was not sealed anew');
  if (finishedAt !== null)
    log.info({ kek: kekId, looked, resealed, unreadable }, 'the store was sealed anew');
}

const whence = ({ ip, state: { requestId } }: Context) => ({ requestId, address: ip });

/** Refusals are everyday business, faults are not. */
function logProblem(log: Logger, { state, oidc }: ProblematicRequest, problem: Error): void {
  const {
    error,
    error_description,
    error_detail,
    statusCode = 500,
  } = problem as Error & Record<string, unknown>;
  const about = { requestId: state.requestId, clientId: oidc?.client?.clientId };
  if ((statusCode as number) >= 500 && !(problem instanceof Refusal))
    log.error({ ...about, err: problem }, 'request failed');
  else log.info({ ...about, error, description: error_description, detail: error_detail }, 'refused');
}
