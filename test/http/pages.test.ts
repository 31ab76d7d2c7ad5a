import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createLocales } from '#src/http/locale.ts';
import { createPages } from '#src/http/pages.ts';
import { fc } from '#test/support/properties.ts';
import { templates } from '#test/support/templates.ts';
import { assets, pages } from '#test/views/gallery.ts';
import { checkReferences, type Element, readMarkup } from '#test/views/markup.ts';
import { consent, EVERY_SAMPLE, error, SAMPLES, signIn } from '#test/views/samples.ts';

const english = { language: 'en' };

suite('what came from outside', () => {
  test('is shown as it is, and is never markup', () => {
    const hostile = `/"><script>alert(1)</script><img src=x onerror='alert(1)'>&amp;`;
    for (const { page, what, locals } of EVERY_SAMPLE) {
      const plain = readMarkup(pages.render(page, withEveryString(locals, '/'), english).html);
      const { html } = pages.render(page, withEveryString(locals, hostile), english);
      const attacked = readMarkup(html);
      checkReferences(attacked);
      assert.deepEqual(
        attacked.elements.map(({ name, attributes }) => [name, ...attributes.keys()]),
        plain.elements.map(({ name, attributes }) => [name, ...attributes.keys()]),
        `${page}: ${what}`,
      );
    }
  });

  test('leaves every page well-formed, whatever it is', () => {
    const anything = fc.string({ unit: 'binary', maxLength: 40 });
    fc.assert(
      fc.property(anything, anything, anything, (clientName, login, name) => {
        for (const { html } of [
          pages.render('sign-in', signIn({ clientName, login }), english),
          pages.render(
            'consent',
            consent({ clientName, accountName: login, groups: [{ title: name, scopes: [{ name }] }] }),
            english,
          ),
          pages.render('error', error({ code: name, message: login, requestId: clientName }), english),
        ]) {
          checkReferences(readMarkup(html));
        }
      }),
      { numRuns: 200 },
    );
  });

  test('is linked only when it is http or https and names no user', () => {
    for (const clientUri of [
      'javascript:alert(1)',
      'JAVASCRIPT:alert(1)',
      ' javascript:alert(1)',
      'data:text/html,x',
      '//evil.example',
      '/relative',
      'https://wiki.example.com@evil.example/',
      'not a uri',
      '',
    ]) {
      for (const { html } of [
        pages.render('sign-in', signIn({ clientUri }), english),
        pages.render(
          'consent',
          consent({ clientUri, links: { policy: clientUri, terms: clientUri } }),
          english,
        ),
        pages.render('signed-out', { clientName: 'A', clientUri }, english),
      ]) {
        assert.deepEqual(withName(html, 'a'), [], clientUri);
      }
    }
    const [link] = withName(pages.render('sign-in', signIn({}), english).html, 'a');
    assert.equal(link?.get('href'), 'https://wiki.example.com/');
    assert.equal(link?.get('rel'), 'noopener noreferrer external');
  });

  test('is linked by its policy and terms only where they are http or https', () => {
    const links = {
      website: 'https://a.example/',
      policy: 'javascript:alert(1)',
      terms: 'https://a@b.example/',
    };
    for (const { html } of [
      pages.render('sign-in', signIn({ clientUri: undefined, links }), english),
      pages.render('consent', consent({ clientUri: undefined, links }), english),
    ]) {
      const hrefs = withName(html, 'a').map((link) => [link.get('href'), link.get('rel')]);
      assert.deepEqual(hrefs, [['https://a.example/', 'noopener noreferrer external']]);
    }
  });

  test('does not decide where "stay signed in" leads, unless it is a path of this server or a web page', () => {
    const stay = (stayHref: string) =>
      withName(
        pages.render('sign-out', { action: '/', antiForgery: 'x', field: 'xsrf', stayHref }, english).html,
        'a',
      ).map((attributes) => attributes.get('href'));
    assert.deepEqual(stay('/account'), ['/account']);
    assert.deepEqual(stay('https://a.example/x'), ['https://a.example/x']);
    for (const href of ['//evil.example', '/\\evil.example', 'javascript:alert(1)', 'account'])
      assert.deepEqual(stay(href), []);
  });
});

