import { type LookupAddress, type LookupAllOptions, lookup } from 'node:dns';
import { BlockList, isIP } from 'node:net';

/** Addresses that are not of the public Internet, by the special-purpose registries of RFC 6890. */
const SPECIAL_IPV4 = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const;

/** Global unicast is 2000::/3; of that, what tunnels to IPv4 or is for documentation. */
const SPECIAL_IPV6 = [
  ['::', 3],
  ['4000::', 2],
  ['8000::', 1],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const;

// Apart from one another, since an IPv4 address counts as one of IPv6 too, of those that are not public.
const special = { ipv4: new BlockList(), ipv6: new BlockList() };
for (const [network, prefix] of SPECIAL_IPV4) special.ipv4.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of SPECIAL_IPV6) special.ipv6.addSubnet(network, prefix, 'ipv6');

/** True for an address of the public Internet, and not of this machine, its network, or nobody. */
export function isPublicAddress(address: string): boolean {
  const version = isIP(address);
  if (version === 0) return false;
  const family = version === 6 ? 'ipv6' : 'ipv4';
  return !special[family].check(address, family);
}

type Callback = (error: Error | null, addresses: readonly LookupAddress[]) => void;

/**
 * Looks a name up for a connection, and finds nothing where any of its addresses is not public: the address that was
 * looked at is the one that is connected to, so a name cannot lead elsewhere a moment later.
 */
function lookupPublic(hostname: string, options: LookupAllOptions, callback: Callback): void {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) return callback(error, []);
    if (addresses.every(({ address }) => isPublicAddress(address))) return callback(null, addresses);
    callback(new Error('the host is on a private network'), []);
  });
}

/** What makes connections for `fetch`. */
type Agent = new (options: { connect: { lookup: typeof lookupPublic } }) => object;

/**
 * For `fetch` as its `dispatcher`: connects to the public Internet and to nothing else. An address that stands in the
 * URL itself is not looked up, so see to it beforehand, by `isPublicUrl`.
 */
export function publicNetwork(): object {
  // The runtime has its HTTP client on board and hands it out in no other way; it is there once fetch was touched.
  void globalThis.Response;
  const runtime = globalThis as unknown as Record<symbol, object | undefined>;
  const running = ['undici.globalDispatcher.2', 'undici.globalDispatcher.1']
    .map((name) => runtime[Symbol.for(name)])
    .find((each) => each !== undefined);
  if (running === undefined)
    throw new Error('outgoing calls cannot be kept from private networks here, so none is made');
  return new (running.constructor as Agent)({ connect: { lookup: lookupPublic } });
}

/** False for a URL whose host is an address that is not public. A name is looked up when it is connected to. */
export function isPublicUrl(url: string): boolean {
  const host = URL.parse(url)?.hostname.replace(/^\[|\]$/g, '') ?? '';
  return isIP(host) === 0 || isPublicAddress(host);
}
