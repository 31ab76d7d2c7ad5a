import type { Logger } from 'pino';
import type { Config } from '#src/config/schema.ts';
import { listenOnPorts, type PortOptions } from '#src/http/ports.ts';
import { Dispatcher } from '#src/outbox/dispatcher.ts';
import type { Services, Surroundings } from '#src/services.ts';
import { openAdmission } from '#src/serving/admission.ts';
import { createApp } from '#src/serving/app.ts';
import { joinFleet } from '#src/serving/fleet-member.ts';
import { openJwksFetches } from '#src/serving/jwks-fetches.ts';
import { openKeyUsage } from '#src/serving/key-usage.ts';
import { logEvents, type ServerEvents } from '#src/serving/log.ts';
import { type Metrics, openMetrics } from '#src/serving/metrics.ts';
import { openTracing } from '#src/serving/open-tracing.ts';
import { openPushed } from '#src/serving/pushed.ts';
import { KeyHolder } from '#src/signing/key-holder.ts';
import { leavingAlgorithms } from '#src/signing/leaving.ts';
import { startSweeping } from '#src/sweeping.ts';

/** A running server. Disposing it lets requests finish; the services that it was given stay open. */
export interface RunningServer extends AsyncDisposable {
  /** What has been measured; `null` where nothing is. */
  readonly metrics: Pick<Metrics, 'read'> | null;
  /** Takes no new connections, serves those that are open to their end, and settles then; see `Listening.drain`. */
  drain(): Promise<void>;
}

export interface ServerParts extends Surroundings {
  readonly log: Logger;
  /** Which of several processes this is that serve on one machine, from 1; `null` for the only one. */
  readonly worker?: number | null;
}

/** @throws SetupFault when the address cannot be had. */
export async function startServer(
  services: Services,
  { clock, random, log: plainLog, worker = null }: ServerParts,
): Promise<RunningServer> {
  const { config, outbox, rotation } = services;
  const { records } = services.store;
  await using started = new AsyncDisposableStack();
  const metrics = await openMetrics(services, { clock, worker });
  const tracing = started.use(await openTracing(services, { random, log: plainLog, worker }));
  const log = tracing.log(plainLog);
  const logged = logEvents(log);
  const events = tracing.events(metrics?.counted(logged) ?? logged);
  const { onFault } = events;
  // What one process of a machine does for all.
  const first = worker === null || worker === 1;
  const member = started.use(await joinFleet(services, { clock, random, events, worker }));
  const { onSigning } = started.use(openKeyUsage(services, { clock, random, onFault }));
  const { onKeysChanged: onMaintained } = events;
  for (const finding of await services.store.examine()) events.onStoreFinding(finding);
  const outside = services.token && tracing.signer(services.token.signer);
  services.token?.signer.listen({ onAway: events.onTokenAway, onBack: events.onTokenBack });
  const onTurned = () => member.ringTurned();
  const ports = { rotation, clock, onFault, onMaintained, onTurned, onSigning, outside };
  const keys = started.use(new KeyHolder(ports));
  keys.start();
  for (const alg of first ? leavingAlgorithms(rotation.held.ring, rotation.policy, clock.now()) : [])
    log.warn(
      { alg },
      'the settings do not name this algorithm any more; it goes on for who is registered for it',
    );
  await services.formerKeys.refresh();
  started.use(services.formerKeys.follow(config.keys.ringPoll, onFault));
  if (first) started.use(services.readiness.watch(events.onKeyLacked));
  if (first) started.use(startSweeping({ records, ...config.sweep, onFault }));
  const jwksFetches = started.use(openJwksFetches(services, { clock, onFault }));
  const pushed = started.use(openPushed(services, { clock, random, onFault }));
  const leaving = new AbortController();
  const stopping = new AbortController();
  const { listener, reader, senders } = await createApp(services, {
    clock,
    random,
    log,
    events,
    keys,
    pushed,
    jwksFetches,
    tracing,
    leaving: leaving.signal,
    stopping: stopping.signal,
  });
  const delivering = { outbox, records, clock, senders: tracing.senders(senders), onFault };
  const dispatcher = started.use(
    new Dispatcher({ ...config.outbox, ...delivering, onAttempt: events.onDelivery }),
  );
  dispatcher.start();
  const admission = openAdmission(config, { events, onEach: (reason) => metrics?.shed(reason) });
  if (metrics !== null && worker === null) started.use(await scrapes(config, metrics, onFault));
  const admitted = admission.before(tracing.within(listener));
  const server = await listenOnPorts(tracing.arriving(metrics?.timed(admitted) ?? admitted), {
    ...config.http,
    addresses: config.host,
    port: config.port,
    tls: tlsOf(config, events),
  });
  metrics?.watch({
    dispatcher,
    admission,
    traces: tracing.counts,
    sets: {
      opened_records: () => services.store.opened(),
      sockets: () => server.connections(),
      signed_tokens: () => reader.remembered.signed,
      verified_tokens: () => reader.remembered.verified,
    },
  });
  started.defer(async () => {
    leaving.abort();
    stopping.abort();
    await server.stop(config.http.stopGrace);
  });
  const running = started.move();
  return {
    metrics,
    drain: async () => {
      leaving.abort();
      await server.drain();
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function scrapes(
  config: Config,
  { read }: Metrics,
  onFault: ServerEvents['onFault'],
): Promise<AsyncDisposable> {
  const { openMetricsPort } = await import('#src/serving/metrics-port.ts');
  return openMetricsPort(config, config.metrics.port as number, { read, onFault });
}

function tlsOf({ tls, mutualTls }: Config, events: ServerEvents): PortOptions['tls'] {
  const { certificate, key, clientCa, mtlsPort, reloadEvery } = tls;
  if (certificate === null || key === null) return null;
  return {
    paths: { certificate, key, clientCa },
    asksForCertificate: mutualTls.from === 'connection',
    mtlsPort,
    reloadEvery,
    onRenewed: events.onTlsRenewed,
    onFault: events.onTlsFault,
  };
}
