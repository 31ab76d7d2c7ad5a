import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ask, assertToldPerson } from '#test/support/asking.ts';
import { CALLBACK, type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

describe('the authorization endpoint', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  const ada = { login: 'ada', password: '' };
  const grace = { login: 'grace', password: '' };

  const client = async (registration: object) =>
    RelyingParty.discover(keyturn, await keyturn.addClient(registration));

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    grace.password = (await keyturn.addAccount('grace')).password;
    web = await client({ scope: 'openid profile' });
  });
  after(() => stopFaultless(keyturn));

  test('parameters without a value count as not sent, and those that nobody knows are passed over (RFC 6749 section 3.1)', async () => {
    for (const name of [
      'acr_values',
      'authorization_details',
      'claims',
      'display',
      'dpop_jkt',
      'id_token_hint',
      'login_hint',
      'max_age',
      'nonce',
      'prompt',
      'registration',
      'request',
      'request_uri',
      'resource',
      'response_mode',
      'ui_locales',
    ]) {
      assert.match((await ask(web, { [name]: '' })).html, /\/sign-in"/, name);
    }
    for (const name of ['nonsense', '__proto__', 'a[b]', 'code', 'sub', '\u0000'])
      assert.match((await ask(web, { [name]: 'x' })).html, /\/sign-in"/, name);
    const { leftTo } = await ask(web, { state: '', prompt: 'none' });
    assert.equal(leftTo?.searchParams.get('error'), 'login_required');
    assert.equal(leftTo.searchParams.has('state'), false);
  });

  test('a client without the code flow is sent no code, nor anybody to it (RFC 6749 section 4.1.2.1)', async () => {
    await keyturn.addResourceServer();
    const service = await client({ grantTypes: ['client_credentials'], redirectUris: [], scope: 'read' });
    await assertToldPerson(service, { scope: 'read', nonce: undefined });
  });

  test('codes are of 256 random bits, and no two alike (RFC 6749 section 10.10)', async () => {
    const person = new Person();
    await web.signIn(person, ada);
    const codes = new Set<string>();
    for (let time = 0; time < 20; time += 1) {
      const { leftTo } = await ask(web, { prompt: 'none' }, person);
      const code = leftTo?.searchParams.get('code') ?? '';
      assert.match(code, /^[\w-]{43}$/);
      codes.add(code);
    }
    assert.equal(codes.size, 20);
  });

  test('whoever has typed a password is sent on by 303, which does not send it along, never by 307 (RFC 9700 section 4.12)', async () => {
    const { url } = await web.request({ scope: 'openid profile' });
    const original = globalThis.fetch;
    const hops: { method: string | undefined; status: number }[] = [];
    globalThis.fetch = async (...args) => {
      const response = await original(...args);
      hops.push({ method: args[1]?.method, status: response.status });
      return response;
    };
    try {
      await new Person().authorize(url, ada);
    } finally {
      globalThis.fetch = original;
    }
    const posted = hops.filter(({ method }) => method === 'POST');
    assert.equal(posted.length, 2, 'the password, and the consent');
    const redirects = hops.filter(({ status }) => status >= 300);
    assert.ok(redirects.length >= 5);
    for (const { status } of [...posted, ...redirects]) assert.equal(status, 303);
  });

  test('an application that anybody can pass for has its person asked each time (RFC 8252 section 8.6)', async () => {
    const native = await client({
      name: 'Native',
      authenticationMethod: 'none',
      applicationType: 'native',
      redirectUris: ['com.example.app:/cb', CALLBACK],
      scope: 'openid',
    });
    for (const redirect_uri of ['com.example.app:/cb', CALLBACK]) {
      const person = new Person();
      for (let time = 0; time < 2; time += 1) {
        const { url } = await native.request({ redirect_uri });
        let page = await person.visit(url);
        if (time === 0) page = await person.submit(page, '/sign-in', ada);
        assert.match(page.html, /\/consent"/, `${redirect_uri}, time ${time}`);
        assert.ok((await person.submit(page, '/consent')).leftTo?.searchParams.has('code'));
      }
      const { leftTo } = await ask(native, { redirect_uri, prompt: 'none' }, person);
      assert.equal(leftTo?.searchParams.get('error'), 'interaction_required');
    }
  });

  test('a hint at one person is never answered with another who is signed in (OpenID Connect Core section 3.1.2.2)', async () => {
    const ofGrace = (await web.signIn(new Person(), grace)).id_token ?? '';
    const person = new Person();
    const ofAda = (await web.signIn(person, ada)).id_token ?? '';
    const silent = (id_token_hint: string) => ask(web, { prompt: 'none', id_token_hint }, person);
    assert.ok((await silent(ofAda)).leftTo?.searchParams.has('code'));
    const { leftTo } = await silent(ofGrace);
    assert.equal(leftTo?.searchParams.get('error'), 'login_required');
    assert.match((await ask(web, { id_token_hint: ofGrace }, person)).html, /\/sign-in"/);
  });
});
