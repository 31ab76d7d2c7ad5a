import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { Device } from '#test/support/device.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

describe('signing in as somebody else in the same browser', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  const ada = { login: 'ada', password: '' };
  const bob = { login: 'bob', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    bob.password = (await keyturn.addAccount('bob')).password;
    web = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid' }));
  });
  after(() => keyturn[Symbol.asyncDispose]());

  async function begin(person: Person, credentials: typeof ada) {
    const { url, checks } = await web.request({ prompt: 'login' });
    return { page: await person.submit(await person.visit(url), '/sign-in', credentials), checks };
  }

  test('goes on to the consent of the one who signed in last, who alone can still give one', async () => {
    const person = new Person();
    const first = await begin(person, ada);
    assert.match(first.page.html, /ada/);
    const { page, checks } = await begin(person, bob);
    // The session of the one before ends first: the page that posts itself on does that.
    const second = await person.submit(page, '/logout/confirm');
    assert.match(second.html, /bob/);
    const late = await person.submit(first.page, '/consent');
    assert.equal(late.response.status, 400);
    const { leftTo } = await person.submit(second, '/consent');
    const tokens = await web.redeem(leftTo as URL, checks);
    const { subject } = (await keyturn.services.accounts.findByLogin('bob')) ?? {};
    assert.equal(tokens.claims()?.sub, subject);
  });

  test('is offered where consent is asked for, and begins the same request anew', async () => {
    const person = new Person();
    const { url, checks } = await web.request({ prompt: 'consent' });
    const consent = await person.submit(await person.visit(url), '/sign-in', ada);
    const signIn = await person.submit(consent, '/switch');
    let page = await person.submit(signIn, '/sign-in', bob);
    if (page.html.includes('/logout/confirm')) page = await person.submit(page, '/logout/confirm');
    const { leftTo } = page.leftTo === null ? await person.submit(page, '/consent') : page;
    const tokens = await web.redeem(leftTo as URL, checks);
    const { subject } = (await keyturn.services.accounts.findByLogin('bob')) ?? {};
    assert.equal(tokens.claims()?.sub, subject);
  });

  test('is offered to whoever connects a device as well, and the device is theirs then', async () => {
    const television = await Device.register(keyturn);
    const { device_code, user_code } = await television.begin({ scope: 'openid' });
    const person = new Person();
    const consent = await person.submit(await television.confirm(person, user_code), '/sign-in', ada);
    assert.match(consent.html, /ada/);
    let page = await person.submit(await person.submit(consent, '/switch'), '/sign-in', bob);
    page = await person.submit(page, '/logout/confirm');
    assert.match(page.html, /bob/);
    assert.match((await person.submit(page, '/consent')).html, /is connected/);
    const tokens = (await (await television.poll(device_code)).json()) as { access_token: string };
    const { subject } = (await keyturn.services.accounts.findByLogin('bob')) ?? {};
    assert.equal(decodeJwt(tokens.access_token).sub, subject);
  });
});
