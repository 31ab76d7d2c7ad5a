import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  hasAdmittedScheme,
  isAdmissibleScheme,
  isLoopbackHttpsUri,
  isPrivateUseUri,
  parseRedirectUri,
  REDIRECT_URI_LENGTH_MAX,
  redirectUriAllowed,
} from '#src/clients/redirect-uri.ts';
import { fc } from '#test/support/properties.ts';
import { refusal } from '#test/support/refusal.ts';

const loopbackHost = fc.constantFrom('localhost', '127.0.0.1', '[::1]');
const port = fc.integer({ min: 0, max: 99_999 }).map(String);
const rest = fc.stringMatching(/^(?:\/[a-z.%:@]{0,6}){0,2}(?:\?[a-z=&]{0,6})?$/);
const loopbackUri = fc
  .tuple(loopbackHost, fc.option(port), rest)
  .map(([host, port, tail]) => `http://${host}${port === null ? '' : `:${port}`}${tail}`);
const otherUri = fc.constantFrom(
  'https://app.example.com/cb',
  'https://app.example.com:8443/cb',
  'https://localhost/cb',
  'com.example.app:/cb',
);
/** Texts that look like redirect URIs, most of them of hosts that are not what they seem. */
const oddUri = fc
  .tuple(
    fc.constantFrom('http:', 'https:', 'HTTP:', 'javascript:', 'com.example:', 'data:', 'x:', ''),
    fc.constantFrom('//', '/', '', '///', '\\\\'),
    fc.constantFrom(
      'localhost',
      '127.0.0.1',
      '[::1]',
      'localhost.evil.example',
      'user@localhost',
      '@localhost',
      '*',
    ),
    fc.constantFrom(
      '',
      ':',
      ':80',
      ':4000',
      ':65536',
      ':99999',
      ':4000@evil.example',
      '@evil.example',
      '.evil',
    ),
    fc.constantFrom('', '/', '/cb', '?cb', '#cb', '\\cb', ' ', '/%zz', '/é', '/\n'),
  )
  .map((parts) => parts.join(''));
const anyUri = fc.oneof(loopbackUri, otherUri, oddUri, fc.webUrl(), fc.string());

const withoutPort = (uri: string) => uri.replace(/^(http:\/\/[^/?]*?):\d+(?=[/?]|$)/, '$1');

describe('a requested redirect URI (RFC 9700 section 2.1, RFC 8252 section 7.3)', () => {
  test('is allowed only if it equals a registered one, or differs from it in a loopback port alone', () => {
    fc.assert(
      fc.property(fc.array(anyUri, { maxLength: 4 }), anyUri, (registered, requested) => {
        if (!redirectUriAllowed(registered, requested) || registered.includes(requested)) return;
        assert.match(requested, /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])([:/?]|$)/);
        assert.ok(registered.some((uri) => withoutPort(uri) === withoutPort(requested)));
      }),
      { numRuns: 2_000 },
    );
  });

  test('that is allowed leads to the host and scheme of a registered one', () => {
    fc.assert(
      fc.property(loopbackUri, oddUri, (uri, requested) => {
        if (URL.parse(uri) === null || !redirectUriAllowed([uri], requested)) return;
        const [to, from] = [new URL(requested), new URL(uri)];
        assert.deepEqual([to.protocol, to.hostname], [from.protocol, from.hostname]);
      }),
      { numRuns: 2_000 },
    );
  });

  test('on the loopback interface may have any port, and the registered one none', () => {
    fc.assert(
      fc.property(loopbackHost, fc.integer({ min: 0, max: 65_535 }), rest, (host, picked, tail) => {
        const requested = `http://${host}:${picked}${tail}`;
        assert.ok(redirectUriAllowed([`http://${host}${tail}`], requested));
        assert.ok(redirectUriAllowed([`http://${host}:4000${tail}`], requested));
      }),
    );
  });

  const registered = ['https://app.example.com/cb', 'http://127.0.0.1:4000/cb', 'com.example.app:/cb'];
  for (const requested of [
    'https://app.example.com/cb/',
    'https://app.example.com/CB',
    'https://app.example.com/cb?next=1',
    'https://app.example.com/cb#',
    'https://app.example.com:443/cb',
    'https://APP.example.com/cb',
    'http://app.example.com/cb',
    'https://app.example.com/x/../cb',
    'https://127.0.0.1:4000/cb',
    'http://localhost:4000/cb',
    'http://127.0.0.1:4000/cb/',
    'http://127.0.0.1:4000@evil.example/cb',
    'http://127.0.0.1.evil.example:4000/cb',
    'http://127.1:4000/cb',
    'http://127.0.0.1:/cb',
    'http://127.0.0.1:99999/cb',
    'http://127.0.0.1:4000\\cb',
    ' http://127.0.0.1:4000/cb',
    'com.example.app:/cb/',
    'com.example.app://cb',
    '',
  ]) {
    test(`is refused when it is ${JSON.stringify(requested)}`, () => {
      assert.equal(redirectUriAllowed(registered, requested), false);
    });
  }
});

