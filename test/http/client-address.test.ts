import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { clientAddressReader } from '#src/http/client-address.ts';
import { fc } from '#test/support/properties.ts';

const PROXY = '10.0.0.1';
const CLIENT = '203.0.113.7';

suite('the address of the client', () => {
  test('is the peer, whatever the header says, when nobody is trusted', () => {
    const read = clientAddressReader({ kind: 'nobody' });
    assert.equal(read(CLIENT, ''), CLIENT);
    assert.equal(read(CLIENT, '198.51.100.1'), CLIENT);
    assert.equal(read('::ffff:203.0.113.7', '198.51.100.1'), CLIENT, 'an IPv4 address on an IPv6 socket');
  });

  test('is what the outermost of a number of proxies saw', () => {
    const one = clientAddressReader({ kind: 'hops', count: 1 });
    const two = clientAddressReader({ kind: 'hops', count: 2 });
    assert.equal(one(PROXY, CLIENT), CLIENT);
    assert.equal(
      one(PROXY, `198.51.100.1, ${CLIENT}`),
      CLIENT,
      'what the client wrote itself stands further left',
    );
    assert.equal(two(PROXY, `198.51.100.1, ${CLIENT}, 10.0.0.2`), CLIENT);
    assert.equal(two(PROXY, CLIENT), CLIENT, 'fewer than expected');
    assert.equal(one(PROXY, ''), PROXY, 'none at all');
  });

  test('is the first that no trusted proxy has', () => {
    const read = clientAddressReader({
      kind: 'addresses',
      blocks: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.1'],
    });
    assert.equal(read(PROXY, CLIENT), CLIENT);
    assert.equal(read(PROXY, `198.51.100.1, ${CLIENT}, 2001:db8::5, 192.0.2.1`), CLIENT);
    assert.equal(read(PROXY, '10.0.0.9'), '10.0.0.9', 'a trusted one that speaks for itself');
    assert.equal(read(CLIENT, '198.51.100.1'), CLIENT, 'a stranger is not asked');
    assert.equal(read('::ffff:10.0.0.1', CLIENT), CLIENT);
    assert.equal(read('2001:db8::1', '2001:4860::8'), '2001:4860::8');
  });

  test('ends before anything that is no address', () => {
    const read = clientAddressReader({ kind: 'addresses', blocks: ['10.0.0.0/8'] });
    for (const nonsense of ['unknown', '_hidden', '', ',,,', 'x'.repeat(30_000), '10.0.0.300']) {
      assert.equal(read(PROXY, nonsense), PROXY);
      assert.equal(read(PROXY, `${nonsense}, ${CLIENT}`), CLIENT);
    }
  });

  test('is read without the port that some proxies add', () => {
    const read = clientAddressReader({ kind: 'hops', count: 1 });
    assert.equal(read('10.0.0.1', '203.0.113.7:51123'), '203.0.113.7');
    assert.equal(read('10.0.0.1', '[2001:db8::7]:51123'), '2001:db8::7');
    assert.equal(read('10.0.0.1', '[2001:db8::7]'), '2001:db8::7');
  });

  test('is an address or the peer as it is, for every header that there can be', () => {
    const piece = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.string(),
      fc.constantFrom('fe80::1%eth0', '::ffff:10.0.0.1', '10.0.0.1', '::'),
    );
    const trusts = [
      { kind: 'nobody' },
      { kind: 'hops', count: 3 },
      { kind: 'addresses', blocks: ['10.0.0.0/8', '::/0', '0.0.0.0/0'] },
    ] as const;
    fc.assert(
      fc.property(fc.constantFrom(...trusts), piece, fc.array(piece), (trust, peer, chain) => {
        const read = clientAddressReader(trust)(peer, chain.join(', '));
        assert.equal(typeof read, 'string');
        assert.ok([peer, ...chain].some((each) => each.includes(read)));
      }),
      { numRuns: 2_000 },
    );
  });
});
