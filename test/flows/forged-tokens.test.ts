import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { CompactSign, decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, type JWK } from 'jose';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { assertRefused, refusalOf } from '#test/support/refused.ts';
import { RelyingParty, type Tokens } from '#test/support/relying-party.ts';

const FORM = 'application/x-www-form-urlencoded';
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('tokens that this server did not issue, or not for this', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let tokens: Tokens;
  let refreshToken: string;
  let jwk: JWK;
  let authorization: string;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    const added = await keyturn.addClient({ scope: 'openid profile offline_access read' });
    web = await RelyingParty.discover(keyturn, added);
    authorization = `Basic ${Buffer.from(`${added.client.clientId}:${added.secret}`).toString('base64')}`;
    tokens = await web.signIn(new Person(), ada, { scope: 'openid profile' });
    refreshToken = tokens.refresh_token ?? '';
    const { keys } = (await (await fetch(`${keyturn.issuer}/jwks`)).json()) as { keys: JWK[] };
    jwk = keys.find(({ kid }) => kid === decodeProtectedHeader(tokens.access_token).kid) as JWK;
  });
  afterEach(() => mock.timers.reset());
  after(() => stopFaultless(keyturn));

  const post = (
    path: string,
    fields: Record<string, string>,
    headers: Record<string, string> = { authorization },
  ) => fetch(keyturn.issuer + path, { method: 'POST', body: new URLSearchParams(fields), headers });
  const userinfo = (token: string) =>
    fetch(`${keyturn.issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } });

  /** Fails if the text passes for a token of any kind at any endpoint. */
  async function assertWorthless(token: string, what: string) {
    assert.deepEqual(await (await post('/introspect', { token })).json(), { active: false }, what);
    for (const token_type_hint of ['access_token', 'refresh_token']) {
      assert.deepEqual(
        await (await post('/introspect', { token, token_type_hint })).json(),
        { active: false },
        what,
      );
    }
    assert.equal((await post('/revoke', { token })).status, 200, what);
    assert.deepEqual(
      await refusalOf(await post('/token', { grant_type: 'refresh_token', refresh_token: token })),
      { status: 400, error: 'invalid_grant' },
      what,
    );
    assert.deepEqual(
      await refusalOf(
        await post('/token', {
          grant_type: 'authorization_code',
          code: token,
          redirect_uri: 'http://127.0.0.1:4000/callback',
          code_verifier: 'v'.repeat(43),
        }),
      ),
      { status: 400, error: 'invalid_grant' },
      what,
    );
    if (!/[^\x21-\x7e]/.test(token)) {
      const answer = await userinfo(token);
      const { status } = await refusalOf(answer);
      assert.equal(status, 401, what);
      assert.match(answer.headers.get('www-authenticate') ?? '', /error="invalid_token"/, what);
    }
    const inForm = await refusalOf(await post('/userinfo', { access_token: token }, {}));
    assert.equal(inForm.status, 401, what);
  }

  test('the tokens are good to begin with', async () => {
    assert.equal((await userinfo(tokens.access_token)).status, 200);
    assert.equal((await web.introspect(tokens.access_token)).active, true);
    assert.equal((await web.introspect(refreshToken)).active, true);
  });

  test('texts that look like JWTs and are none', async () => {
    const [header = '', claims = '', signature = ''] = tokens.access_token.split('.');
    for (const [what, token] of Object.entries({
      dots: '..',
      dot: '.',
      manyDots: '.'.repeat(5_000),
      'empty header': `.${claims}.${signature}`,
      'empty claims': `${header}..${signature}`,
      'empty signature': `${header}.${claims}.`,
      'no signature': `${header}.${claims}`,
      'trailing dot': `${tokens.access_token}.`,
      'leading dot': `.${tokens.access_token}`,
      'five parts': `${tokens.access_token}.${claims}.${signature}`,
      padded: `${header}=.${claims}.${signature}=`,
      'header is no JSON': `${Buffer.from('nonsense').toString('base64url')}.${claims}.${signature}`,
      'header is null': `${encode(null)}.${claims}.${signature}`,
      'header is a list': `${encode([])}.${claims}.${signature}`,
      'header is a text': `${encode('at+jwt')}.${claims}.${signature}`,
      'claims are null': `${header}.${encode(null)}.${signature}`,
      'odd types': `${encode({ alg: {}, kid: [], typ: 1 })}.${claims}.${signature}`,
      'deeply nested': `${Buffer.from('['.repeat(9_000)).toString('base64url')}.x.y`,
      'bad UTF-8': `${Buffer.from([123, 34, 255, 34, 125]).toString('base64url')}.${claims}.${signature}`,
      'plus and slash': `${header}.${claims}.++//`,
      space: `${header}.${claims}.${signature} `,
      NUL: `${tokens.access_token}\u0000`,
      letters: 'é.è.ê',
      emoji: '\u{1f600}.\u{1f600}.\u{1f600}',
      empty64: 'e30.e30.e30',
      prototype: `${encode({ ...decodeProtectedHeader(tokens.access_token), kid: '__proto__' })}.${claims}.${signature}`,
    }))
      await assertWorthless(token, what);
  });

  test('the same token written otherwise: another case, spare bits, tildes for its dots', async () => {
    for (const token of [tokens.access_token, refreshToken]) {
      const [header = '', claims = '', signature = ''] = token.split('.');
      const spare = signature.slice(0, -1) + { A: 'B', Q: 'R', g: 'h', w: 'x' }[signature.at(-1) as string];
      for (const disguise of [
        token.toUpperCase(),
        token.toLowerCase(),
        token.replaceAll('.', '~'),
        token.replace('.', '~'),
        token.replaceAll('.', '~~'),
        `${header}~${claims}.${signature}`,
        `${header}.${claims}.${spare}`,
        `Bearer ${token}`,
        `${token}~`,
      ]) {
        await assertWorthless(disguise, disguise);
      }
    }
    assert.equal(
      (await web.introspect(tokens.access_token)).active,
      true,
      'revoking a disguise revokes nothing',
    );
    assert.equal((await web.introspect(refreshToken)).active, true);
  });

  test('a JWT of a megabyte, where the limits let it in, is turned away unread', async () => {
    await assertWorthless(
      `${'a'.repeat(15_000)}.${'b'.repeat(15_000)}.${'c'.repeat(15_000)}`.slice(0, 30_000),
      'long',
    );
    const huge = `${encode({ alg: 'ES256', typ: 'at+jwt' })}.${'A'.repeat(1024 * 1024)}.x`;
    assert.equal((await post('/introspect', { token: huge })).status, 413);
  });

  test('alg none, in every spelling (RFC 8725 section 3.1)', async () => {
    for (const token of [tokens.access_token, refreshToken]) {
      const [, claims = '', signature = ''] = token.split('.');
      for (const alg of ['none', 'None', 'NONE', 'nOnE', '', null, undefined]) {
        for (const end of ['', signature, encode({})]) {
          await assertWorthless(
            `${encode({ ...decodeProtectedHeader(token), alg })}.${claims}.${end}`,
            `alg ${alg}`,
          );
        }
      }
    }
  });

  test("HMAC with the public key for a secret, and other algorithms than the key's (RFC 8725 section 3.1)", async () => {
    const pem = createPublicKey({ key: jwk as never, format: 'jwk' }).export({ type: 'spki', format: 'pem' });
    const header = decodeProtectedHeader(tokens.access_token);
    for (const secret of [pem, pem.toString().trim(), JSON.stringify(jwk), jwk.x ?? '', jwk.kid ?? '']) {
      for (const alg of ['HS256', 'HS512']) {
        const forged = await new CompactSign(
          Buffer.from(tokens.access_token.split('.')[1] as string, 'base64url'),
        )
          .setProtectedHeader({ ...header, alg })
          .sign(Buffer.from(secret).length < 32 ? Buffer.alloc(64, secret) : Buffer.from(secret));
        await assertWorthless(forged, `${alg} by the public key`);
      }
    }
    for (const alg of ['ES384', 'RS256', 'PS256', 'EdDSA', 'ES256K']) {
      const [, claims, signature] = tokens.access_token.split('.');
      await assertWorthless(`${encode({ ...header, alg })}.${claims}.${signature}`, alg);
    }
  });

  test("another's key, under our kid, an unknown one, a strange one or none, or brought along (RFC 8725 section 3.10)", async () => {
    const own = await generateKeyPair('ES256', { extractable: true });
    const brought = await exportJWK(own.publicKey);
    for (const token of [tokens.access_token, refreshToken]) {
      const { alg: _, ...header } = decodeProtectedHeader(token);
      const claims = Buffer.from(token.split('.')[1] as string, 'base64url');
      for (const changed of [
        {},
        { kid: 'unknown' },
        { kid: undefined },
        { kid: '' },
        { kid: '../../../../dev/null' },
        { kid: "' OR 1=1 --" },
        { kid: 'constructor' },
        { kid: undefined, jwk: brought },
        { jwk: { ...brought, kid: header.kid } },
        { jku: 'http://127.0.0.1:1/jwks', kid: 'x' },
        { x5u: 'http://127.0.0.1:1/' },
        { x5c: ['AAAA'] },
      ]) {
        const protectedHeader = JSON.parse(JSON.stringify({ ...header, ...changed, alg: 'ES256' }));
        await assertWorthless(
          await new CompactSign(claims).setProtectedHeader(protectedHeader).sign(own.privateKey),
          JSON.stringify(changed),
        );
      }
    }
  });

  test('changed claims and a changed header, each with the true signature', async () => {
    for (const token of [tokens.access_token, refreshToken]) {
      const [header = '', claims = '', signature = ''] = token.split('.');
      for (const change of [
        { exp: 4_102_444_800 },
        { sub: 'root' },
        { scope: 'openid admin' },
        { client_id: 'other' },
        { aud: 'x' },
        { jti: 'x' },
        { iss: 'https://evil.example' },
        { grant_id: undefined },
      ]) {
        const changed = encode({ ...decodeJwt(token), ...change });
        if (changed !== claims)
          await assertWorthless(`${header}.${changed}.${signature}`, JSON.stringify(change));
      }
      for (const change of [
        { typ: 'JWT' },
        { typ: 'rt+jwt' },
        { typ: undefined },
        { crit: ['exp'] },
        { b64: false, crit: ['b64'] },
      ]) {
        const changed = { ...decodeProtectedHeader(token), ...change };
        if (encode(changed) !== header)
          await assertWorthless(`${encode(changed)}.${claims}.${signature}`, JSON.stringify(change));
      }
    }
  });

  test('tokens of another issuer', async () => {
    await using other = await startKeyturnHere();
    const { password } = await other.addAccount('ada');
    const elsewhere = await RelyingParty.discover(other, await other.addClient());
    const theirs = await elsewhere.signIn(new Person(), { login: 'ada', password });
    await assertWorthless(theirs.access_token, 'access token');
    await assertWorthless(theirs.refresh_token ?? '', 'refresh token');
    await assertWorthless(theirs.id_token ?? '', 'ID token');
  });

  test('an ID token is no access token, and none for refreshing (RFC 8725 section 3.11)', async () => {
    await assertWorthless(tokens.id_token ?? '', 'ID token');
  });

  test('a refresh token is no access token, nor the reverse (RFC 8725 section 3.11)', async () => {
    const asAccessToken = await userinfo(refreshToken);
    assert.equal((await refusalOf(asAccessToken)).status, 401);
    const asRefreshToken = await post('/token', {
      grant_type: 'refresh_token',
      refresh_token: tokens.access_token,
    });
    assert.deepEqual(await refusalOf(asRefreshToken), { status: 400, error: 'invalid_grant' });
    for (const token of [refreshToken, tokens.access_token]) {
      assert.equal(
        (
          await refusalOf(
            await post('/token', {
              grant_type: 'authorization_code',
              code: token,
              redirect_uri: 'x',
              code_verifier: 'v'.repeat(43),
            }),
          )
        ).error,
        'invalid_grant',
      );
    }
  });

  test('an authorization code is no token', async () => {
    const { url } = await web.request();
    const callback = await new Person().authorize(url, ada);
    const code = callback.searchParams.get('code') ?? '';
    assert.deepEqual(await (await post('/introspect', { token: code })).json(), { active: false });
    assert.equal((await userinfo(code)).status, 401);
    assert.equal(
      (await refusalOf(await post('/token', { grant_type: 'refresh_token', refresh_token: code }))).error,
      'invalid_grant',
    );
  });

  test('a token that is only good for an API is no good for userinfo, nor one without openid', async () => {
    await keyturn.addResourceServer();
    const resource = 'https://api.example.com';
    const forApi = await web.signIn(new Person(), ada, { scope: 'openid read', resource }, { resource });
    const plain = await web.signIn(new Person(), ada, { scope: 'read', resource });
    for (const { access_token: token } of [forApi, plain]) {
      assert.deepEqual(await refusalOf(await userinfo(token)), { status: 403, error: 'insufficient_scope' });
    }
  });

  test('expired tokens', async () => {
    const { access_token: token } = await web.signIn(new Person(), ada);
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 240_000 });
    assert.equal((await userinfo(token)).status, 200);
    mock.timers.reset();
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 300_000 });
    await assertWorthless(token, 'expired');
  });

  test('a token goes into a header or a form, never into an address, and into one place only (RFC 6750 section 2)', async () => {
    const inQuery = await fetch(`${keyturn.issuer}/userinfo?access_token=${tokens.access_token}`);
    assertRefused(inQuery.status, await inQuery.text());
    const twice = await post(
      '/userinfo',
      { access_token: tokens.access_token },
      { authorization: `Bearer ${tokens.access_token}` },
    );
    assert.deepEqual(await refusalOf(twice), { status: 400, error: 'invalid_request' });
    const inForm = await post('/userinfo', { access_token: tokens.access_token }, { 'content-type': FORM });
    assert.equal(inForm.status, 200);
  });
});
