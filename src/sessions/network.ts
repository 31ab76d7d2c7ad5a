import { isIPv4, isIPv6 } from 'node:net';
import { addressPrefix } from '#src/throttle/address-prefix.ts';

/** What an IPv6 address has in common with those of its neighbourhood: a /48, in groups of 16 bits. */
const NEIGHBOURHOOD_GROUPS = 3;

/**
 * Whereabouts in the network an address is: enough for a person to tell home from abroad, and no longer the address.
 * A /24 of IPv4, a /48 of IPv6; `null` for what is no address.
 */
export function networkOf(address: string): string | null {
  const prefix = addressPrefix(address);
  if (isIPv4(prefix)) return prefix.replace(/\d+$/, '0/24');
  const [network = ''] = prefix.split('::/');
  if (!isIPv6(`${network}::`)) return null;
  const groups = network.split(':').slice(0, NEIGHBOURHOOD_GROUPS);
  return `${new URL(`http://[${groups.join(':')}::]`).hostname.slice(1, -1)}/48`;
}
