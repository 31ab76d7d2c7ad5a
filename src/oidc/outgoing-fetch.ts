import type { Configuration } from 'oidc-provider';
import type { Seconds } from '#src/units.ts';

type Fetch = NonNullable<Configuration['fetch']>;

/**
 * How the server fetches what clients publish, such as their keys. The library hands over a dispatcher that closes
 * every connection to a private or loopback address; it is left out only where the settings say so.
 */
export function outgoingFetch(options: {
  readonly allowPrivateNetwork: boolean;
  readonly timeout: Seconds;
}): Fetch {
  const { allowPrivateNetwork, timeout } = options;
  return (url, requested) => {
    const { dispatcher, ...rest } = requested as RequestInit & { dispatcher?: unknown };
    const guard = allowPrivateNetwork ? undefined : { dispatcher };
    if (!allowPrivateNetwork && (dispatcher === undefined || dispatcher === null)) {
      throw new Error('outgoing calls cannot be kept from private networks here, so none is made');
    }
    const signal = AbortSignal.timeout(timeout * 1000);
    return fetch(url, { ...rest, ...guard, redirect: 'error', signal } as RequestInit);
  };
}