suite('the sign-in page', () => {
  const inputs = (differences: Parameters<typeof signIn>[0]) =>
    withName(pages.render('sign-in', signIn(differences), english).html, 'input').filter(
      (attributes) => attributes.get('type') !== 'hidden',
    );

  test('tells password managers which field is which', () => {
    assert.deepEqual(
      inputs({}).map((input) => [input.get('name'), input.get('type'), input.get('autocomplete')]),
      [
        ['login', 'text', 'username'],
        ['password', 'password', 'current-password'],
      ],
    );
  });

  test('begins at the first field that is still empty', () => {
    assert.deepEqual(
      inputs({}).map((input) => input.has('autofocus')),
      [true, false],
    );
    assert.deepEqual(
      inputs({ login: 'ada' }).map((input) => input.has('autofocus')),
      [false, true],
    );
  });

  test('marks the fields that are amiss, and ties them to the reason', () => {
    const amiss = (differences: Parameters<typeof signIn>[0]) =>
      inputs(differences).map(
        (input) => input.get('aria-invalid') === 'true' && input.get('aria-describedby') === 'problem',
      );
    assert.deepEqual(amiss({}), [false, false]);
    assert.deepEqual(amiss({ login: 'ada', problem: 'refused' }), [true, true]);
    assert.deepEqual(amiss({ login: 'ada', problem: 'missing' }), [false, true]);
    assert.deepEqual(amiss({ problem: 'missing' }), [true, true]);
    assert.deepEqual(amiss({ login: 'ada', problem: 'throttled' }), [false, false]);
  });

  test('says in the title that there is a problem, and when to try again', () => {
    const { html } = pages.render('sign-in', signIn({ problem: 'throttled', retryAfterMinutes: 1 }), english);
    assert.match(html, /<title>Problem: Sign in · id\.example\.com<\/title>/);
    assert.match(html, /try again in 1 minute\./);
    const later = pages.render('sign-in', signIn({ problem: 'throttled', retryAfterMinutes: 1.2 }), english);
    assert.match(later.html, /try again in 2 minutes\./);
  });
});

suite('the consent page', () => {
  const said = (differences: Parameters<typeof consent>[0]) =>
    readMarkup(pages.render('consent', consent(differences), english).html).text;

  test('has words for the scopes of OpenID Connect Core section 5.4, and names the others', () => {
    const text = said({ groups: [{ scopes: [{ name: 'email' }, { name: 'toString' }] }] });
    assert.match(text, /See your e-mail address/);
    assert.match(text, /toString/);
  });

  test("does not mistake a resource server's scope for one of the account", () => {
    const text = said({ groups: [{ title: 'Newsletter', scopes: [{ name: 'email' }] }] });
    assert.doesNotMatch(text, /See your e-mail address/);
    assert.match(text, /\nemail\n/);
  });

  test('says the identifier of a resource server once, where it has no other name', () => {
    const identifier = 'https://api.example.com';
    const text = said({ groups: [{ title: identifier, identifier, scopes: [{ name: 'read' }] }] });
    assert.equal(text.split(identifier).length, 2);
  });

  test('speaks of access while the person is away only when there is such access', () => {
    const groups = [{ scopes: [{ name: 'offline_access' }] }];
    assert.match(said({ groups, offline: true }), /While you are away/);
    assert.doesNotMatch(said({ groups, offline: false }), /While you are away|offline_access/);
  });

  test('offers to sign in as someone else when told how', () => {
    assert.match(said({ switchAction: '/switch' }), /Not you\?/);
    assert.doesNotMatch(said({}), /Not you\?/);
  });
});

test('the sign-out page posts the anti-forgery token under the name that it was given', () => {
  const { html } = pages.render('sign-out', SAMPLES['sign-out']['a client asks'] ?? assert.fail(), english);
  assert.deepEqual(
    withName(html, 'input').map((input) => [input.get('name'), input.get('value')]),
    [
      ['xsrf', 'anti-forgery'],
      ['logout', 'yes'],
    ],
  );
});

