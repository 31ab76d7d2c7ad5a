import assert from 'node:assert/strict';
import { test } from 'node:test';
import { networkOf } from '#src/sessions/network.ts';

test('an address is kept as its neighbourhood: a /24 of IPv4, a /48 of IPv6', () => {
  for (const [address, network] of [
    ['192.0.2.41', '192.0.2.0/24'],
    ['::ffff:192.0.2.41', '192.0.2.0/24'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1::/48'],
    ['2001:db8::5', '2001:db8::/48'],
    ['::1', '::/48'],
    ['fe80::1%eth0', 'fe80::/48'],
    ['not an address', null],
    ['', null],
  ] as const)
    assert.equal(networkOf(address), network, address);
});
