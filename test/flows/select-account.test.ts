import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as oauth from 'openid-client';
import { ask, assertToldClient } from '#test/support/asking.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

describe('choosing an account, prompt=select_account (OpenID Connect Core section 3.1.2.1)', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  const ada = { login: 'ada', password: '' };
  const bob = { login: 'bob', password: '' };
  const subjects: Record<string, string> = {};

  before(async () => {
    keyturn = await startKeyturnHere();
    for (const who of [ada, bob]) {
      const { account, password } = await keyturn.addAccount(who.login);
      who.password = password;
      subjects[who.login] = account.subject;
    }
    web = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid' }));
  });
  after(() => stopFaultless(keyturn));

  async function signedIn(party = web) {
    const person = new Person();
    await party.signIn(person, ada);
    return person;
  }

  test('whoever is signed in says whether it is to be that account', async () => {
    const person = await signedIn();
    const { url, checks } = await web.request({ prompt: 'select_account' });
    const page = await person.visit(url);
    assert.match(page.html, /Continue as <bdi[^>]*>ada</);
    const { leftTo } = await person.submit(page, '/select-account');
    assert.equal((await web.redeem(leftTo as URL, checks)).claims()?.sub, subjects.ada);
  });

  test('another account can sign in instead', async () => {
    const person = await signedIn();
    const { url, checks } = await web.request({ prompt: 'select_account' });
    const signIn = await person.submit(await person.visit(url), '/switch');
    let page = await person.submit(signIn, '/sign-in', bob);
    if (page.html.includes('/logout/confirm')) page = await person.submit(page, '/logout/confirm');
    const { leftTo } = page.leftTo === null ? await person.submit(page, '/consent') : page;
    assert.equal((await web.redeem(leftTo as URL, checks)).claims()?.sub, subjects.bob);
  });

  test('nobody who signs in just then is asked once more, and consent is asked for afterwards', async () => {
    const person = new Person();
    const fresh = await RelyingParty.discover(keyturn, await keyturn.addClient({ name: 'Fresh' }));
    const { url, checks } = await fresh.request({ prompt: 'select_account' });
    const page = await person.visit(url);
    assert.match(page.html, /\/sign-in"/);
    const consent = await person.submit(page, '/sign-in', ada);
    assert.match(consent.html, /\/consent"/);
    const { leftTo } = await person.submit(consent, '/consent');
    assert.ok((await fresh.redeem(leftTo as URL, checks)).id_token);
  });

  test('it can be declined, and does not go with none', async () => {
    const person = await signedIn();
    const { url } = await web.request({ prompt: 'select_account' });
    const { leftTo } = await person.submit(await person.visit(url), '/cancel');
    assert.equal(leftTo?.searchParams.get('error'), 'access_denied');
    await assertToldClient(web, { prompt: 'none select_account' }, 'invalid_request');
    await assertToldClient(web, { prompt: 'create' }, 'invalid_request');
  });

  test('a form that was not made for this interaction chooses nothing', async () => {
    const person = await signedIn();
    const { url } = await web.request({ prompt: 'select_account' });
    const page = await person.visit(url);
    const forged = await person.visit(new URL(`${page.url.pathname}/select-account`, page.url), {
      method: 'POST',
      body: new URLSearchParams({ csrf: 'forged' }),
    });
    assert.equal(forged.response.status, 403);
  });

  test('a request that was pushed goes on with the other account, and is used once (RFC 9126 section 4)', async () => {
    const added = await keyturn.addClient({
      name: 'Pushing',
      scope: 'openid',
      metadata: { require_pushed_authorization_requests: true },
    });
    const party = await RelyingParty.discover(keyturn, added);
    const { url, checks } = await party.request({ prompt: 'consent' });
    const sent = await oauth.buildAuthorizationUrlWithPAR(
      party.configuration,
      Object.fromEntries(url.searchParams),
    );
    const person = new Person();
    const consent = await person.submit(await person.visit(sent), '/sign-in', ada);
    const signIn = await person.submit(consent, '/switch');
    let page = await person.submit(signIn, '/sign-in', bob);
    if (page.html.includes('/logout/confirm')) page = await person.submit(page, '/logout/confirm');
    const { leftTo } = page.leftTo === null ? await person.submit(page, '/consent') : page;
    assert.equal((await party.redeem(leftTo as URL, checks)).claims()?.sub, subjects.bob);
    const again = await new Person().visit(sent);
    assert.ok(!again.html.includes('/sign-in"'));
  });

  test('the metadata says the prompts', async () => {
    const answer = await fetch(`${keyturn.issuer}/.well-known/openid-configuration`);
    const metadata = (await answer.json()) as Record<string, unknown>;
    assert.deepEqual(metadata.prompt_values_supported, ['none', 'login', 'select_account', 'consent']);
    for (const prompt of metadata.prompt_values_supported as string[]) {
      const { leftTo } = await ask(web, { prompt });
      assert.notEqual(leftTo?.searchParams.get('error'), 'invalid_request', prompt);
    }
  });
});
