import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { answerTo, readAnswer } from '#test/support/answer.ts';
import { ask } from '#test/support/asking.ts';
import { CALLBACK, type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

describe('the ways that an answer travels', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let native: RelyingParty;
  const ada = { login: 'ada', password: '' };
  const party = async (registration: object) =>
    RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid', ...registration }));

  before(async () => {
    keyturn = await startKeyturnHere({ KEYTURN_REQUESTS_WEB_MESSAGE: 'true' });
    ada.password = (await keyturn.addAccount('ada')).password;
    web = await party({});
    native = await party({
      name: 'App',
      authenticationMethod: 'none',
      redirectUris: ['com.example.app:/callback'],
    });
  });
  after(() => stopFaultless(keyturn));

  const MODES = ['query', 'fragment', 'form_post', 'web_message'] as const;

  test('a code is answered in the query unless another way is asked for (Multiple Response Types section 2.1)', async () => {
    const { url } = await web.request();
    assert.equal((await answerTo(new Person(), url, ada)).mode, 'query');
    for (const mode of MODES) {
      const request = await web.request({ response_mode: mode });
      const answer = await answerTo(new Person(), request.url, ada);
      assert.equal(answer.mode, mode);
      assert.equal(answer.to, mode === 'web_message' ? new URL(CALLBACK).origin : CALLBACK);
      assert.ok(answer.fields.code);
    }
  });

  test('every answer names the issuer, in success and in error, in whichever way it travels (RFC 9207 section 2)', async () => {
    for (const mode of MODES) {
      const { url, checks } = await web.request({ response_mode: mode });
      const granted = await answerTo(new Person(), url, ada);
      assert.equal(granted.fields.iss, keyturn.issuer, mode);
      assert.equal(granted.fields.state, checks.expectedState);
      for (const [change, error] of [
        [{ prompt: 'none' }, 'login_required'],
        [{ scope: 'openid nonsense' }, 'invalid_scope'],
        [{ code_challenge: undefined }, 'invalid_request'],
      ] as const) {
        const refused = readAnswer(await ask(web, { response_mode: mode, ...change }));
        assert.equal(refused.mode, mode);
        assert.equal(refused.fields.error, error);
        assert.equal(refused.fields.iss, keyturn.issuer);
        assert.equal(refused.fields.code, undefined);
      }
    }
  });

  test('an unknown way is refused in the query, as it cannot be used', async () => {
    for (const mode of ['nonsense', 'QUERY', 'form_post ', 'okp', '__proto__']) {
      const answer = readAnswer(await ask(web, { response_mode: mode }));
      assert.equal(answer.mode, 'query');
      assert.equal(answer.fields.error, 'unsupported_response_mode');
    }
  });

  test('a client that has registered its ways is answered in no other (OAuth 2.0 Dynamic Client Registration)', async () => {
    const strict = await party({ name: 'Strict', metadata: { response_modes: ['form_post'] } });
    const posted = await strict.request({ response_mode: 'form_post' });
    assert.ok((await answerTo(new Person(), posted.url, ada)).fields.code);
    for (const mode of [undefined, 'query', 'fragment', 'web_message', 'jwt']) {
      const answer = await ask(strict, { response_mode: mode });
      assert.ok(!answer.html.includes('/sign-in"'), `${mode}`);
    }
  });

  test('a posted answer needs no script and leads to the redirect URI alone (Form Post Response Mode section 2)', async () => {
    const { url } = await web.request({ response_mode: 'form_post', state: '"><script>alert(1)</script>' });
    const { visit, fields } = await answerTo(new Person(), url, ada);
    assert.equal(visit.response.status, 200);
    assert.match(visit.html, /<button\b/);
    assert.doesNotMatch(visit.html, /<script>/);
    assert.equal(fields.state, '"><script>alert(1)</script>');
    assert.match(visit.response.headers.get('content-security-policy') ?? '', /form-action http:;/);
    assert.match(visit.response.headers.get('cache-control') ?? '', /no-store/);
  });

  test('no answer is posted, or given as a message, to the scheme of an application', async () => {
    for (const mode of ['form_post', 'web_message']) {
      const { url } = await native.request({
        redirect_uri: 'com.example.app:/callback',
        response_mode: mode,
      });
      const answer = await answerTo(new Person(), url, ada);
      assert.equal(answer.mode, 'query');
      assert.equal(answer.to, 'com.example.app:/callback');
    }
  });

  describe('as a message between windows (OAuth 2.0 Web Message Response Mode)', () => {
    test('the page may be framed by the origin of the redirect URI, and has no script in it (section 4)', async () => {
      const { url } = await web.request({ response_mode: 'web_message' });
      const { visit } = await answerTo(new Person(), url, ada);
      const policy = visit.response.headers.get('content-security-policy') ?? '';
      assert.match(policy, /frame-ancestors http:\/\/127\.0\.0\.1:4000;/);
      assert.match(policy, /script-src 'self';/);
      assert.doesNotMatch(policy, /\*|unsafe/);
      assert.equal(visit.response.headers.get('x-frame-options'), null);
      assert.doesNotMatch(visit.html, /<script>|<script [^>]*>[^<]/);
    });

    test('a message is for no origin that is not registered, and for nobody else than one', async () => {
      const stray = await ask(web, { response_mode: 'web_message', redirect_uri: 'https://evil.example/' });
      assert.doesNotMatch(stray.html, /data-target-origin/);
      assert.equal(stray.leftTo, null);
      assert.match(
        stray.response.headers.get('content-security-policy') ?? '',
        /frame-ancestors 'none'/,
        'an error that is shown to a person is framed by nobody',
      );
    });

    test('the pages before the answer are framed by nobody', async () => {
      const { response } = await ask(web, { response_mode: 'web_message' });
      assert.equal(response.headers.get('x-frame-options'), 'DENY');
      assert.match(response.headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/);
    });

    test('a relay through another page is refused (section 4.2)', async () => {
      const answer = await ask(web, {
        response_mode: 'web_message',
        web_message_uri: 'https://evil.example',
      });
      assert.equal(answer.leftTo, null);
      assert.equal(answer.response.status, 400);
    });

    test('text in the answer stays text', async () => {
      const state = '</p><script>alert(1)</script>&quot;"\'\u2028';
      const answer = readAnswer(await ask(web, { response_mode: 'web_message', prompt: 'none', state }));
      assert.doesNotMatch(answer.visit.html, /<script>alert/);
      assert.equal(answer.fields.error, 'login_required');
    });

    test('it is off unless the settings turn it on, and the metadata says which', async () => {
      const modes = async (of: Keyturn) => {
        const document = await fetch(`${of.issuer}/.well-known/openid-configuration`);
        return ((await document.json()) as { response_modes_supported: string[] }).response_modes_supported;
      };
      assert.ok((await modes(keyturn)).includes('web_message'));
      await using plain = await startKeyturnHere();
      assert.ok((await modes(plain)).every((mode) => !mode.includes('web_message')));
      const other = await RelyingParty.discover(plain, await plain.addClient());
      const answer = readAnswer(await ask(other, { response_mode: 'web_message' }));
      assert.equal(answer.fields.error, 'unsupported_response_mode');
    });
  });
});