test('an error page tells whose doing it is, with the code and the request for support', () => {
  const heading = (status: number, code: string) =>
    /<h1>(.*)<\/h1>/.exec(pages.render('error', error({ status, code }), english).html)?.[1];
  assert.equal(heading(400, 'invalid_request'), 'This request cannot go on');
  assert.equal(heading(403, 'access_denied'), 'Access was not given');
  assert.equal(heading(404, 'not_found'), 'There is nothing here');
  assert.equal(heading(429, 'slow_down'), 'Too busy at this moment');
  assert.equal(heading(500, 'server_error'), 'Something went wrong here');
  assert.equal(heading(400, 'session_not_found'), 'This took too long');
  const { html } = pages.render('error', error({}), english);
  assert.match(html, /<code>invalid_request<\/code> \(400\)/);
  assert.match(html, /<code>q3J9hZ0cR2m8<\/code>/);
});

suite('the content security policy', () => {
  const shared = "default-src 'none'; style-src 'self'; img-src 'self'; ";
  const end = "; frame-ancestors 'none'; base-uri 'none'";

  test('allows no form where there is none, and script only on the pages that go on by themselves', () => {
    for (const { page, locals } of EVERY_SAMPLE) {
      const { html, contentSecurityPolicy: policy } = pages.render(page, locals as never, english);
      assert.equal(policy.includes("form-action 'none'"), !html.includes('<form'), page);
      const goesOn = page === 'post-on' || page === 'web-message';
      assert.equal(policy.includes("script-src 'self'"), goesOn);
      assert.equal(html.includes('<script'), goesOn);
      assert.doesNotMatch(policy, /unsafe|\*/);
    }
  });

  test('keeps a form on this server unless it may end up at a client', () => {
    const policy = (formActionOrigins?: readonly string[]) =>
      pages.render('sign-in', signIn({}), { ...english, ...(formActionOrigins && { formActionOrigins }) })
        .contentSecurityPolicy;
    assert.equal(policy(), `${shared}form-action 'self'${end}`);
    assert.equal(policy(['https://wiki.example.com/cb']), `${shared}form-action 'self' https:${end}`);
    assert.equal(
      policy(['https://a.example', 'https://b.example']),
      `${shared}form-action 'self' https:${end}`,
    );
    assert.equal(policy(['com.example.app:/cb']), `${shared}form-action 'self' com.example.app:${end}`);
    assert.equal(policy(['http://[::1]:4000/cb']), `${shared}form-action 'self' http:${end}`);
  });

  test('takes nothing from a redirect URI that would change it', () => {
    for (const uri of [
      "https://a;script-src'unsafe-inline'/",
      'https://a.example/;%20script-src%20*',
      'x-app:;script-src *',
    ]) {
      const { contentSecurityPolicy } = pages.render('sign-in', signIn({}), {
        ...english,
        formActionOrigins: [uri],
      });
      assert.doesNotMatch(contentSecurityPolicy, /script-src/);
      assert.equal(contentSecurityPolicy.split(';').length, 6);
    }
  });

  test('a form is posted on to a path of this server, or over http and https, and nowhere else', () => {
    const policy = (action: string) =>
      pages.render('post-on', { action, fields: {} }, english).contentSecurityPolicy;
    assert.match(policy('/session/end/confirm'), /form-action 'self';/);
    assert.match(policy('https://wiki.example.com/cb'), /form-action https:;/);
    for (const action of ['javascript:alert(1)', 'data:text/html,x', 'cb', '//evil.example']) {
      assert.throws(() => policy(action), TypeError, action);
    }
  });
});

test('a language that is written from right to left is shown so', () => {
  const arabic = createPages({
    templates,
    locales: createLocales({
      en: {},
      ar: { 'signed-out.title': 'س', 'signed-out.lead': 'س', 'signed-out.note': 'س' },
    }),
    assets,
    serverName: 'id.example.com',
  });
  const { html } = arabic.render('signed-out', {}, { language: 'ar' });
  assert.match(html, /<html lang="ar" dir="rtl">/);
});

/** The same locals with one text in the place of every text that is not a word of ours. */
/** Members of locals that hold one of a few words, and nothing from outside. */
const WORDS_OF_OURS: ReadonlySet<string> = new Set(['problem', 'answer']);

function withEveryString<T>(locals: T, text: string): never {
  const replaced = JSON.stringify(locals, (key, value) =>
    typeof value === 'string' && !WORDS_OF_OURS.has(key) ? text : value,
  );
  return JSON.parse(replaced) as never;
}

function withName(html: string, name: string): readonly Element['attributes'][] {
  return readMarkup(html)
    .elements.filter((element) => element.name === name)
    .map(({ attributes }) => attributes);
}
