import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as oauth from 'openid-client';
import { assertToldClient } from '#test/support/asking.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

describe('the claims parameter (OpenID Connect Core section 5.5)', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let subject: string;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    const added = await keyturn.addAccount('ada');
    ada.password = added.password;
    subject = added.account.subject;
    web = await RelyingParty.discover(keyturn, await keyturn.addClient());
  });
  after(() => stopFaultless(keyturn));

  const asking = (claims: unknown) => ({ claims: JSON.stringify(claims) });

  test('asks for a single claim in the ID token, whatever the scopes are', async () => {
    const tokens = await web.signIn(
      new Person(),
      ada,
      asking({ id_token: { email: null, preferred_username: { essential: true } } }),
    );
    const claims = tokens.claims();
    assert.equal(claims?.email, 'ada@example.com');
    assert.equal(claims?.preferred_username, 'ada');
    assert.equal(claims?.name, undefined);
  });

  test('asks for a single claim at userinfo, also for a client without refresh tokens', async () => {
    for (const grantTypes of [['authorization_code'], ['authorization_code', 'refresh_token']] as const) {
      const added = await keyturn.addClient({ name: `${grantTypes}`, grantTypes: [...grantTypes] });
      const party = await RelyingParty.discover(keyturn, added);
      const tokens = await party.signIn(
        new Person(),
        ada,
        asking({ userinfo: { email: { essential: true } } }),
      );
      assert.equal(tokens.claims()?.email, undefined);
      const info = await oauth.fetchUserInfo(party.configuration, tokens.access_token, subject);
      assert.equal(info.email, 'ada@example.com');
      assert.equal(info.preferred_username, undefined);
    }
  });

  test('the person sees each claim that is asked for beyond the scopes, and is asked once', async () => {
    const party = await RelyingParty.discover(keyturn, await keyturn.addClient({ name: 'Curious' }));
    const person = new Person();
    const first = await party.request(asking({ id_token: { email: null, email_verified: null } }));
    const consent = await person.submit(await person.visit(first.url), '/sign-in', ada);
    assert.match(consent.html, /See your e-mail address/);
    assert.match(consent.html, /See whether your e-mail address has been confirmed/);
    assert.doesNotMatch(consent.html, /See your name/);
    assert.ok((await person.submit(consent, '/consent')).leftTo);

    const again = await party.request(asking({ id_token: { email: null } }));
    assert.ok((await person.visit(again.url)).leftTo, 'what was agreed to needs no second question');
    const more = await party.request(asking({ userinfo: { name: null } }));
    assert.match((await person.visit(more.url)).html, /See your name/);
  });

  test('a claim that a scope brings anyway is part of what the scope says', async () => {
    const party = await RelyingParty.discover(keyturn, await keyturn.addClient({ name: 'Plain' }));
    const person = new Person();
    await party.signIn(person, ada, { scope: 'openid email' });
    const { url } = await party.request({ scope: 'openid email', ...asking({ id_token: { email: null } }) });
    assert.ok((await person.visit(url)).leftTo);
  });

  test('a claim that there is not is passed over, essential or not (section 5.5.1)', async () => {
    const tokens = await web.signIn(
      new Person(),
      ada,
      asking({
        id_token: { phone_number: { essential: true }, __proto__x: null, constructor: null, address: null },
      }),
    );
    assert.equal(tokens.claims()?.phone_number, undefined);
  });

  test('a person who was not agreed upon is asked to sign in, and no other gets the answer (section 5.5.1)', async () => {
    const person = new Person();
    await web.signIn(person, ada);
    const right = await web.request(asking({ id_token: { sub: { value: subject } } }));
    assert.ok((await person.visit(right.url)).leftTo?.searchParams.has('code'));
    const wrong = asking({ id_token: { sub: { value: 'somebody-else' } } });
    const { url } = await web.request({ ...wrong, prompt: 'none' });
    assert.equal((await person.visit(url)).leftTo?.searchParams.get('error'), 'login_required');
  });

  test('what is no such parameter is told the client (section 5.5)', async () => {
    for (const claims of [
      'nonsense',
      '[]',
      '"x"',
      '{}',
      'null',
      '{"id_token":[]}',
      '{"userinfo":"email"}',
      '{"id_token":null}',
      `{"a":${'['.repeat(500)}`,
    ])
      await assertToldClient(web, { claims }, 'invalid_request');
  });

  test('the metadata says that it is supported, and the claims there are (Discovery section 3)', async () => {
    const document = await fetch(`${keyturn.issuer}/.well-known/openid-configuration`);
    const metadata = (await document.json()) as Record<string, unknown>;
    assert.equal(metadata.claims_parameter_supported, true);
    const claims = metadata.claims_supported as string[];
    for (const claim of ['sub', 'acr', 'amr', 'auth_time', 'email', 'name'])
      assert.ok(claims.includes(claim));
    for (const claim of ['address', 'phone_number', 'birthdate']) assert.ok(!claims.includes(claim));
    for (const scope of ['address', 'phone'])
      assert.ok(!(metadata.scopes_supported as string[]).includes(scope));
  });
});
