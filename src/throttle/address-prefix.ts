import { isIPv4, isIPv6 } from 'node:net';

/** Groups of 16 bits that name a network in IPv6: a /64, which is what one customer is given at least. */
const NETWORK_GROUPS = 4;
const GROUPS = 8;

const MAPPED = '0:0:0:0:0:ffff';
const MAPPED_GROUPS = 6;

/**
 * What stands for one client in counting: an IPv4 address whole, the /64 of an IPv6 address (its owner has
 * all the rest to choose from), the IPv4 address of a mapped one (RFC 4291 section 2.5.5.2). Whatever is no
 * address counts as one client.
 */
export function addressPrefix(address: string): string {
  if (isIPv4(address)) return address;
  const [bare = ''] = address.split('%');
  if (!isIPv6(bare)) return 'unknown';
  const groups = expand(bare);
  if (groups.slice(0, MAPPED_GROUPS).join(':') === MAPPED) {
    return groups.slice(MAPPED_GROUPS).flatMap(octets).join('.');
  }
  return `${groups.slice(0, NETWORK_GROUPS).join(':')}::/64`;
}

/** The eight groups of an IPv6 address, without leading zeros. */
function expand(address: string): readonly string[] {
  // The URL parser knows every spelling of an address, and answers with the shortest (RFC 5952).
  const shortest = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = [], tail = []] = shortest.split('::').map((side) => side.split(':').filter(Boolean));
  const zeros = Array.from({ length: GROUPS - head.length - tail.length }, () => '0');
  return [...head, ...zeros, ...tail];
}

function octets(group: string): readonly number[] {
  const value = Number.parseInt(group, 16);
  return [value >> 8, value & 0xff];
}
