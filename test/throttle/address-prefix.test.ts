import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addressPrefix } from '#src/throttle/address-prefix.ts';
import { fc } from '#test/support/properties.ts';

const group = fc.nat({ max: 0xffff });

describe('one client in counting is', () => {
  test('one IPv4 address, also when it is mapped into IPv6 (RFC 4291 section 2.5.5.2)', () => {
    assert.equal(addressPrefix('192.0.2.7'), '192.0.2.7');
    assert.equal(addressPrefix('::ffff:192.0.2.7'), '192.0.2.7');
    assert.equal(addressPrefix('::FFFF:c000:207'), '192.0.2.7');
  });

  test('one /64 of IPv6, in every spelling', () => {
    const prefix = '2001:db8:0:1::/64';
    for (const address of [
      '2001:db8:0:1::',
      '2001:0DB8:0000:0001:ffff:eeee:dddd:cccc',
      '2001:db8:0:1::1%eth0',
    ]) {
      assert.equal(addressPrefix(address), prefix);
    }
    assert.notEqual(addressPrefix('2001:db8:0:2::1'), prefix);
    assert.equal(addressPrefix('::1'), '0:0:0:0::/64');
    assert.equal(addressPrefix('1::'), '1:0:0:0::/64');
  });

  test('everything that is no address', () => {
    for (const text of ['', 'unix:', 'localhost', '1.2.3', '::1::', '192.0.2.7, 192.0.2.8']) {
      assert.equal(addressPrefix(text), 'unknown');
    }
  });

  test('the same for any two addresses of a /64, however they are written', () => {
    const network = fc.tuple(fc.integer({ min: 1, max: 0xffff }), group, group, group);
    const host = fc.tuple(group, group, group, group);
    fc.assert(
      fc.property(network, host, host, (net, one, other) => {
        const plain = [...net, ...one].map((value) => value.toString(16)).join(':');
        const padded = [...net, ...other]
          .map((value) => value.toString(16).toUpperCase().padStart(4, '0'))
          .join(':');
        assert.equal(addressPrefix(plain), addressPrefix(padded));
      }),
    );
  });
});
