import type { Configuration } from 'oidc-provider';
import { isPublicUrl, publicNetwork } from '#src/oidc/public-network.ts';
import type { Seconds } from '#src/units.ts';

export type OutgoingFetch = NonNullable<Configuration['fetch']>;

/**
 * How the server calls others, such as for what clients publish: within a time, following no redirect, and reaching the
 * public Internet alone unless the settings say otherwise.
 */
export function outgoingFetch(options: {
  readonly allowPrivateNetwork: boolean;
  readonly timeout: Seconds;
}): OutgoingFetch {
  const { allowPrivateNetwork, timeout } = options;
  const guard = allowPrivateNetwork ? undefined : { dispatcher: publicNetwork() };
  return async (input, requested = {}) => {
    const url = input instanceof Request ? input.url : String(input);
    if (!allowPrivateNetwork && !isPublicUrl(url))
      throw new Error('the call would reach a private network, so it is not made');
    // The library brings a guard of its own, which closes a connection once it is made.
    const { dispatcher, ...rest } = requested as RequestInit & { dispatcher?: unknown };
    const signal = AbortSignal.timeout(timeout * 1000);
    return fetch(url, { ...rest, ...guard, redirect: 'error', signal } as RequestInit);
  };
}
