import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { after, before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { launchBrowser } from '#test/support/browser.ts';
import { pngOf } from '#test/support/png.ts';
import {
  locales,
  pages,
  receiving,
  renderSample,
  serve,
  showing,
  type TestServer,
} from '#test/views/gallery.ts';
import { readMarkup } from '#test/views/markup.ts';
import { consent, EVERY_SAMPLE, LOGO, type Sample, signIn } from '#test/views/samples.ts';

const english = { language: 'en' };

/** The narrowest phone there is, and WCAG 2.2's measure for reflow (success criterion 1.4.10). */
const PHONE = { width: 320, height: 640 };
const DESKTOP = { width: 1280, height: 800 };

const SCRIPT = '**/assets/post-on.*.js';

suite('in a browser', () => {
  let browser: Browser;
  let gallery: TestServer;

  before(async () => {
    browser = await launchBrowser();
    const logo = pngOf({ width: 96, height: 64 });
    gallery = await serve(
      async (ctx, next) => {
        if (ctx.path !== LOGO) return next();
        ctx.type = 'image/png';
        ctx.body = logo;
      },
      showing((path) => {
        const [, language = '', page, what] = path.split('/');
        const sample = EVERY_SAMPLE.find((each) => each.page === page && each.what === what);
        return sample && renderSample(sample, language);
      }),
    );
  });

  after(async () => {
    await browser.close();
    await gallery[Symbol.asyncDispose]();
  });

  const address = ({ page, what }: Sample, language: string) =>
    `${gallery.origin}/${language}/${page}/${encodeURIComponent(what)}`;

  /** A page of its own, that is closed when the work is done. */
  async function visiting<T>(options: BrowserContextOptions, work: (page: Page) => Promise<T>): Promise<T> {
    const context = await browser.newContext({ reducedMotion: 'reduce', viewport: DESKTOP, ...options });
    try {
      return await work(await context.newPage());
    } finally {
      await context.close();
    }
  }

  for (const language of locales.languages) {
    test(`no page breaks its own policy, nor scrolls sideways on the narrowest phone, in ${language}`, async () => {
      await visiting({ viewport: PHONE }, async (page) => {
        await stayHere(page);
        const complaints: string[] = [];
        page.on('console', (message) => complaints.push(message.text()));
        page.on('pageerror', (error) => complaints.push(error.message));
        for (const sample of EVERY_SAMPLE) {
          const answer = await page.goto(address(sample, language));
          assert.equal(answer?.status(), 200);
          const overhang = await page.evaluate<number>(
            'document.documentElement.scrollWidth - document.documentElement.clientWidth',
          );
          assert.equal(overhang, 0, `${sample.page}: ${sample.what}`);
          const broken = await page.evaluate<number>(
            'Array.from(document.images).filter((image) => image.naturalWidth === 0).length',
          );
          assert.equal(broken, 0, `an image of ${sample.page}: ${sample.what}`);
        }
        assert.deepEqual(complaints, []);
      });
    });
  }

  suite('axe finds no fault', () => {
    const axe = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');
    for (const colorScheme of ['light', 'dark'] as const) {
      test(`by ${colorScheme}, on a phone and on a desktop`, async () => {
        await visiting({ colorScheme, bypassCSP: true }, async (page) => {
          await stayHere(page);
          for (const sample of unlikeSamples()) {
            await page.goto(address(sample, 'en'));
            await page.evaluate(axe);
            for (const viewport of [PHONE, DESKTOP]) {
              await page.setViewportSize(viewport);
              const faults = await page.evaluate<string[]>(
                `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes[0].html))`,
              );
              assert.deepEqual(faults, [], `${sample.page}: ${sample.what}, ${viewport.width} wide`);
            }
          }
        });
      });
    }
  });

  suite('from the keyboard', () => {
    test('the sign-in goes from login to password to the buttons, and Enter signs in', async () => {
      const received: string[] = [];
      await using server = await serve(
        receiving(received),
        showing(() => pages.render('sign-in', signIn({ action: '/in', cancelAction: '/cancel' }), english)),
      );
      await visiting({}, async (page) => {
        await page.goto(server.origin);
        assert.equal(await focused(page), 'login');
        assert.deepEqual(await tabs(page, 3), ['password', 'Sign in', 'Cancel']);
        await page.focus('#login');
        await page.keyboard.type('ada');
        await page.keyboard.press('Tab');
        await page.keyboard.type('correct horse');
        await page.keyboard.press('Enter');
        await page.waitForURL('**/in');
      });
      assert.deepEqual(received, ['/in csrf=anti-forgery&login=ada&password=correct+horse']);
    });

    test('the consent can be left, switched, given or refused, in the order in which it is read', async () => {
      await using server = await serve(
        showing(() => pages.render('consent', consent({ switchAction: '/switch' }), english)),
      );
      await visiting({}, async (page) => {
        await page.goto(server.origin);
        assert.deepEqual(await tabs(page, 4), ['wiki.example.com', 'Not you?', 'Allow', 'Cancel']);
      });
    });

    test('whatever has the focus is seen to have it (WCAG 2.2 success criterion 2.4.7)', async () => {
      await visiting({}, async (page) => {
        await stayHere(page);
        for (const sample of unlikeSamples()) {
          await page.goto(address(sample, 'en'));
          await page.keyboard.press('Tab');
          const outline = await page.evaluate<string>(
            `document.activeElement === document.body ? 'nothing to focus' : getComputedStyle(document.activeElement).outline`,
          );
          assert.match(outline, /solid 3px|nothing to focus/, `${sample.page}: ${sample.what}`);
        }
      });
    });
  });

  suite('without JavaScript', () => {
    const noScript = { javaScriptEnabled: false };

    test('a person signs in, and cancels without sending what was typed', async () => {
      const received: string[] = [];
      await using server = await serve(
        receiving(received),
        showing(() => pages.render('sign-in', signIn({ action: '/in', cancelAction: '/cancel' }), english)),
      );
      await visiting(noScript, async (page) => {
        for (const button of ['Sign in', 'Cancel']) {
          await page.goto(server.origin);
          await page.getByLabel('Username or e-mail').fill('ada');
          await page.getByLabel('Password').fill('correct horse');
          await page.getByRole('button', { name: button }).click();
          await page.waitForURL(/in$|cancel$/);
        }
      });
      assert.deepEqual(received, [
        '/in csrf=anti-forgery&login=ada&password=correct+horse',
        '/cancel csrf=anti-forgery',
      ]);
    });

    test('a person allows, cancels, or signs in as someone else', async () => {
      const received: string[] = [];
      const locals = consent({ action: '/allow', cancelAction: '/cancel', switchAction: '/switch' });
      await using server = await serve(
        receiving(received),
        showing(() => pages.render('consent', locals, english)),
      );
      await visiting(noScript, async (page) => {
        for (const button of ['Allow', 'Cancel', 'Not you?']) {
          await page.goto(server.origin);
          await page.getByRole('button', { name: button }).click();
          await page.waitForURL(/allow$|cancel$|switch$/);
        }
      });
      assert.deepEqual(received, [
        '/allow csrf=anti-forgery',
        '/cancel csrf=anti-forgery',
        '/switch csrf=anti-forgery',
      ]);
    });

    test('a page that posts itself on is posted on by its button', async () => {
      const received: string[] = [];
      await using client = await serve(receiving(received));
      const locals = { action: `${client.origin}/cb`, fields: { code: 'a "b" & c' } };
      await using server = await serve(showing(() => pages.render('post-on', locals, english)));
      await visiting(noScript, async (page) => {
        await page.goto(server.origin);
        await page.getByRole('button', { name: 'Continue' }).click();
        await page.waitForURL('**/cb');
      });
      assert.deepEqual(received, ['/cb code=a+%22b%22+%26+c']);
    });
  });

  suite('a page that posts itself on', () => {
    test('does so, to another origin, whatever its fields are called', async () => {
      const received: string[] = [];
      await using client = await serve(receiving(received));
      const locals = { action: `${client.origin}/cb`, fields: { submit: 'yes', action: '/elsewhere' } };
      await using server = await serve(showing(() => pages.render('post-on', locals, english)));
      await visiting({}, async (page) => {
        await page.goto(server.origin);
        await page.waitForURL('**/cb');
      });
      assert.deepEqual(received, ['/cb submit=yes&action=%2Felsewhere']);
    });

    test('does not do so again when the person comes back', async () => {
      const received: string[] = [];
      await using client = await serve(receiving(received));
      const locals = { action: `${client.origin}/cb`, fields: { code: 'used up' } };
      await using server = await serve(showing(() => pages.render('post-on', locals, english)));
      await visiting({}, async (page) => {
        await stayHere(page);
        await page.goto(server.origin);
        await page.getByRole('button', { name: 'Continue' }).click();
        await page.waitForURL('**/cb');
        await page.unroute(SCRIPT);
        const script = page.waitForResponse(SCRIPT);
        await page.goBack();
        assert.equal((await script).status(), 200);
        assert.equal(page.url(), `${server.origin}/`);
      });
      assert.deepEqual(received, ['/cb code=used+up']);
    });
  });

  suite('a page that hands an answer over', () => {
    test('gives it to the window that opened it, if that is of the right origin, and closes', async () => {
      await using client = await serve((ctx) => {
        ctx.body = 'the client';
      });
      const response = { code: 'a "code"', state: '</p><script>' };
      const locals = { targetOrigin: client.origin, response };
      await using server = await serve(showing(() => pages.render('web-message', locals, english)));
      await visiting({}, async (page) => {
        await page.goto(client.origin);
        const closed = page.waitForEvent('popup').then((popup) => popup.waitForEvent('close'));
        const told = await page.evaluate(`new Promise((resolve) => {
          addEventListener('message', ({ data, origin }) => resolve({ data, origin }));
          open(${JSON.stringify(server.origin)});
        })`);
        assert.deepEqual(told, { data: { type: 'authorization_response', response }, origin: server.origin });
        await closed;
      });
    });
  });

  suite('form-action', () => {
    test('lets a client send the person on to an application at another origin', async () => {
      await using application = await serve((ctx) => {
        ctx.body = 'the application';
      });
      await using client = await serve((ctx) => ctx.redirect(`${application.origin}/home`));
      await using server = await serve(
        showing((path) =>
          path === '/'
            ? pages.render('consent', consent({ action: '/allow' }), {
                ...english,
                formActionOrigins: [`${client.origin}/cb`],
              })
            : undefined,
        ),
        (ctx) => {
          ctx.status = 303;
          ctx.redirect(`${client.origin}/cb`);
        },
      );
      await visiting({}, async (page) => {
        await page.goto(server.origin);
        await page.getByRole('button', { name: 'Allow' }).click();
        await page.waitForURL(`${application.origin}/home`);
      });
    });

    test('keeps a form on this server where no client was named', async () => {
      await using elsewhere = await serve(receiving());
      await using server = await serve(
        showing(() => pages.render('consent', consent({ action: `${elsewhere.origin}/` }), english)),
      );
      await visiting({}, async (page) => {
        await page.goto(server.origin);
        const complaint = page.waitForEvent('console');
        // Not by the mouse: a click waits for the navigation that does not come.
        await page.evaluate(`document.querySelector('button.main').click()`);
        assert.match((await complaint).text(), /form-action 'self'/);
      });
    });
  });

  test('nothing moves for those who asked for it', async () => {
    const animations = async (reducedMotion: 'reduce' | 'no-preference') =>
      visiting({ reducedMotion }, async (page) => {
        await page.goto(`${gallery.origin}/en/sign-in/a first visit`);
        return page.evaluate<number>('document.getAnimations().length');
      });
    assert.equal(await animations('reduce'), 0);
    assert.ok((await animations('no-preference')) > 0);
  });
});

/** The samples of which none has the same kinds of elements as another of its page. */
function unlikeSamples(): readonly Sample[] {
  const byKinds = new Map(
    EVERY_SAMPLE.map((sample) => {
      const kinds = readMarkup(renderSample(sample, 'en').html).elements.map(
        ({ name, attributes }) => `${name}.${attributes.get('class')}${attributes.get('aria-invalid')}`,
      );
      return [[sample.page, ...new Set(kinds)].join(' '), sample];
    }),
  );
  return [...byKinds.values()];
}

/** Keeps a page that posts itself on from doing so, so that it can be looked at. */
async function stayHere(page: Page): Promise<void> {
  await page.route(SCRIPT, (route) => route.fulfill({ contentType: 'text/javascript', body: '' }));
}

/** What has the focus, by its name or by what it says. */
async function focused(page: Page): Promise<string> {
  return page.evaluate('document.activeElement.name || document.activeElement.innerText');
}

async function tabs(page: Page, times: number): Promise<string[]> {
  const stops: string[] = [];
  for (let stop = 0; stop < times; stop++) {
    await page.keyboard.press('Tab');
    stops.push(await focused(page));
  }
  return stops;
}
