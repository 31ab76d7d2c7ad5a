import type { Middleware } from 'koa';
import type { ConcernPorts } from '#src/revocations/concern.ts';
import { RevocationFeed } from '#src/revocations/feed.ts';
import { revocationRoutes } from '#src/revocations/routes.ts';
import { type Services, type Surroundings, signingAlgorithmsOf } from '#src/services.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { KeyHolder } from '#src/signing/key-holder.ts';
import { StatusAssigner } from '#src/status-lists/assigner.ts';
import { StatusListPublisher } from '#src/status-lists/publisher.ts';
import { statusListRoutes } from '#src/status-lists/routes.ts';
import { ListNames } from '#src/status-lists/status-list.ts';
import { CredentialThrottle } from '#src/throttle/credential-throttle.ts';

/** By what resource servers that do not ask about each token learn of revocations. */
export interface Pushed extends AsyncDisposable {
  readonly feed: RevocationFeed;
  readonly statusLists: StatusAssigner;
  readonly names: ListNames;
}

export function openPushed(
  { config, store: { records, derive } }: Services,
  { clock, random, onFault }: Surroundings & { readonly onFault: (error: unknown) => void },
): Pushed {
  const opened = new AsyncDisposableStack();
  const feed = opened.use(new RevocationFeed({ records, clock, pollMs: config.revocations.pollMs, onFault }));
  const names = new ListNames(derive('status lists'));
  const { issuer } = config;
  const statusLists = opened.use(new StatusAssigner({ issuer, records, clock, random, names, onFault }));
  return { feed, statusLists, names, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

/** Where resource servers listen, and where they look. */
export function pushedRoutes(
  services: Services,
  keys: KeyHolder,
  { feed, names }: Pushed,
  {
    clock,
    ...ports
  }: Pick<Surroundings, 'clock'> & Pick<ConcernPorts, 'subjectFor'> & { readonly leaving: AbortSignal },
): readonly Middleware[] {
  const { config, store, standing, resources, clientSecrets } = services;
  const { records } = store;
  const { issuer, revocations, statusLists, lifetimes } = config;
  const [ownAlgorithm] = config.keys.algorithms as [SigningAlgorithm];
  const common = { issuer, records, clock, feed };
  const publisher = new StatusListPublisher({
    ...common,
    ...statusLists,
    names,
    standing,
    algorithms: signingAlgorithmsOf(services, clock.now()),
    // Tokens live on when their algorithm has been given up.
    signer: (alg) => keys.signer(keys.signs(alg) ? alg : ownAlgorithm),
    longestToken: lifetimes.accessTokenMax,
    clockSkewMax: config.keys.clockSkewMax,
  });
  const { failuresPerAddress: failuresMax, failureWindow: window } = revocations;
  return [
    statusListRoutes({ publisher, ttl: statusLists.ttl }),
    revocationRoutes({
      ...common,
      ...revocations,
      ...ports,
      resources,
      secrets: clientSecrets,
      throttle: new CredentialThrottle({ records, clock, failuresMax, window }),
    }),
  ];
}
