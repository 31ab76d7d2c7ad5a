import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { type Answer, answerTo, readAnswer } from '#test/support/answer.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';

/**
 * What the modules of the OpenID certification plans for the basic, form post and config profiles look at, each under
 * its module's name: a client without PKCE, as OpenID Connect Core has it, and no library between.
 */
const REDIRECT = 'https://suite.example.com/test/a/keyturn/callback';

type Json = Record<string, unknown>;

for (const responseMode of ['default', 'form_post'] as const) {
  describe(`the certification of OpenID providers, basic, with ${responseMode} responses`, () => {
    let keyturn: Keyturn;
    let metadata: Json;
    let client: { id: string; secret: string };
    let other: { id: string; secret: string };
    let posting: { id: string; secret: string };
    let subject: string;
    const ada = { login: 'ada', password: '' };

    const register = async (registration: object) => {
      const added = await keyturn.addClient({
        redirectUris: [REDIRECT],
        scope: 'openid profile email offline_access',
        requirePkce: false,
        ...registration,
      });
      return { id: added.client.clientId, secret: added.secret };
    };

    before(async () => {
      keyturn = await startKeyturnHere();
      const { account, password } = await keyturn.addAccount('ada');
      Object.assign(ada, { password });
      subject = account.subject;
      client = await register({ name: 'Suite' });
      other = await register({ name: 'Second client' });
      posting = await register({ name: 'Posting', authenticationMethod: 'client_secret_post' });
      const answer = await fetch(`${keyturn.issuer}/.well-known/openid-configuration`);
      metadata = (await answer.json()) as Json;
    });
    afterEach(() => mock.timers.reset());
    after(() => stopFaultless(keyturn));

    const laterBy = (seconds: number) =>
      mock.timers.enable({ apis: ['Date'], now: Date.now() + seconds * 1000 });

    function requestFor(changes: Record<string, string | undefined> = {}): URL {
      const url = new URL(metadata.authorization_endpoint as string);
      const parameters = {
        client_id: client.id,
        redirect_uri: REDIRECT,
        response_type: 'code',
        scope: 'openid',
        state: 'a state',
        nonce: 'a nonce',
        response_mode: responseMode === 'default' ? undefined : responseMode,
        ...changes,
      };
      for (const [name, value] of Object.entries(parameters))
        if (value !== undefined) url.searchParams.set(name, value);
      return url;
    }

    const basic = ({ id, secret }: typeof client) => ({
      authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
    });

    async function token(
      fields: Record<string, string>,
      by = client,
    ): Promise<{ status: number; body: Json }> {
      const answer = await fetch(metadata.token_endpoint as string, {
        method: 'POST',
        headers: basic(by),
        body: new URLSearchParams(fields),
      });
      assert.match(answer.headers.get('cache-control') ?? '', /no-store/);
      return { status: answer.status, body: (await answer.json()) as Json };
    }

    const redemption = (code: string | undefined) => ({
      grant_type: 'authorization_code',
      code: code ?? '',
      redirect_uri: REDIRECT,
    });

    /** The whole flow, as far as each module takes it. */
    async function run(changes: Record<string, string | undefined> = {}, person = new Person()) {
      const answer = await answerTo(person, requestFor(changes), ada);
      assert.equal(answer.mode, responseMode === 'default' ? 'query' : responseMode);
      assert.equal(answer.to, REDIRECT);
      assert.equal(answer.fields.state, 'state' in changes ? changes.state : 'a state');
      assert.equal(answer.fields.iss, keyturn.issuer);
      const { status, body } = await token(redemption(answer.fields.code));
      assert.equal(status, 200, JSON.stringify(body));
      assert.equal(body.token_type, 'Bearer');
      const keys = createRemoteJWKSet(new URL(metadata.jwks_uri as string));
      const verified = await jwtVerify(body.id_token as string, keys, {
        issuer: keyturn.issuer,
        audience: client.id,
      });
      return { person, tokens: body, claims: verified.payload as Json, header: verified.protectedHeader };
    }

    async function userinfo(accessToken: unknown, init: RequestInit = {}): Promise<Json> {
      const answer = await fetch(metadata.userinfo_endpoint as string, {
        headers: { authorization: `Bearer ${accessToken}` },
        ...init,
      });
      assert.equal(answer.status, 200);
      return (await answer.json()) as Json;
    }

    const refusalIn = (answer: Answer) => {
      assert.equal(answer.fields.code, undefined);
      assert.equal(answer.fields.state, 'a state');
      return answer.fields.error;
    };

    test('oidcc-server', async () => {
      const { claims, tokens } = await run();
      assert.equal(claims.sub, subject);
      assert.equal(claims.nonce, 'a nonce');
      for (const claim of ['iat', 'exp']) assert.ok(Number.isInteger(claims[claim]));
      if (claims.at_hash !== undefined) {
        const digest = createHash('sha256').update(String(tokens.access_token)).digest();
        assert.equal(claims.at_hash, digest.subarray(0, 16).toString('base64url'));
      }
    });

    test('oidcc-response-type-missing', async () => {
      const visit = await new Person().visit(requestFor({ response_type: undefined }));
      const answer = visit.leftTo === null && !visit.html.includes('post-on') ? null : readAnswer(visit);
      if (answer === null) assert.equal(visit.response.status, 400);
      else assert.equal(refusalIn(answer), 'invalid_request');
    });

    test('oidcc-idtoken-signature', async () => {
      const { header } = await run();
      const keys = (await (await fetch(metadata.jwks_uri as string)).json()) as { keys: Json[] };
      assert.equal(keys.keys.filter(({ kid }) => kid === header.kid).length, 1);
      assert.notEqual(header.alg, 'none');
    });

    test('oidcc-userinfo-get, oidcc-userinfo-post-header and oidcc-userinfo-post-body', async () => {
      const { tokens } = await run();
      const body = new URLSearchParams({ access_token: String(tokens.access_token) });
      for (const info of [
        await userinfo(tokens.access_token),
        await userinfo(tokens.access_token, { method: 'GET' }),
        await userinfo(tokens.access_token, {
          method: 'POST',
          headers: { authorization: `Bearer ${tokens.access_token}` },
        }),
        await userinfo(undefined, { method: 'POST', headers: {}, body }),
      ])
        assert.equal(info.sub, subject);
    });

    test('oidcc-ensure-request-without-nonce-succeeds-for-code-flow', async () => {
      const { claims } = await run({ nonce: undefined });
      assert.equal(claims.nonce, undefined);
    });

    test('oidcc-scope-profile and oidcc-scope-email', async () => {
      const profile = await run({ scope: 'openid profile' });
      assert.equal((await userinfo(profile.tokens.access_token)).preferred_username, 'ada');
      const email = await run({ scope: 'openid email' });
      const info = await userinfo(email.tokens.access_token);
      assert.equal(info.email, 'ada@example.com');
      assert.equal(typeof info.email_verified, 'boolean');
    });

    test('oidcc-scope-address, oidcc-scope-phone and oidcc-scope-all are skipped, as the metadata names no such scope', () => {
      for (const scope of ['address', 'phone'])
        assert.ok(!(metadata.scopes_supported as string[]).includes(scope));
    });

    test('oidcc-ensure-other-scope-order-succeeds', async () => {
      const { tokens } = await run({ scope: 'email openid' });
      assert.equal((await userinfo(tokens.access_token)).email, 'ada@example.com');
    });

    test('oidcc-display-page and oidcc-display-popup', async () => {
      for (const display of ['page', 'popup', 'touch', 'wap']) await run({ display });
    });

    test('oidcc-prompt-login', async () => {
      const { person, claims } = await run();
      laterBy(5);
      const page = await person.visit(requestFor({ prompt: 'login' }));
      assert.match(page.html, /\/sign-in"/, 'the person is asked a second time');
      const again = readAnswer(await person.submit(page, '/sign-in', ada));
      const { body } = await token(redemption(again.fields.code));
      const second = JSON.parse(
        Buffer.from(String(body.id_token).split('.')[1] ?? '', 'base64url').toString(),
      ) as Json;
      assert.ok(Number(second.auth_time) > Number(claims.auth_time));
      assert.equal(second.sub, claims.sub);
    });

    test('oidcc-prompt-none-not-logged-in', async () => {
      const answer = readAnswer(await new Person().visit(requestFor({ prompt: 'none' })));
      assert.equal(refusalIn(answer), 'login_required');
    });

    test('oidcc-prompt-none-logged-in', async () => {
      const { person, claims } = await run();
      const silent = await run({ prompt: 'none' }, person);
      assert.equal(silent.claims.sub, claims.sub);
      assert.equal(silent.claims.auth_time, claims.auth_time);
    });

    test('oidcc-max-age-1', async () => {
      const { person, claims } = await run();
      laterBy(3);
      const page = await person.visit(requestFor({ max_age: '1' }));
      assert.match(page.html, /\/sign-in"/);
      const answer = readAnswer(await person.submit(page, '/sign-in', ada));
      const { body } = await token(redemption(answer.fields.code));
      const second = JSON.parse(
        Buffer.from(String(body.id_token).split('.')[1] ?? '', 'base64url').toString(),
      ) as Json;
      assert.ok(Number(second.auth_time) > Number(claims.auth_time));
    });

    test('oidcc-max-age-10000', async () => {
      const { person, claims } = await run({ max_age: '10000' });
      const second = await run({ max_age: '10000' }, person);
      assert.equal(typeof claims.auth_time, 'number');
      assert.equal(second.claims.auth_time, claims.auth_time);
    });

    test('oidcc-ensure-request-with-unknown-parameter-succeeds', async () => {
      await run({ extra: 'foobar' });
    });

    test('oidcc-id-token-hint', async () => {
      const { person, tokens, claims } = await run();
      const second = await run({ prompt: 'none', id_token_hint: String(tokens.id_token) }, person);
      assert.equal(second.claims.sub, claims.sub);
      const { account, password } = await keyturn.addAccount(`bob${responseMode.length}`);
      const bob = new Person();
      const first = await bob.visit(requestFor());
      const consent = await bob.submit(first, '/sign-in', { login: account.username, password });
      await bob.submit(consent, '/consent');
      const answer = readAnswer(
        await bob.visit(requestFor({ prompt: 'none', id_token_hint: String(tokens.id_token) })),
      );
      assert.equal(refusalIn(answer), 'login_required');
    });

    test('oidcc-login-hint', async () => {
      const { html } = await new Person().visit(requestFor({ login_hint: 'ada@example.com' }));
      assert.match(html, /value="ada@example\.com"/);
    });

    test('oidcc-ui-locales and oidcc-claims-locales', async () => {
      const { html } = await new Person().visit(requestFor({ ui_locales: 'se de' }));
      assert.match(html, /lang="de"/);
      await run({ ui_locales: 'se', claims_locales: 'se' });
    });

    test('oidcc-ensure-request-with-acr-values-succeeds', async () => {
      const { claims } = await run({ acr_values: (metadata.acr_values_supported as string[]).join(' ') });
      assert.ok((metadata.acr_values_supported as string[]).includes(String(claims.acr)));
      await run({ acr_values: '1 2' });
    });

    test('oidcc-codereuse and oidcc-codereuse-30seconds', async () => {
      const answer = await answerTo(new Person(), requestFor(), ada);
      const first = await token(redemption(answer.fields.code));
      assert.equal(first.status, 200);
      laterBy(31);
      const second = await token(redemption(answer.fields.code));
      assert.equal(second.status, 400);
      assert.equal(second.body.error, 'invalid_grant');
      const refused = await fetch(metadata.userinfo_endpoint as string, {
        headers: { authorization: `Bearer ${first.body.access_token}` },
      });
      assert.equal(refused.status, 401, 'its tokens have ended with it');
    });

    test('oidcc-ensure-registered-redirect-uri', async () => {
      for (const redirect_uri of [`${REDIRECT}/other`, `${REDIRECT}?foo=bar`, 'https://other.example.com/']) {
        const { leftTo, response, html } = await new Person().visit(requestFor({ redirect_uri }));
        assert.equal(leftTo, null);
        assert.equal(response.status, 400);
        assert.doesNotMatch(html, /post-on/);
      }
    });

    test('oidcc-ensure-post-request-succeeds', async () => {
      const url = requestFor();
      const page = await new Person().visit(url.origin + url.pathname, {
        method: 'POST',
        body: url.searchParams,
      });
      assert.match(page.html, /\/sign-in"/);
    });

    test('oidcc-server-client-secret-post', async () => {
      const answer = await answerTo(new Person(), requestFor({ client_id: posting.id }), ada);
      const response = await fetch(metadata.token_endpoint as string, {
        method: 'POST',
        body: new URLSearchParams({
          ...redemption(answer.fields.code),
          client_id: posting.id,
          client_secret: posting.secret,
        }),
      });
      assert.equal(response.status, 200);
    });

    test('the modules of unsigned request objects are skipped, as the metadata names no such algorithm', () => {
      // oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported
      // oidcc-ensure-request-object-with-redirect-uri
      const algorithms = metadata.request_object_signing_alg_values_supported as string[];
      assert.ok(algorithms.length > 0 && !algorithms.includes('none'));
      assert.equal(metadata.request_uri_parameter_supported, false);
    });

    test('oidcc-claims-essential', async () => {
      const claims = JSON.stringify({ userinfo: { preferred_username: { essential: true } } });
      const { tokens } = await run({ claims });
      assert.equal((await userinfo(tokens.access_token)).preferred_username, 'ada');
    });

    test('oidcc-refresh-token', async () => {
      const { tokens, claims } = await run({ scope: 'openid offline_access', prompt: 'consent' });
      const refresh_token = String(tokens.refresh_token);
      const renewed = await token({ grant_type: 'refresh_token', refresh_token });
      assert.equal(renewed.status, 200);
      const again = JSON.parse(
        Buffer.from(String(renewed.body.id_token).split('.')[1] ?? '', 'base64url').toString(),
      ) as Json;
      for (const claim of ['iss', 'sub', 'aud', 'auth_time']) assert.deepEqual(again[claim], claims[claim]);
      const stolen = await token(
        { grant_type: 'refresh_token', refresh_token: String(renewed.body.refresh_token) },
        other,
      );
      assert.deepEqual([stolen.status, stolen.body.error], [400, 'invalid_grant']);
    });

    test('oidcc-ensure-request-with-valid-pkce-succeeds', async () => {
      const verifier = 'x'.repeat(43);
      const answer = await answerTo(
        new Person(),
        requestFor({
          code_challenge: createHash('sha256').update(verifier).digest('base64url'),
          code_challenge_method: 'S256',
        }),
        ada,
      );
      const { status } = await token({ ...redemption(answer.fields.code), code_verifier: verifier });
      assert.equal(status, 200);
    });

    test('oidcc-discovery-endpoint-verification', () => {
      assert.equal(metadata.issuer, keyturn.issuer);
      for (const name of [
        'authorization_endpoint',
        'token_endpoint',
        'userinfo_endpoint',
        'jwks_uri',
        'response_types_supported',
        'subject_types_supported',
        'id_token_signing_alg_values_supported',
        'scopes_supported',
        'claims_supported',
      ])
        assert.ok(metadata[name], name);
      assert.ok((metadata.id_token_signing_alg_values_supported as string[]).includes('RS256'));
      assert.ok((metadata.response_modes_supported as string[]).includes('form_post'));
      assert.ok((metadata.scopes_supported as string[]).includes('openid'));
    });
  });
}
