import { BlockList, isIP, isIPv6 } from 'node:net';

/** Which neighbours may say in `X-Forwarded-For` whom they speak for. */
export type ProxyTrust =
  | { readonly kind: 'nobody' }
  | { readonly kind: 'hops'; readonly count: number }
  | { readonly kind: 'addresses'; readonly blocks: readonly string[] };

/**
 * The address of the client: the last one that someone trusted vouches for. What a client itself writes into the
 * header stands further left and is never reached.
 */
export function clientAddressReader(trust: ProxyTrust): (peer: string, forwardedFor: string) => string {
  if (trust.kind === 'nobody') return (peer) => plain(peer);
  const trusted = trust.kind === 'addresses' ? membership(trust.blocks) : null;
  return (peer, forwardedFor) => {
    const chain = [
      plain(peer),
      ...forwardedFor
        .split(',')
        .map((entry) => plain(entry.trim()))
        .reverse(),
    ];
    let client = chain[0] as string;
    for (const [hop, address] of chain.entries()) {
      if (isIP(address) === 0) break;
      client = address;
      const passes = trust.kind === 'hops' ? hop < trust.count : trusted?.(address) === true;
      if (!passes) break;
    }
    return client;
  };
}

/** Whether this neighbour, the other end of the connection, is one of the listed ones. */
export function trustedPeers(trust: ProxyTrust): (peer: string) => boolean {
  if (trust.kind !== 'addresses') return () => false;
  const trusted = membership(trust.blocks);
  return (peer) => isIP(plain(peer)) !== 0 && trusted(plain(peer));
}

/** An address without the port that some proxies add; one of IPv4 that came over an IPv6 socket as what it is. */
function plain(entry: string): string {
  const [, bracketed, withPort] = /^(?:\[([^\]]+)\](?::\d+)?|(\d+(?:\.\d+){3}):\d+)$/.exec(entry) ?? [];
  return (bracketed ?? withPort ?? entry).replace(/^::ffff:(?=\d+\.)/i, '');
}

function membership(blocks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const block of blocks) {
    const [address = '', bits] = block.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (address) => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
