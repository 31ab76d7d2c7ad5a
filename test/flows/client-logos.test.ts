import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person, type Visit } from '#test/support/person.ts';
import { pngOf } from '#test/support/png.ts';
import { type Receiver, startReceiver } from '#test/support/receiver.ts';
import { assertRefused } from '#test/support/refused.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const PNG = pngOf({ width: 32, height: 32 });

const logoIn = (html: string) => /<img class="logo" src="([^"]+)"/.exec(html)?.[1] ?? null;
const linksIn = (html: string) =>
  [...html.matchAll(/<a href="([^"]+)"( rel="noopener noreferrer external")?>/g)].map(([, href, rel]) => [
    href,
    rel !== undefined,
  ]);

describe('what a client says of itself, where people sign in (OpenID Connect Dynamic Client Registration section 2)', () => {
  let keyturn: Keyturn;
  let site: Receiver;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere({
      KEYTURN_ALLOW_PRIVATE_NETWORK: 'true',
      KEYTURN_REGISTRATION: 'open',
      KEYTURN_HTTP_OUTGOING_TIMEOUT: '2s',
    });
    ada.password = (await keyturn.addAccount('ada')).password;
    site = await startReceiver();
    site.answer((response) => response.end(PNG));
  });
  after(async () => {
    await site[Symbol.asyncDispose]();
    await keyturn[Symbol.asyncDispose]();
  });

  /** A logo of its own, so that what is kept of another says nothing. */
  let logos = 0;
  const newLogo = () => {
    logos += 1;
    return `${site.origin}/logo-${logos}.png`;
  };

  /** A client that registered itself. */
  async function registered(document: object): Promise<RelyingParty> {
    const response = await fetch(`${keyturn.issuer}/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        redirect_uris: ['http://127.0.0.1:4000/callback'],
        token_endpoint_auth_method: 'none',
        client_name: 'Wiki',
        ...document,
      }),
    });
    const { client_id: clientId } = (await response.json()) as { client_id: string };
    return RelyingParty.discover(keyturn, {
      client: { clientId, authenticationMethod: 'none' },
      secret: '',
    });
  }

  const added = async (registration: object) =>
    RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid', ...registration }));

  async function signInPage(client: RelyingParty, person = new Person()) {
    const page = await person.visit((await client.request()).url);
    assert.match(page.html, /\/sign-in"/);
    return { person, page };
  }

  test('its logo is on the pages for signing in and for consent (oidcc-registration-logo-uri)', async () => {
    const logo_uri = newLogo();
    const { person, page } = await signInPage(await registered({ logo_uri }));
    const assertShown = async ({ html, url }: Visit) => {
      const { response } = await person.visit(new URL(logoIn(html) ?? '', url));
      assert.equal(response.status, 200);
    };
    await assertShown(page);
    const consent = await person.submit(page, '/sign-in', ada);
    assert.match(consent.html, /\/consent"/);
    await assertShown(consent);
  });

  test('its policy and its terms are linked there, and lead away without a word about the sign-in (oidcc-registration-policy-uri, -tos-uri)', async () => {
    const says = {
      policy_uri: 'https://wiki.example.com/privacy',
      tos_uri: 'https://wiki.example.com/terms',
    };
    const { person, page } = await signInPage(await registered(says));
    const consent = await person.submit(page, '/sign-in', ada);
    for (const { html, response } of [page, consent]) {
      assert.deepEqual(linksIn(html), [
        [says.policy_uri, true],
        [says.tos_uri, true],
      ]);
      assert.equal(response.headers.get('referrer-policy'), 'no-referrer');
    }
    assert.match(page.html, />Privacy policy, at <bdi class="value">wiki\.example\.com</);
    const german = await signInPage(await registered(says), new Person({ 'accept-language': 'de' }));
    assert.match(german.page.html, />Datenschutzerklärung, bei </);
  });

  test('its page stands beside its name only where an administrator vouches for it', async () => {
    const clientUri = 'https://bank.example.com/';
    const vouched = await signInPage(await added({ name: 'Bank', clientUri }));
    assert.match(vouched.page.html, /<small class="host">bank\.example\.com/);
    const { person, page } = await signInPage(await registered({ client_uri: clientUri }));
    assert.doesNotMatch(page.html, /class="host">bank/);
    assert.match(page.html, /Not checked by/);
    assert.match(page.html, /What the application says of itself:/);
    const consent = await person.submit(page, '/sign-in', ada);
    for (const { html } of [page, consent]) assert.deepEqual(linksIn(html), [[clientUri, true]]);
  });

  test('nobody but this server is asked for the logo, once, and is told nothing of the person', async () => {
    const logo = newLogo();
    const client = await added({ metadata: { logo_uri: logo } });
    const { page } = await signInPage(client);
    await signInPage(client);
    assert.match(page.response.headers.get('content-security-policy') ?? '', /; img-src 'self';/);
    assert.doesNotMatch(page.html, new RegExp(site.origin));
    const calls = site.received.filter(({ path }) => logo.endsWith(path));
    assert.equal(calls.length, 1);
    const [{ headers }] = calls as [(typeof calls)[number]];
    for (const name of ['cookie', 'referer', 'origin', 'accept-language', 'x-forwarded-for', 'forwarded'])
      assert.equal(headers[name] === undefined || headers[name] === '*', true, name);
  });

  test('the logo is an image and can be nothing else', async () => {
    const { person, page } = await signInPage(await added({ metadata: { logo_uri: newLogo() } }));
    const address = new URL(logoIn(page.html) ?? '', page.url);
    const response = await fetch(address, { headers: { cookie: person.cookieHeader(address) } });
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), PNG);
    assert.equal(response.headers.get('content-type'), 'image/png');
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(
      response.headers.get('content-security-policy'),
      "default-src 'none'; sandbox; frame-ancestors 'none'",
    );
    assert.equal(response.headers.get('cross-origin-resource-policy'), 'same-origin');
  });

  test('the logo is there for the browser that signs in, and for no other', async () => {
    const { page } = await signInPage(await added({ metadata: { logo_uri: newLogo() } }));
    const { response, html } = await new Person().visit(new URL(logoIn(page.html) ?? '', page.url));
    assertRefused(response.status, html);
  });

  test('a logo of another kind, too large, elsewhere or away is not shown, and the page is', async () => {
    const answers: readonly Parameters<Receiver['answer']>[0][] = [
      (response) =>
        response.setHeader('content-type', 'image/png').end('<svg xmlns="http://www.w3.org/2000/svg"/>'),
      (response) => response.end(Buffer.concat([PNG, Buffer.alloc(300 * 1024)])),
      (response) => response.writeHead(302, { location: `${site.origin}/logo-1.png` }).end(),
      (response) => response.writeHead(404).end(PNG),
      (response) => response.destroy(),
      null,
    ];
    for (const answer of answers) {
      site.answer(answer);
      const { person, page } = await signInPage(await added({ metadata: { logo_uri: newLogo() } }));
      assert.equal(logoIn(page.html), null, String(answer));
      const { response } = await person.visit(`${page.url}/logo`);
      assert.equal(response.status, 404);
    }
    site.answer((response) => response.end(PNG));
  });

  test('a logo in a private network is not fetched unless the settings let it', async () => {
    await using guarded = await startKeyturnHere();
    const logo = newLogo();
    const client = await RelyingParty.discover(
      guarded,
      await guarded.addClient({ metadata: { logo_uri: logo } }),
    );
    const page = await new Person().visit((await client.request()).url);
    assert.equal(logoIn(page.html), null);
    assert.ok(site.received.every(({ path }) => !logo.endsWith(path)));
    assert.ok(guarded.logged.some((line) => JSON.parse(line).msg === 'the logo of a client is not shown'));
  });
});
