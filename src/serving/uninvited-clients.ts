import { authorizationAnswersOf } from '#src/clients/authorization-answers.ts';
import type { Client } from '#src/clients/client.ts';
import type { Clock } from '#src/clock.ts';
import { IssuerKeys, type JwksFetcher } from '#src/federation/issuer-keys.ts';
import { documentFetcher } from '#src/oidc/document-fetcher.ts';
import type { OutgoingFetch } from '#src/oidc/outgoing-fetch.ts';
import { MetadataDocuments } from '#src/registration/metadata-documents.ts';
import { Places } from '#src/registration/places.ts';
import { REGISTRATION_PATH, type RegistrationRoutes, registrationRoutes } from '#src/registration/routes.ts';
import { type SelfRegistrationPorts, SelfRegistrations } from '#src/registration/self-registration.ts';
import { SoftwareStatements } from '#src/registration/software-statement.ts';
import type { Services, Surroundings } from '#src/services.ts';
import { RegistrationThrottle } from '#src/throttle/registration-throttle.ts';

/** Composes what clients need that no administrator has registered. */
export function uninvitedClients(
  services: Services,
  { clock, random, fetch }: Surroundings & { readonly fetch: OutgoingFetch },
) {
  const { config, store, clients, clientSecrets, initialAccessTokens, resources } = services;
  const { perAddress, window, clientsMax, unusedFor } = config.registrationLimits;
  const { fetchesPerAddress, keptMin, keptMax, documentsMax, sizeMax } = config.metadataDocuments;
  const places = new Places({ clients, clock, random, max: clientsMax, unusedFor });
  const admissionTo = (what: 'registration' | 'metadata-document', most: number) => {
    const throttle = new RegistrationThrottle({
      records: store.records,
      clock,
      what,
      perAddress: most,
      window,
    });
    return (address: string) => throttle.admit(address);
  };
  const common = { clients, bounds: boundsOf(services), openScopes: () => resources.openScopes() };
  const metadataDocuments = new MetadataDocuments({
    ...common,
    clock,
    records: store.records,
    rememberedFor: config.lifetimes.refreshAbsolute,
    policy: config.metadataDocuments,
    sameOrigin: config.metadataDocuments.sameOrigin,
    cache: { min: keptMin, max: keptMax, retryAfter: config.http.fetchRetryAfter, documentsMax },
    fetch: documentFetcher(fetch, { sizeMax }),
    admit: admissionTo('metadata-document', fetchesPerAddress),
  });
  return {
    metadataDocuments,
    /** Notes that a client has got a token. */
    noteUse: async (client: Client) => {
      await Promise.all([places.keep(client), metadataDocuments.remember(client)]);
    },
    /** The endpoints where they register, if they may. */
    routes: (
      rest: Pick<SelfRegistrationPorts, 'assertServable'> &
        Pick<RegistrationRoutes, 'onRegistration' | 'onRefusal'> & { readonly fetchKeys: JwksFetcher },
    ) =>
      registrationRoutes({
        registrations: new SelfRegistrations({
          ...common,
          initialAccessTokens,
          secrets: clientSecrets,
          places,
          softwareStatements: softwareStatementsOf(services, clock, rest.fetchKeys),
          open: config.registration === 'open',
          admit: admissionTo('registration', perAddress),
          assertServable: rest.assertServable,
        }),
        issuer: config.issuer,
        bodyMax: config.http.bodyMax,
        onRegistration: rest.onRegistration,
        onRefusal: rest.onRefusal,
      }).routes(),
  };
}

function softwareStatementsOf(
  { config, trustedIssuers }: Services,
  clock: Clock,
  fetch: JwksFetcher,
): SoftwareStatements {
  const { fetchedKeysMaxAge: keysMaxAge, fetchRetryAfter: retryAfter } = config.http;
  return new SoftwareStatements({
    trustedIssuers,
    keys: new IssuerKeys({ fetch, clock, keysMaxAge, retryAfter }),
    clock,
    clockSkewMax: config.keys.clockSkewMax,
    audiences: [config.issuer, config.issuer + REGISTRATION_PATH],
  });
}

/** What such clients may have at most, beside scopes. */
function boundsOf({ config }: Services): SelfRegistrationPorts['bounds'] {
  const { grantTypes, authenticationMethods, requirePkce } = config.registrationLimits;
  const { algorithms } = config.keys;
  return {
    grantTypes,
    authenticationMethods,
    requirePkce,
    responseTypes: authorizationAnswersOf(config.requests).responseTypes,
    idTokenSignedResponseAlg: algorithms.find((each) => each === 'RS256') ?? (algorithms[0] as string),
  };
}
