import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person, type Visit } from '#test/support/person.ts';
import { assertRefused } from '#test/support/refused.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

describe('what was asked of somebody who is not signed in any more', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  /** Asks for more than anybody has agreed to. */
  let greedy: RelyingParty;
  const ada = { login: 'ada', password: '' };
  const grace = { login: 'grace', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    grace.password = (await keyturn.addAccount('grace')).password;
    web = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid' }));
    greedy = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ name: 'Greedy', scope: 'openid profile email' }),
    );
  });
  after(() => keyturn[Symbol.asyncDispose]());

  /** A browser in which Ada has signed in and is asked by a client, and the page that asks. */
  async function asked(parameters: Record<string, string> = {}) {
    const person = new Person();
    await web.signIn(person, ada);
    const { url } = await greedy.request({ scope: 'openid profile email', ...parameters });
    return { person, page: await person.visit(url) };
  }

  async function signOut(person: Person): Promise<void> {
    const page = await person.visit(`${keyturn.issuer}/logout`);
    assert.equal((await person.submit(page, '/logout/confirm')).response.status, 200);
  }

  const subjectOf = async (login: string) =>
    (await keyturn.services.accounts.findByLogin(login))?.subject ?? '';

  async function assertNotAgreed(): Promise<void> {
    const { clientId } = await clientOf(greedy);
    assert.equal(await keyturn.services.consents.find(await subjectOf('ada'), clientId), null);
  }

  const clientOf = async (party: RelyingParty) => ({
    clientId: party.configuration.clientMetadata().client_id,
  });

  function assertOver({ response, html, leftTo }: Visit): void {
    assert.equal(leftTo, null);
    assertRefused(response.status, html);
    assert.equal(response.status, 400);
  }

  test('nobody else can agree to in their name, once they have signed out', async () => {
    const { person, page } = await asked();
    assert.match(page.html, /\/consent"/);
    await signOut(person);
    assertOver(await person.visit(page.url));
    assertOver(await person.submit(page, '/consent'));
    await assertNotAgreed();
  });

  test('nor once somebody else has signed in there', async () => {
    const { person, page } = await asked();
    await signOut(person);
    await web.signIn(person, grace);
    assertOver(await person.submit(page, '/consent'));
    await assertNotAgreed();
  });

  test('nor once they were signed out from elsewhere, as with a new password', async () => {
    const { person, page } = await asked();
    await keyturn.services.accounts.signOutEverywhere(await subjectOf('ada'));
    assertOver(await person.submit(page, '/consent'));
    await assertNotAgreed();
  });

  test('nor while their account is locked', async () => {
    const { person, page } = await asked();
    const subject = await subjectOf('ada');
    await keyturn.services.accounts.lock(subject);
    const refused = await person.submit(page, '/consent');
    await keyturn.services.accounts.unlock(subject);
    assertOver(refused);
    await assertNotAgreed();
  });

  test('nor is it told who they were', async () => {
    const { person, page } = await asked({ prompt: 'select_account' });
    assert.match(page.html, /ada/);
    await signOut(person);
    const after = await person.visit(page.url);
    assertOver(after);
    assert.doesNotMatch(after.html, /\bada\b/);
    assertOver(await person.submit(page, '/select-account'));
  });

  test('while they are, they can agree in another tab than the one in which they signed in', async () => {
    const { person, page } = await asked();
    await web.signIn(person, ada);
    const { leftTo } = await person.submit(page, '/consent');
    assert.ok(leftTo?.searchParams.get('code'));
  });
});

test('nobody is told that they are signed out who is not (OpenID Connect RP-Initiated Logout section 2)', async () => {
  await using keyturn = await startKeyturnHere();
  const { password } = await keyturn.addAccount('ada');
  const web = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid' }));
  const person = new Person();
  const stranger = await person.visit(`${keyturn.issuer}/logout/success`);
  assert.match(stranger.html, /You are signed out/);
  await web.signIn(person, { login: 'ada', password });
  const page = await person.visit(`${keyturn.issuer}/logout/success`);
  assert.match(page.html, /\/logout\/confirm"/, 'they are asked whether to');
  const done = await person.submit(page, '/logout/confirm');
  assert.match(done.html, /You are signed out/);
});