describe('a redirect URI for registration (RFC 6749 section 3.1.2, RFC 8252 section 7)', () => {
  for (const uri of [
    'https://app.example.com/cb',
    'https://app.example.com',
    'https://app.example.com/cb?tenant=1&x=%20',
    'https://[2001:db8::1]/cb',
    'http://localhost/cb',
    'http://127.0.0.1:4000/cb',
    'http://[::1]:4000/cb',
    'com.example.app:/oauth/cb',
    'com.example.app://cb',
  ]) {
    test(`may be ${uri}`, () => {
      assert.equal(parseRedirectUri(uri), uri);
      assert.ok(redirectUriAllowed([uri], uri));
    });
  }

  const refused: readonly (readonly [why: string, uri: string])[] = [
    ['relative', '/cb'],
    ['without the slashes of its authority', 'https:app.example.com/cb'],
    ['with one slash too many', 'https:///app.example.com/cb'],
    ['http on another host', 'http://app.example.com/cb'],
    ['http on a host that only begins like the loopback interface', 'http://localhost.example.com/cb'],
    ['http on a loopback address in another spelling', 'http://127.1/cb'],
    ['with a fragment', 'https://app.example.com/cb#here'],
    ['with an empty fragment', 'https://app.example.com/cb#'],
    ['with credentials', 'https://user:password@app.example.com/cb'],
    ['with empty credentials', 'https://@app.example.com/cb'],
    ['with a host behind what looks like one', 'https://app.example.com:x@evil.example/cb'],
    ['with a wildcard for a host', 'https://*.example.com/cb'],
    ['with a port that no machine has', 'http://localhost:65536/cb'],
    ['with a scheme in capitals', 'HTTPS://app.example.com/cb'],
    ['a script', 'javascript:alert(1)'],
    ['a script in capitals', 'JavaScript:alert(1)'],
    ['data', 'data:text/html,hello'],
    ['a file', 'file:///etc/passwd'],
    ['a web socket', 'wss://app.example.com/cb'],
    ['an intent, which starts whatever it names', 'intent://scan/#Intent;end'],
    ['a name', 'urn:ietf:wg:oauth:2.0:oob'],
    ['with a space', 'https://app.example.com/c b'],
    ['with a line break', 'https://app.example.com/cb\r\nSet-Cookie:a=b'],
    ['with a backslash, which browsers take for a slash', 'https://app.example.com\\@evil.example/cb'],
    ['with markup', 'https://app.example.com/<script>'],
    ['with a quotation mark', 'https://app.example.com/"'],
    ['with a broken percent encoding', 'https://app.example.com/%zz'],
    ['with letters beyond ASCII', 'https://äpp.example.com/cb'],
    ['too long', `https://app.example.com/${'a'.repeat(REDIRECT_URI_LENGTH_MAX)}`],
    ['empty', ''],
  ];
  for (const [why, uri] of refused) {
    test(`is refused when it is ${why}`, () => {
      assert.throws(() => parseRedirectUri(uri), refusal('invalid_redirect_uri'));
    });
  }

  test('whatever the text, is returned as it is or refused', () => {
    fc.assert(
      fc.property(fc.oneof(anyUri, fc.string({ unit: 'binary' })), (text) => {
        try {
          assert.equal(parseRedirectUri(text), text);
        } catch (problem) {
          assert.ok(refusal('invalid_redirect_uri')(problem), String(problem));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('that is accepted is a URL without fragment and credentials, and http on the loopback interface only', () => {
    fc.assert(
      fc.property(anyUri, (text) => {
        try {
          parseRedirectUri(text);
        } catch {
          return;
        }
        const url = new URL(text);
        assert.deepEqual([url.hash, url.username, url.password], ['', '', '']);
        assert.ok(!text.includes('#'));
        if (url.protocol === 'http:') assert.ok(['localhost', '127.0.0.1', '[::1]'].includes(url.hostname));
        if (!/^https?:$/.test(url.protocol)) {
          assert.equal(hasAdmittedScheme(text, []), url.protocol.includes('.'));
          assert.ok(hasAdmittedScheme(text, [url.protocol.slice(0, -1)]));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('is of the web or of one application', () => {
    const uris = [
      'https://app.example.com/cb',
      'http://localhost/cb',
      'com.example.app:/cb',
      'https.example:/cb',
    ];
    assert.deepEqual(uris.map(isPrivateUseUri), [false, false, true, true]);
  });

  test('has a scheme that is named after a domain, or is one of those that are listed', () => {
    for (const uri of ['https://app.example.com/cb', 'http://localhost/cb', 'com.example.app:/cb'])
      assert.ok(hasAdmittedScheme(uri, []), uri);
    for (const uri of ['cursor://cb', 'cursors:/cb', 'cursor2:/cb']) {
      assert.ok(!hasAdmittedScheme(uri, []), uri);
      assert.equal(hasAdmittedScheme(uri, ['cursor']), uri === 'cursor://cb', uri);
    }
  });

  test('of a scheme that leads to no application is never admitted', () => {
    for (const scheme of ['cursor', 'vscode', 'vscode-insiders', 'x+y'])
      assert.ok(isAdmissibleScheme(scheme));
    for (const scheme of [
      'http',
      'https',
      'javascript',
      'data',
      'file',
      'blob',
      'about',
      'ws',
      'ftp',
      'intent',
      'mailto',
      'urn',
      'view-source',
      'Cursor',
      'JavaScript',
      'cursor:',
      'cursor://',
      '',
      '1password',
      'a b',
      '*',
    ])
      assert.ok(!isAdmissibleScheme(scheme), scheme);
  });

  test('with https on the loopback interface is told from others', () => {
    const uris = [
      'https://localhost/cb',
      'https://127.0.0.1:1/',
      'https://[::1]/',
      'http://localhost/cb',
      'https://a.example',
    ];
    assert.deepEqual(uris.map(isLoopbackHttpsUri), [true, true, true, false, false]);
  });
});
