import assert from 'node:assert/strict';
import { after, before, describe, mock, test } from 'node:test';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty, type Tokens } from '#test/support/relying-party.ts';

const SIGNED_OUT = 'http://127.0.0.1:4000/signed-out';

describe('signing out (OpenID Connect RP-Initiated Logout)', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    web = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ scope: 'openid offline_access', postLogoutRedirectUris: [SIGNED_OUT] }),
    );
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const signOutUrl = (tokens: Tokens, parameters: Record<string, string> = {}) =>
    `${keyturn.issuer}/logout?${new URLSearchParams({ id_token_hint: tokens.id_token ?? '', ...parameters })}`;

  test('a person who confirms is signed out, and goes back to where the client asked, with its state', async () => {
    const person = new Person();
    const tokens = await web.signIn(person, ada);
    const page = await person.visit(
      signOutUrl(tokens, { post_logout_redirect_uri: SIGNED_OUT, state: 'a b&c' }),
    );
    assert.match(page.html, /ada/);
    const { leftTo } = await person.submit(page, '/logout/confirm');
    assert.equal(leftTo?.href, `${SIGNED_OUT}?state=a+b%26c`);
    const { url } = await web.request({ prompt: 'none' });
    assert.equal((await person.visit(url)).leftTo?.searchParams.get('error'), 'login_required');
  });

  test('the tokens of the session end with it, all of them, whichever window they were given to', async () => {
    const person = new Person();
    const first = await web.signIn(person, ada);
    const second = await web.signIn(person, ada);
    await person.submit(await person.visit(signOutUrl(second)), '/logout/confirm');
    for (const tokens of [first, second]) {
      assert.equal((await web.introspect(tokens.access_token)).active, false);
      await assert.rejects(web.refresh(tokens.refresh_token ?? ''), { error: 'invalid_grant' });
    }
  });

  test('tokens for offline access outlive the session (OpenID Connect Core section 11)', async () => {
    const person = new Person();
    const offline = await web.signIn(person, ada, { scope: 'openid offline_access', prompt: 'consent' });
    await person.submit(await person.visit(signOutUrl(offline)), '/logout/confirm');
    assert.equal((await web.introspect(offline.access_token)).active, true);
    await web.refresh(offline.refresh_token ?? '');
  });

  test('the session of another browser is not touched', async () => {
    const [laptop, phone] = [new Person(), new Person()];
    const onLaptop = await web.signIn(laptop, ada);
    const onPhone = await web.signIn(phone, ada);
    await laptop.submit(await laptop.visit(signOutUrl(onLaptop)), '/logout/confirm');
    assert.equal((await web.introspect(onPhone.access_token)).active, true);
    const { url } = await web.request({ prompt: 'none' });
    assert.ok((await phone.visit(url)).leftTo?.searchParams.has('code'));
  });

  test('nothing happens until the person confirms, and a page of another site cannot confirm for them', async () => {
    const person = new Person();
    const tokens = await web.signIn(person, ada);
    await person.visit(signOutUrl(tokens));
    const forged = await person.visit(`${keyturn.issuer}/logout/confirm`, {
      method: 'POST',
      body: new URLSearchParams({ logout: 'yes', xsrf: 'guessed' }),
    });
    assert.equal(forged.response.status, 400);
    assert.equal((await web.introspect(tokens.access_token)).active, true);
  });

  test('without a place to go back to, a page says that it is done', async () => {
    const person = new Person();
    const tokens = await web.signIn(person, ada);
    const page = await person.submit(await person.visit(signOutUrl(tokens)), '/logout/confirm');
    assert.equal(page.response.status, 200);
    assert.match(page.html, /signed out/i);
  });

  test('a place that the client did not register is refused', async () => {
    const person = new Person();
    const tokens = await web.signIn(person, ada);
    const page = await person.visit(
      signOutUrl(tokens, { post_logout_redirect_uri: 'https://evil.example.com/' }),
    );
    assert.equal(page.response.status, 400);
    assert.equal(page.leftTo, null);
  });

  test('a browser without a session is sent on by a page with a button, which needs no script', async () => {
    const tokens = await web.signIn(new Person(), ada);
    const stranger = new Person();
    const page = await stranger.visit(signOutUrl(tokens, { post_logout_redirect_uri: SIGNED_OUT }));
    assert.match(page.html, /<button/);
    assert.doesNotMatch(page.html, /<script>|onload/);
    const { leftTo } = await stranger.submit(page, '/logout/confirm');
    assert.equal(leftTo?.href, SIGNED_OUT);
  });

  test('signing out of a session whose account was removed does no harm', async () => {
    const { account, password } = await keyturn.addAccount('grace');
    const person = new Person();
    const tokens = await web.signIn(person, { login: 'grace', password });
    await keyturn.services.accounts.remove(account.subject);
    assert.equal((await web.introspect(tokens.access_token)).active, false);
    const page = await person.visit(signOutUrl(tokens));
    const done = await person.submit(page, '/logout/confirm');
    assert.equal(done.response.status, 200);
  });

  test('a hint that this server did not sign, or that is of another client than the one named, is refused (section 2)', async () => {
    const person = new Person();
    const tokens = await web.signIn(person, ada);
    const { client: other } = await keyturn.addClient({
      name: 'Other',
      postLogoutRedirectUris: [SIGNED_OUT],
    });
    const [header, payload] = (tokens.id_token ?? '').split('.');
    for (const parameters of [
      { id_token_hint: 'nonsense' },
      { id_token_hint: `${header}.${payload}.${'A'.repeat(86)}` },
      { id_token_hint: tokens.access_token },
      { client_id: other.clientId },
      { client_id: 'nobody' },
    ]) {
      const page = await person.visit(
        signOutUrl(tokens, { post_logout_redirect_uri: SIGNED_OUT, ...parameters }),
      );
      assert.equal(page.leftTo, null);
      assert.equal(page.response.status, 400, JSON.stringify(parameters));
    }
    assert.equal((await web.introspect(tokens.access_token)).active, true);
  });

  test('a place to go back to counts only with the client that registered it, to the letter (section 3)', async () => {
    const person = new Person();
    const tokens = await web.signIn(person, ada);
    const { client: other } = await keyturn.addClient({ name: 'Other' });
    const bare = (parameters: Record<string, string>) =>
      person.visit(`${keyturn.issuer}/logout?${new URLSearchParams(parameters)}`);
    for (const page of [
      await bare({ post_logout_redirect_uri: SIGNED_OUT, client_id: other.clientId }),
      await person.visit(signOutUrl(tokens, { post_logout_redirect_uri: `${SIGNED_OUT}/` })),
      await person.visit(signOutUrl(tokens, { post_logout_redirect_uri: `${SIGNED_OUT}?x` })),
      await person.visit(signOutUrl(tokens, { post_logout_redirect_uri: SIGNED_OUT.toUpperCase() })),
      await person.visit(signOutUrl(tokens, { post_logout_redirect_uri: 'javascript:alert(1)' })),
    ]) {
      assert.equal(page.leftTo, null);
      assert.equal(page.response.status, 400);
    }
    const otherPort = SIGNED_OUT.replace(':4000', ':4001');
    const asNative = await person.visit(signOutUrl(tokens, { post_logout_redirect_uri: otherPort }));
    assert.equal(asNative.response.status, 200, 'the port of a loopback address may differ');
    const ofNobody = await bare({ post_logout_redirect_uri: SIGNED_OUT });
    assert.equal((await person.submit(ofNobody, '/logout/confirm')).leftTo, null);
    const { client_id } = web.configuration.clientMetadata();
    const named = await bare({ post_logout_redirect_uri: SIGNED_OUT, client_id });
    assert.equal((await person.submit(named, '/logout/confirm')).leftTo?.href, SIGNED_OUT);
  });

  test('a request by POST is the same request (section 2)', async () => {
    const person = new Person();
    const tokens = await web.signIn(person, ada);
    const page = await person.visit(`${keyturn.issuer}/logout`, {
      method: 'POST',
      body: new URL(signOutUrl(tokens, { post_logout_redirect_uri: SIGNED_OUT })).searchParams,
    });
    assert.equal((await person.submit(page, '/logout/confirm')).leftTo?.href, SIGNED_OUT);
    assert.equal((await web.introspect(tokens.access_token)).active, false);
  });

  test('a hint that has expired is as good as before (section 4)', async () => {
    const person = new Person();
    const tokens = await web.signIn(person, ada);
    const { exp = 0 } = tokens.claims() ?? {};
    mock.timers.enable({ apis: ['Date'], now: (exp + 60) * 1000 });
    try {
      const page = await person.visit(signOutUrl(tokens, { post_logout_redirect_uri: SIGNED_OUT }));
      assert.equal((await person.submit(page, '/logout/confirm')).leftTo?.href, SIGNED_OUT);
    } finally {
      mock.timers.reset();
    }
  });
});
