import type { Account } from '#src/accounts/account.ts';
import type { Locales } from '#src/http/locale.ts';
import type { Pages } from '#src/http/pages.ts';
import { outgoingFetch } from '#src/oidc/outgoing-fetch.ts';
import { ProtocolPages } from '#src/oidc/protocol-pages.ts';
import { createProvider, type Protocol } from '#src/oidc/provider.ts';
import {
  responseAlgorithmsOf,
  type Services,
  type Surroundings,
  signingAlgorithmsOf,
} from '#src/services.ts';
import { openClientLogos } from '#src/serving/client-logos.ts';
import { clientProofsOf } from '#src/serving/client-proofs.ts';
import type { ServerEvents } from '#src/serving/log.ts';
import type { Pushed } from '#src/serving/pushed.ts';
import type { Tracing } from '#src/serving/tracing.ts';
import { uninvitedClients } from '#src/serving/uninvited-clients.ts';
import type { DecryptionKey } from '#src/signing/decryption-key.ts';
import type { KeyHolder } from '#src/signing/key-holder.ts';
import { PendingLimit } from '#src/throttle/pending-limit.ts';
import { UserCodeThrottle } from '#src/throttle/user-code-throttle.ts';
import type { PairwiseSubjects } from '#src/tokens/pairwise-subject.ts';
import { TokenReader } from '#src/tokens/token-reader.ts';

export interface ProtocolParts extends Surroundings {
  readonly events: ServerEvents;
  readonly keys: KeyHolder;
  readonly pushed: Pushed;
  readonly tracing: Pick<Tracing, 'fetch'>;
  readonly pages: Pages;
  readonly locales: Locales;
  readonly cookieKeys: readonly string[];
  readonly pairwise: PairwiseSubjects;
  readonly decryptionKey: DecryptionKey;
}

/** The protocol on the services, with the pages that it shows and the clients that come to it uninvited. */
export function openProtocol(services: Services, parts: ProtocolParts) {
  const { config, accounts } = services;
  const { events, clock, random, pages, locales } = parts;
  const { allowPrivateNetwork, http } = config;
  const fetch = parts.tracing.fetch(outgoingFetch({ allowPrivateNetwork, timeout: http.outgoingTimeout }));
  const uninvited = uninvitedClients(services, { clock, random, fetch });
  const protocolPages = new ProtocolPages({
    pages,
    locales,
    accountName: async (subject) => nameOf(await accounts.findBySubject(subject)),
  });
  const reader = new TokenReader({ keys: parts.keys, issuer: config.issuer, clock });
  const signing = signingAlgorithmsOf(services, clock.now());
  const oidc: Protocol = createProvider({
    ...services,
    ...parts,
    ...events,
    ...throttlesOf(services, parts),
    issuer: config.issuer,
    records: services.store.records,
    secrets: services.clientSecrets,
    profile: config.profile,
    signingAlgorithms: signing,
    algorithms: responseAlgorithmsOf(config, signing),
    statusLists: parts.pushed.statusLists,
    reader,
    proofs: clientProofsOf(services),
    pages: protocolPages,
    lifetimes: config.lifetimes,
    requests: config.requests,
    detailTypes: config.detailTypes,
    findAccount: (subject) => accounts.findBySubject(subject),
    onCodeIssued: events.onCodeIssued,
    onClientUsed: (client, grantType) => {
      events.onTokenIssued(client, grantType);
      uninvited.noteUse(client).catch(events.onUseNotNoted);
    },
    deviceAuthorization: config.deviceAuthorization,
    backchannel: config.backchannel,
    keyFetching: {
      keysMaxAge: config.http.fetchedKeysMaxAge,
      retryAfter: config.http.fetchRetryAfter,
    },
    clockSkewMax: config.keys.clockSkewMax,
    metadataDocuments: uninvited.metadataDocuments,
    fetch,
  });
  return { oidc, reader, uninvited, protocolPages, logos: openClientLogos(services, { ...parts, fetch }) };
}

/** What bounds how often codes are guessed and people are asked. */
function throttlesOf({ config, store }: Services, { clock }: Pick<Surroundings, 'clock'>) {
  const { throttle } = config;
  const common = { records: store.records, clock };
  return {
    pendingLimit: new PendingLimit({
      ...common,
      waiting: throttle.backchannelWaiting,
      asked: throttle.backchannelAsked,
      window: throttle.backchannelWindow,
    }),
    userCodeThrottle: new UserCodeThrottle({
      ...common,
      wrongPerAddress: throttle.userCodesWrongPerAddress,
      wrongOverall: throttle.userCodesWrong,
      window: throttle.userCodeWindow,
    }),
  };
}

function nameOf(account: Account | null): string | null {
  return account === null || account.state === 'deleted' ? null : (account.displayName ?? account.username);
}
