import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { admitsClientId, parseClientIdUrl } from '#src/registration/client-id-url.ts';

describe('a client identifier that is a URL (OAuth Client ID Metadata Document section 3)', () => {
  test('MUST be https, with a path', () => {
    for (const id of [
      'https://app.example.com/client.json',
      'https://app.example.com/',
      'https://app.example.com:8443/a/b?c=d',
      'https://xn--bcher-kva.example/client',
    ])
      assert.equal(parseClientIdUrl(id)?.href, id);
    for (const id of [
      'http://app.example.com/client.json',
      'https://app.example.com',
      'https:///client.json',
      'https:app.example.com/client',
      'ftp://app.example.com/client.json',
      'app.example.com/client.json',
      'client',
      '',
    ])
      assert.equal(parseClientIdUrl(id), null, id);
  });

  test('MUST NOT have dot segments, a fragment, or credentials', () => {
    for (const id of [
      'https://app.example.com/./client',
      'https://app.example.com/a/../client',
      'https://app.example.com/a/%2e%2e/client',
      'https://app.example.com/a/%2E/client',
      'https://app.example.com/client#',
      'https://app.example.com/client#fragment',
      'https://user@app.example.com/client',
      'https://user:password@app.example.com/client',
      'https://@app.example.com/client',
    ])
      assert.equal(parseClientIdUrl(id), null, id);
  });

  test('has one spelling, so that one document is one client', () => {
    for (const id of [
      'https://APP.example.com/client',
      'HTTPS://app.example.com/client',
      'https://app.example.com:443/client',
      'https://app.example.com\\client',
      'https://app.example.com/cli\tent',
      ' https://app.example.com/client',
      'https://bücher.example/client',
      'https://app.example.com/ü',
      'https://2130706433/client',
      `https://app.example.com/${'x'.repeat(1024)}`,
    ])
      assert.equal(parseClientIdUrl(id), null, id);
  });
});

describe('whose documents are read', () => {
  const id = 'https://app.example.com/client.json';
  const policy = { policy: 'any', hosts: [], refusedHosts: [] } as const;

  test("is nobody's, those of listed hosts, or anyone's", () => {
    assert.equal(admitsClientId({ ...policy, policy: 'off', hosts: ['app.example.com'] }, id), false);
    assert.equal(admitsClientId(policy, id), true);
    assert.equal(admitsClientId({ ...policy, policy: 'listed' }, id), false);
    for (const [hosts, admitted] of [
      [['app.example.com'], true],
      [['*.example.com'], true],
      [['example.com'], false],
      [['*.app.example.com'], false],
      [['*.ample.com'], false],
      [['app.example.com.evil.example'], false],
    ] as const)
      assert.equal(admitsClientId({ ...policy, policy: 'listed', hosts }, id), admitted, hosts.join());
  });

  test('is not that of a host that is refused, and never that of what is no such identifier', () => {
    assert.equal(admitsClientId({ ...policy, refusedHosts: ['app.example.com'] }, id), false);
    assert.equal(admitsClientId({ ...policy, refusedHosts: ['*.example.com'] }, id), false);
    assert.equal(admitsClientId({ ...policy, refusedHosts: ['other.example.com'] }, id), true);
    assert.equal(admitsClientId(policy, 'https://app.example.com'), false);
    assert.equal(admitsClientId(policy, 'client'), false);
    assert.equal(
      admitsClientId(policy, 'https://app.example.com./client.json'),
      false,
      'its host by another name',
    );
  });
});
