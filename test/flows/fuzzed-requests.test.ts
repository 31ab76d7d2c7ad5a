import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CALLBACK, type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { fc } from '#test/support/properties.ts';
import { assertDiscreet, assertRefused, DESCRIPTION, refusalOf } from '#test/support/refused.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const RUNS = { numRuns: 150, endOnFailure: true };
const API = 'https://api.example.com';

describe('no combination of parameters brings the server down, or past its rules', () => {
  let keyturn: Keyturn;
  let clientId: string;
  let authorization: string;
  /** Values that mean something to this server: a reader may combine them as it likes. */
  let known: string[];

  before(async () => {
    keyturn = await startKeyturnHere();
    const { password } = await keyturn.addAccount('ada');
    await keyturn.addResourceServer();
    const added = await keyturn.addClient({
      redirectUris: [CALLBACK],
      grantTypes: ['authorization_code', 'refresh_token', 'client_credentials'],
      scope: 'openid offline_access read',
    });
    clientId = added.client.clientId;
    authorization = `Basic ${Buffer.from(`${clientId}:${added.secret}`).toString('base64')}`;
    const web = await RelyingParty.discover(keyturn, added);
    const tokens = await web.signIn(new Person(), { login: 'ada', password }, { scope: 'openid read' });
    const { url } = await web.request();
    known = [
      clientId,
      'code',
      'token',
      'id_token',
      'none',
      'login',
      'consent',
      'openid',
      'read',
      'write',
      'openid read',
      'offline_access',
      'S256',
      'plain',
      'query',
      'fragment',
      'form_post',
      CALLBACK,
      'http://127.0.0.1:1/callback',
      'https://evil.example/',
      'com.evil.app:/',
      API,
      `${API}/`,
      keyturn.issuer,
      url.searchParams.get('code_challenge') as string,
      'authorization_code',
      'refresh_token',
      'client_credentials',
      'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      'urn:ietf:params:oauth:request_uri:x',
      'access_token',
      tokens.access_token,
      tokens.id_token ?? '',
      `${tokens.access_token}x`,
      'e30.e30.e30',
      '0',
      '-1',
      '1e9',
      'true',
      '',
      ' ',
      '__proto__',
      'constructor',
      '{}',
      '[]',
      'null',
      '\u0000',
    ];
  });
  after(() => stopFaultless(keyturn));

  const NAMES = [
    'client_id',
    'client_secret',
    'client_assertion',
    'client_assertion_type',
    'grant_type',
    'code',
    'code_verifier',
    'redirect_uri',
    'refresh_token',
    'scope',
    'resource',
    'token',
    'token_type_hint',
    'access_token',
    'response_type',
    'response_mode',
    'state',
    'nonce',
    'prompt',
    'max_age',
    'login_hint',
    'ui_locales',
    'id_token_hint',
    'acr_values',
    'display',
    'claims',
    'claims_locales',
    'request',
    'request_uri',
    'registration',
    'code_challenge',
    'code_challenge_method',
    'dpop_jkt',
    'authorization_details',
    'web_message_uri',
    'logout',
    'xsrf',
    'post_logout_redirect_uri',
    '__proto__',
    'constructor',
    'a[b]',
  ];
  const value = fc.oneof(
    { weight: 3, arbitrary: fc.nat().map((index) => known[index % known.length] as string) },
    fc.string({ unit: 'binary' }),
    fc.string({ unit: 'grapheme' }),
  );
  const parameters = fc.array(
    fc.tuple(fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...NAMES) }, fc.string()), value),
    { maxLength: 12 },
  );
  const authorizationHeader = fc.option(
    fc.oneof(
      { weight: 3, arbitrary: fc.constant(null) },
      fc.base64String().map((text) => `Basic ${text}`),
      value.map((text) => `Basic ${Buffer.from(`${clientId}:${text}`).toString('base64')}`),
      fc.stringMatching(/^[!-~]{0,40}$/).map((text) => `Bearer ${text}`),
      fc.stringMatching(/^[ -~]{0,40}$/).map((text) => text.trim()),
    ),
    { nil: undefined },
  );
  // A lone surrogate cannot be written in UTF-8, and URLSearchParams replaces it.
  const formOf = (entries: readonly (readonly [string, string])[]) =>
    new URLSearchParams(entries.map(([name, text]): [string, string] => [name, text]));
  const post = (
    path: string,
    body: URLSearchParams | Uint8Array<ArrayBuffer>,
    header: string | null | undefined,
  ) =>
    fetch(keyturn.issuer + path, {
      method: 'POST',
      body,
      redirect: 'manual',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        ...(header === undefined ? undefined : { authorization: header ?? authorization }),
      },
    });

  for (const path of ['/token', '/introspect', '/revoke', '/par', '/userinfo']) {
    test(`${path} answers any form with what was asked for or with an error of the RFC`, async () => {
      await fc.assert(
        fc.asyncProperty(parameters, authorizationHeader, async (entries, header) => {
          const response = await post(path, formOf(entries), header);
          if (response.status >= 400) return void (await refusalOf(response));
          assert.ok([200, 201].includes(response.status), String(response.status));
          assertDiscreet(await response.text());
        }),
        RUNS,
      );
    });
  }

  test('any bytes at all in the place of a form', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('/token', '/introspect', '/revoke', '/par', '/userinfo'),
        fc.uint8Array({ maxLength: 300 }),
        async (path, bytes) => {
          const response = await post(path, new Uint8Array(bytes), null);
          if (response.status >= 400) return void (await refusalOf(response));
          assert.equal(response.status, 200);
        },
      ),
      RUNS,
    );
  });

  for (const path of ['/authorize', '/logout']) {
    test(`${path} sends nobody anywhere but to a page of its own or back to the client`, async () => {
      await fc.assert(
        fc.asyncProperty(parameters, fc.boolean(), fc.boolean(), async (entries, complete, posted) => {
          const query = formOf(entries);
          if (complete) {
            for (const [name, text] of [
              ['client_id', clientId],
              ['response_type', 'code'],
              ['redirect_uri', CALLBACK],
            ] as const)
              if (!query.has(name)) query.set(name, text);
          }
          const response = posted
            ? await post(path, query, undefined)
            : await fetch(`${keyturn.issuer}${path}?${query}`, { redirect: 'manual' });
          const location = response.headers.get('location');
          const text = await response.text();
          if (location === null) {
            if (response.status >= 400) assertRefused(response.status, text);
            else assert.equal(response.status, 200);
            const action = /<form[^>]* action="([^"]*)"/.exec(text)?.[1] ?? '/';
            assert.ok(action.startsWith('/') || action.startsWith('http://127.0.0.1:'), action);
            return;
          }
          const target = new URL(location, keyturn.issuer);
          const own = target.origin === new URL(keyturn.issuer).origin;
          assert.ok(
            own ||
              (target.protocol === 'http:' &&
                target.hostname === '127.0.0.1' &&
                target.pathname === '/callback'),
            location,
          );
          if (own) return;
          const answer = new URLSearchParams(target.hash.slice(1) || target.search);
          assert.ok(answer.get('error'), location);
          assert.notEqual(answer.get('error'), 'server_error');
          assert.equal(answer.get('code'), null);
          assert.match(answer.get('error_description') ?? '', DESCRIPTION);
          assertDiscreet(answer.get('error_description') ?? '');
        }),
        RUNS,
      );
    });
  }

  test('any path, by any method, is an answer', async () => {
    const path = fc.oneof(
      fc.webPath(),
      fc
        .tuple(
          fc.constantFrom(
            '/interaction/',
            '/authorize/',
            '/assets/',
            '/logout/',
            '/.well-known/',
            '//',
            '/%',
          ),
          fc.webPath(),
        )
        .map((parts) => parts.join('')),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'),
        path,
        async (method, target) => {
          const response = await fetch(`${keyturn.issuer}/${target.replace(/^\//, '')}`, {
            method,
            redirect: 'manual',
          });
          assert.ok(response.status < 500, `${method} ${target} ${response.status}`);
          assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
          assertDiscreet(await response.text());
        },
      ),
      RUNS,
    );
  });
});
