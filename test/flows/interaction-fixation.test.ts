import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { formOf } from '#test/support/person.ts';

const ISSUER = 'https://id.example.com';

interface Cookie {
  readonly value: string;
  readonly path: string;
}

/**
 * A browser under https, without a TLS of its own, which keeps cookies as RFC 6265bis says. `plant` is what a page of a
 * sibling host, such as evil.example.com, can do to it.
 */
class Browser {
  readonly #origin: string;
  readonly cookies = new Map<string, Cookie>();

  constructor(origin: string) {
    this.#origin = origin;
  }

  /** Sends one request, following no redirect. */
  async send(path: string, form?: Record<string, string>) {
    const { pathname } = new URL(path, ISSUER);
    const sent = [...this.cookies].filter(([, { path: of }]) => pathname === of || pathname.startsWith(of));
    const cookie = sent.map(([key, { value }]) => `${key.split(';')[0]}=${value}`).join('; ');
    const response = await fetch(this.#origin + path, {
      headers: { cookie, accept: 'text/html' },
      redirect: 'manual',
      ...(form === undefined ? undefined : { method: 'POST', body: new URLSearchParams(form) }),
    });
    for (const set of response.headers.getSetCookie()) this.#keep(set);
    const location = response.headers.get('location')?.replace(ISSUER, '') ?? null;
    return { response, location, html: await response.text() };
  }

  /** A sibling host sets cookies for the whole domain: all but those that begin with `__Host-` (section 4.1.3.2). */
  plant(cookies: ReadonlyMap<string, Cookie>): void {
    for (const [key, cookie] of cookies) if (!key.startsWith('__Host-')) this.cookies.set(key, cookie);
  }

  #keep(set: string): void {
    const [, name = '', value = '', attributes = ''] = /^([^=]+)=([^;]*)(.*)$/.exec(set) ?? [];
    const path = /; path=([^;]+)/i.exec(attributes)?.[1] ?? '/';
    const expires = /; expires=([^;]+)/i.exec(attributes)?.[1];
    const key = `${name};${path}`;
    if (expires !== undefined && Date.parse(expires) <= Date.now()) this.cookies.delete(key);
    else this.cookies.set(key, { value, path });
  }
}

describe('an interaction that somebody else began (RFC 6265bis section 8.6, session fixation)', () => {
  let keyturn: Keyturn;
  let query: URLSearchParams;
  const ada = { login: 'ada', password: '' };
  const mallory = { login: 'mallory', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere({ KEYTURN_ISSUER: ISSUER });
    ada.password = (await keyturn.addAccount('ada')).password;
    mallory.password = (await keyturn.addAccount('mallory')).password;
    const { client } = await keyturn.addClient({
      name: 'SPA',
      authenticationMethod: 'none',
      scope: 'openid',
    });
    query = new URLSearchParams({
      client_id: client.clientId,
      response_type: 'code',
      redirect_uri: client.redirectUris[0] as string,
      scope: 'openid',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    });
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const open = () => new Browser(`http://127.0.0.1:${keyturn.services.config.port}`);

  /** Where an authorization request leads: the address of an interaction. */
  async function begin(browser: Browser): Promise<string> {
    const { location } = await browser.send(`/authorize?${query}`);
    assert.match(location ?? '', /^\/interaction\/[\w-]+$/);
    return location as string;
  }

  /** Signs in at the page under this address, and answers with where that leads. */
  async function signIn(browser: Browser, interaction: string, credentials: typeof ada) {
    const { html } = await browser.send(interaction);
    const { fields } = formOf(html, '/sign-in');
    return (await browser.send(`${interaction}/sign-in`, { ...fields, ...credentials })).location;
  }

  /** Goes on after the sign-in to the callback, consenting on the way. */
  async function finish(browser: Browser, resumed: string): Promise<string> {
    let next = (await browser.send(resumed)).location ?? '';
    if (next.startsWith('/interaction/')) {
      const { fields } = formOf((await browser.send(next)).html, '/consent');
      const { location } = await browser.send(`${next}/consent`, fields);
      next = (await browser.send(location ?? '')).location ?? '';
    }
    assert.match(next, /^http:\/\/127\.0\.0\.1:4000\/callback\?code=/);
    return next;
  }

  test('its page is not shown, and its forms do nothing, where a sibling host has planted its cookies', async () => {
    const attacker = open();
    const interaction = await begin(attacker);
    const { fields } = formOf((await attacker.send(interaction)).html, '/sign-in');
    const victim = open();
    victim.plant(attacker.cookies);
    assert.ok(victim.cookies.size >= 4, 'both cookies of the library, with their signatures');
    assert.equal((await victim.send(interaction)).response.status, 400);
    for (const action of ['sign-in', 'consent', 'select-account', 'switch', 'cancel']) {
      const { response } = await victim.send(`${interaction}/${action}`, { ...fields, ...ada });
      assert.equal(response.status, 400, action);
    }
    assert.ok(await signIn(attacker, interaction, mallory), 'nothing of it was used up');
  });

  test('nobody is signed in by what somebody else has answered', async () => {
    const attacker = open();
    const interaction = await begin(attacker);
    const resumed = await signIn(attacker, interaction, mallory);
    assert.match(resumed ?? '', /^\/authorize\/[\w-]+$/);
    const victim = open();
    victim.plant(attacker.cookies);
    assert.equal((await victim.send(resumed as string)).response.status, 400);
    assert.ok(![...victim.cookies.keys()].some((name) => name.includes('keyturn-session')));
    await finish(attacker, resumed as string);
  });

  test('nor by its cookie under the address of an interaction of their own', async () => {
    const attacker = open();
    const resumed = (await signIn(attacker, await begin(attacker), mallory)) as string;
    const victim = open();
    const own = (await begin(victim)).replace('/interaction/', '/authorize/');
    const moved = [...attacker.cookies].map(([name, { value, path }]): [string, Cookie] => [
      name.replace(resumed, own),
      { value, path: path.replace(resumed, own) },
    ]);
    victim.plant(new Map(moved));
    assert.equal((await victim.send(own)).response.status, 400);
  });

  test('who has several tabs open, begun at the same moment, goes on in each of them', async () => {
    const person = open();
    const interactions = await Promise.all(Array.from({ length: 5 }, () => begin(person)));
    const [first = '', ...others] = interactions;
    await finish(person, (await signIn(person, first, ada)) as string);
    for (const each of others) await finish(person, (await signIn(person, each, ada)) as string);
    assert.deepEqual(
      [...person.cookies.keys()].filter((name) => name.includes('began')),
      [],
      'what is over is forgotten',
    );
  });

  test('a browser remembers a bounded number of them, those that were begun last', async () => {
    const person = open();
    const interactions: string[] = [];
    for (let each = 0; each < 40; each += 1) interactions.push(await begin(person));
    const remembered = [...person.cookies.keys()].filter((name) => name.includes('began'));
    assert.equal(remembered.length, 32);
    assert.equal((await person.send(interactions.at(-1) as string)).response.status, 200);
  });
});
