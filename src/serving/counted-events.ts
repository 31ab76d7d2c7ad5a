import { Refusal } from '#src/fault.ts';
import { awayDescription } from '#src/http/failure.ts';
import type { HouseCounts } from '#src/metrics/house-metrics.ts';
import type { ProtocolMetrics } from '#src/metrics/protocol-metrics.ts';
import { endpointName } from '#src/serving/endpoint-name.ts';
import type { ServerEvents } from '#src/serving/log.ts';

/** The same events, counted as well. */
export function countedEvents(
  events: ServerEvents,
  protocol: ProtocolMetrics,
  house: HouseCounts,
): ServerEvents {
  return {
    ...events,
    onTokenIssued: (client, grantType) => {
      const { clientId, registeredBy } = client;
      protocol.tokenIssued({ clientId, invited: registeredBy.by === 'administrator' }, grantType);
      events.onTokenIssued(client, grantType);
    },
    onCodeIssued: (client) => {
      protocol.codeIssued();
      events.onCodeIssued(client);
    },
    onIntrospected: (result, clientId) => {
      protocol.introspected(result);
      events.onIntrospected(result, clientId);
    },
    onRetry: (replay) => {
      protocol.replayed('allowed');
      events.onRetry(replay);
    },
    onReuse: (replay) => {
      protocol.replayed('refused');
      events.onReuse(replay);
    },
    onProblem: (ctx, problem) => {
      protocol.refused(endpointName(ctx.path), errorOf(problem));
      events.onProblem(ctx, problem);
    },
    onRefused: (ctx, error) => {
      protocol.refused(endpointName(ctx.path), error);
      events.onRefused(ctx, error);
    },
    onSignIn: (ctx, clientId, outcome) => {
      protocol.signIn(outcome.outcome);
      events.onSignIn(ctx, clientId, outcome);
    },
    onDelivery: (attempt) => {
      house.delivery(attempt);
      events.onDelivery(attempt);
    },
    onFault: (fault) => {
      house.backgroundFault();
      events.onFault(fault);
    },
  };
}

/** What the client is told of a problem of the protocol. */
export function errorOf(problem: Error): string {
  if (awayDescription(problem) !== null) return 'temporarily_unavailable';
  const { error } = problem as Error & { error?: unknown };
  if (typeof error === 'string') return error;
  return problem instanceof Refusal ? problem.code : 'server_error';
}
