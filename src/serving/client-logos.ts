import { ClientLogos } from '#src/clients/client-logos.ts';
import { imageFetcher } from '#src/oidc/image-fetcher.ts';
import type { OutgoingFetch } from '#src/oidc/outgoing-fetch.ts';
import type { Services, Surroundings } from '#src/services.ts';
import type { ServerEvents } from '#src/serving/log.ts';
import { RegistrationThrottle } from '#src/throttle/registration-throttle.ts';

/** The logos of clients, fetched within the limits of the settings. */
export function openClientLogos(
  { config, store: { records } }: Services,
  {
    clock,
    fetch,
    events,
  }: Pick<Surroundings, 'clock'> & { readonly fetch: OutgoingFetch; readonly events: ServerEvents },
): ClientLogos {
  const { fetchesPerAddress: perAddress, ...limits } = config.clientLogos;
  const { window } = config.registrationLimits;
  const throttle = new RegistrationThrottle({ records, clock, what: 'client-logo', perAddress, window });
  return new ClientLogos({
    ...limits,
    clock,
    fetch: imageFetcher(fetch, limits),
    admit: (address) => throttle.admit(address),
    onUnavailable: events.onLogoUnavailable,
  });
}
