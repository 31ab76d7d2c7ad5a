import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { load, problemsOf } from '#test/config/sources.ts';

const wrong = (variable: string, text: string): string =>
  problemsOf({ env: { [variable]: text } })[0]?.message ?? '';

describe('the issuer', () => {
  test('is an https origin, or an http origin of this machine (RFC 8414 section 2)', () => {
    for (const issuer of [
      'https://id.example.com',
      'https://id.example.com:8443',
      'https://192.0.2.1',
      'http://localhost',
      'http://localhost:3000',
      'http://keyturn.localhost:3000',
      'http://127.0.0.1:3000',
      'http://[::1]:3000',
    ]) {
      assert.equal(load({ env: { KEYTURN_ISSUER: issuer } }).config.issuer, issuer);
    }
  });

  test('is refused with the reason otherwise', () => {
    const reasons: [issuer: string, reason: RegExp][] = [
      ['id.example.com', /is not an absolute http or https URL/],
      ['ftp://id.example.com', /is not an absolute http or https URL/],
      ['https:id.example.com', /is not an absolute http or https URL/],
      ['https://', /is not an absolute http or https URL/],
      ['http://id.example.com', /is plain http/],
      ['http://10.0.0.1', /is plain http/],
      ['http://127.example.com', /is plain http/],
      ['https://id.example.com/', /has another spelling, which is https:\/\/id\.example\.com;/],
      ['https://ID.example.com', /has another spelling/],
      ['https://id.example.com:443', /has another spelling/],
      ['https://id.example.com/auth', /has a path/],
      ['https://id.example.com?a=b', /has a query or a fragment/],
      ['https://id.example.com?', /has a query or a fragment/],
      ['https://id.example.com#a', /has a query or a fragment/],
      ['https://ada@id.example.com', /carries a user name/],
    ];
    for (const [issuer, reason] of reasons) assert.match(wrong('KEYTURN_ISSUER', issuer), reason, issuer);
  });
});

describe('the host', () => {
  test('localhost is both loopback addresses, for a client may resolve it to either', () => {
    assert.deepEqual(load({ env: { KEYTURN_HOST: 'localhost' } }).config.host, ['127.0.0.1', '::1']);
  });

  test('may be an address or a name', () => {
    for (const host of ['0.0.0.0', '::', '::1', '192.0.2.1', 'node-1.internal']) {
      assert.deepEqual(load({ env: { KEYTURN_HOST: host } }).config.host, [host]);
    }
  });

  test('has no port, no scheme and no brackets', () => {
    for (const host of ['0.0.0.0:3000', 'http://localhost', '[::1]', '256.1.1.1', 'a b', '-a', '*']) {
      assert.match(wrong('KEYTURN_HOST', host), /is not an address/, host);
    }
  });
});

describe('trusted proxies', () => {
  test('are nobody, a number of hops, or addresses and blocks', () => {
    const trusted = (yaml: string) => load({ yaml }).config.trustProxy;
    assert.deepEqual(trusted('trustProxy: off'), { kind: 'nobody' });
    assert.deepEqual(trusted('trustProxy: false'), { kind: 'nobody' });
    assert.deepEqual(trusted('trustProxy: 2'), { kind: 'hops', count: 2 });
    assert.deepEqual(trusted('trustProxy: [10.0.0.0/8, "::1"]'), {
      kind: 'addresses',
      blocks: ['10.0.0.0/8', '::1'],
    });
    assert.deepEqual(load({ env: { KEYTURN_TRUST_PROXY: '10.0.0.0/8, fd00::/8' } }).config.trustProxy, {
      kind: 'addresses',
      blocks: ['10.0.0.0/8', 'fd00::/8'],
    });
  });

  test('are never everyone', () => {
    assert.match(wrong('KEYTURN_TRUST_PROXY', 'true'), /would let anyone choose/);
    assert.match(wrong('KEYTURN_TRUST_PROXY', '0.0.0.0/0'), /holds 0\.0\.0\.0\/0, which is everyone/);
    assert.match(wrong('KEYTURN_TRUST_PROXY', '10.0.0.1,::/0'), /holds ::\/0, which is everyone/);
  });

  test('are refused when one of them is no address', () => {
    for (const text of ['10.0.0.0/33', 'fd00::/129', 'proxy.internal', '10.0.0.1,', '10.0.0.1/a', '10.0.0']) {
      assert.match(wrong('KEYTURN_TRUST_PROXY', text), /neither an address nor a CIDR block/, text);
    }
    assert.match(wrong('KEYTURN_TRUST_PROXY', '0'), /from 1 to 16/);
  });
});

describe('the store', () => {
  test('is one that is known, and keeps what it is given', () => {
    assert.match(wrong('KEYTURN_STORE', 'data/keyturn.db'), /names no store that is known/);
    assert.match(wrong('KEYTURN_STORE', 'sqlite:'), /names no store that is known/);
    assert.match(
      wrong('KEYTURN_STORE', 'mysql://ada:hun/ter2@cache'),
      /"mysql:\/\/\[secret\]@cache" names no store/,
    );
    assert.match(wrong('KEYTURN_STORE', 'redis://a,b'), /names several servers/);
    assert.match(wrong('KEYTURN_STORE', 'sqlite::memory:'), /would forget everything/);
  });
});

describe('the schemes of applications', () => {
  const VARIABLE = 'KEYTURN_REDIRECT_SCHEMES';

  test('are none by default, and a list otherwise', () => {
    assert.deepEqual(load({}).config.redirectSchemes, []);
    const { config } = load({ env: { [VARIABLE]: 'cursor, vscode,vscode-insiders' } });
    assert.deepEqual(config.redirectSchemes, ['cursor', 'vscode', 'vscode-insiders']);
  });

  test('are never those that a browser runs, reads or opens by itself', () => {
    for (const scheme of [
      'javascript',
      'data',
      'file',
      'http',
      'https',
      'intent',
      'Cursor',
      'cursor://',
      '*',
    ])
      assert.match(wrong(VARIABLE, `vscode,${scheme}`), /is no scheme that leads to an application/, scheme);
  });

  test('do not go together with a profile that forbids them', () => {
    for (const profile of ['mcp', 'fapi-2.0-security', 'fapi-2.0-message-signing']) {
      const problems = problemsOf({ env: { [VARIABLE]: 'cursor', KEYTURN_PROFILE: profile } });
      assert.match(problems[0]?.message ?? '', /redirectSchemes is empty where profile is mcp/, profile);
    }
  });
});
