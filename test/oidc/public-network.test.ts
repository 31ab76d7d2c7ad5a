import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPublicAddress, isPublicUrl } from '#src/oidc/public-network.ts';

test('addresses of this machine, of private networks and of nobody are not public (RFC 6890)', () => {
  for (const address of [
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.255',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.2.1',
    '192.168.1.1',
    '198.18.0.1',
    '203.0.113.9',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:8.8.8.8',
    '64:ff9b::a00:1',
    '100::1',
    '2001:db8::1',
    '2001::1',
    '2002:7f00:1::',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'ff02::1',
    'localhost',
    '',
  ])
    assert.equal(isPublicAddress(address), false, address);
  for (const address of ['1.1.1.1', '8.8.8.8', '172.32.0.1', '2606:4700:4700::1111', '2a00:1450:4001::1'])
    assert.equal(isPublicAddress(address), true, address);
});

test('a URL is public unless its host is an address that is not; a name is looked up later', () => {
  for (const url of ['https://127.0.0.1/', 'https://[::1]:8443/', 'https://0x7f.1/', 'https://10.0.0.1/x'])
    assert.equal(isPublicUrl(url), false, url);
  for (const url of ['https://1.1.1.1/', 'https://[2606:4700:4700::1111]/', 'https://example.com/'])
    assert.equal(isPublicUrl(url), true, url);
});
