import assert from 'node:assert/strict';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { claimsIn } from '#test/support/answer.ts';
import { assertToldClient } from '#test/support/asking.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const PASSWORD_ACR = 'urn:example:acr:password';

describe('step-up: how and when somebody signed in (RFC 9470, OpenID Connect Core section 3.1.2.1)', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let api: RelyingParty;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere({ KEYTURN_REQUESTS_PASSWORD_ACR: PASSWORD_ACR });
    ada.password = (await keyturn.addAccount('ada')).password;
    web = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid read' }));
    api = await RelyingParty.discoverApi(keyturn, await keyturn.addResourceServer());
  });
  afterEach(() => mock.timers.reset());
  after(() => stopFaultless(keyturn));

  const laterBy = (seconds: number) =>
    mock.timers.enable({ apis: ['Date'], now: Date.now() + seconds * 1000 });

  test('tokens, and introspection, say how and when (RFC 9470 section 6; RFC 9068 section 2.2.1)', async () => {
    const tokens = await web.signIn(new Person(), ada, { scope: 'openid read' });
    const [id, access] = [tokens.claims(), claimsIn(tokens.access_token)];
    for (const claims of [id, access, await api.introspect(tokens.access_token)]) {
      assert.equal(claims?.acr, PASSWORD_ACR);
      assert.equal(claims?.auth_time, access.auth_time);
    }
    assert.deepEqual(id?.amr, ['pwd']);
    assert.ok(Math.abs((access.auth_time as number) - Date.now() / 1000) < 60);
  });

  test('an API that wants a fresher sign-in gets one (RFC 9470 sections 3 and 4)', async () => {
    const person = new Person();
    const stale = await web.signIn(person, ada, { scope: 'openid read' });
    laterBy(600);
    // What the API says: WWW-Authenticate: Bearer error="insufficient_user_authentication", max_age="60".
    const { url, checks } = await web.request({ scope: 'openid read', max_age: '60' });
    const page = await person.visit(url);
    assert.match(page.html, /\/sign-in"/);
    const fresh = await web.redeem((await person.submit(page, '/sign-in', ada)).leftTo as URL, checks);
    const [before, now] = [claimsIn(stale.access_token), claimsIn(fresh.access_token)];
    assert.ok((now.auth_time as number) - (before.auth_time as number) >= 600);
    assert.equal(fresh.claims()?.auth_time, now.auth_time);
  });

  test('a sign-in that is recent enough is not asked for again (OpenID Connect Core section 3.1.2.1)', async () => {
    const person = new Person();
    const first = await web.signIn(person, ada);
    laterBy(30);
    const { url, checks } = await web.request({ max_age: '10000' });
    const { leftTo } = await person.visit(url);
    const again = await web.redeem(leftTo as URL, checks);
    assert.equal(again.claims()?.auth_time, claimsIn(first.id_token).auth_time);
    const none = await web.request({ max_age: '10', prompt: 'none' });
    assert.equal((await person.visit(none.url)).leftTo?.searchParams.get('error'), 'login_required');
  });

  test('max_age=0 asks for a sign-in, and whatever is no number is told (OpenID Connect Core section 3.1.2.1)', async () => {
    const person = new Person();
    await web.signIn(person, ada);
    const { url } = await web.request({ max_age: '0' });
    assert.match((await person.visit(url)).html, /\/sign-in"/);
    for (const max_age of ['-1', 'x', '1.5', '1e99'])
      await assertToldClient(web, { max_age }, 'invalid_request');
  });

  test('an authentication context that is offered is kept to (RFC 9470 section 4)', async () => {
    const person = new Person();
    await web.signIn(person, ada);
    const { url, checks } = await web.request({ acr_values: `urn:example:other ${PASSWORD_ACR}` });
    const tokens = await web.redeem((await person.visit(url)).leftTo as URL, checks);
    assert.equal(tokens.claims()?.acr, PASSWORD_ACR);
  });

  test('one that is not offered and only would be welcome is passed over (OpenID Connect Core section 5.5.1.1)', async () => {
    const tokens = await web.signIn(new Person(), ada, { acr_values: 'urn:example:other' });
    assert.equal(tokens.claims()?.acr, PASSWORD_ACR);
  });

  test('one that is essential and not offered is refused before anyone signs in (Unmet Authentication Requirements section 2)', async () => {
    const error = 'unmet_authentication_requirements';
    for (const acr of [
      { essential: true, value: 'urn:example:other' },
      { essential: true, values: ['urn:example:other', 'urn:example:more'] },
    ]) {
      const claims = JSON.stringify({ id_token: { acr } });
      await assertToldClient(web, { claims }, error);
      await assertToldClient(web, { claims, prompt: 'none' }, error);
    }
    const voluntary = JSON.stringify({ id_token: { acr: { values: ['urn:example:other'] } } });
    assert.ok((await web.signIn(new Person(), ada, { claims: voluntary })).id_token);
    const offered = JSON.stringify({ id_token: { acr: { essential: true, values: [PASSWORD_ACR] } } });
    assert.equal((await web.signIn(new Person(), ada, { claims: offered })).claims()?.acr, PASSWORD_ACR);
    const malformed = JSON.stringify({ id_token: { acr: { essential: true, values: 'x' } } });
    const { url } = await web.request({ claims: malformed });
    const { leftTo } = await new Person().visit(url);
    assert.ok(['invalid_request', error].includes(leftTo?.searchParams.get('error') ?? ''), leftTo?.href);
  });

  test('prompt=login asks for the password again, prompt=consent for the consent (OpenID Connect Core section 3.1.2.1)', async () => {
    const person = new Person();
    await web.signIn(person, ada);
    const login = await web.request({ prompt: 'login' });
    const signIn = await person.visit(login.url);
    assert.match(signIn.html, /\/sign-in"/);
    assert.ok((await person.submit(signIn, '/sign-in', ada)).leftTo);
    const consent = await web.request({ prompt: 'consent' });
    assert.match((await person.visit(consent.url)).html, /\/consent"/);
  });

  test('a client is taken at its default_max_age and default_acr_values (OpenID Connect Registration section 2)', async () => {
    const added = await keyturn.addClient({
      name: 'Cautious',
      scope: 'openid',
      metadata: { default_max_age: 60, default_acr_values: [PASSWORD_ACR], require_auth_time: true },
    });
    const party = await RelyingParty.discover(keyturn, added);
    const person = new Person();
    const tokens = await party.signIn(person, ada);
    assert.equal(typeof tokens.claims()?.auth_time, 'number');
    laterBy(120);
    const { url } = await party.request();
    assert.match((await person.visit(url)).html, /\/sign-in"/);
  });

  test('the metadata says the authentication contexts (Discovery section 3)', async () => {
    const document = await fetch(`${keyturn.issuer}/.well-known/openid-configuration`);
    const metadata = (await document.json()) as Record<string, unknown>;
    assert.deepEqual(metadata.acr_values_supported, [PASSWORD_ACR]);
  });
});
