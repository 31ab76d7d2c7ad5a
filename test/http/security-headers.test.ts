import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { suite, test } from 'node:test';
import Koa, { type Middleware } from 'koa';
import { securityHeaders } from '#src/http/security-headers.ts';
import { launchBrowser } from '#test/support/browser.ts';
import { pages, serve, showing } from '#test/views/gallery.ts';
import { signIn } from '#test/views/samples.ts';

suite('every answer carries the security headers', () => {
  const expected = {
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'cross-origin-opener-policy': 'unsafe-none',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'x-permitted-cross-domain-policies': 'none',
  };
  const answers: Record<string, Middleware> = {
    'one with a body': (ctx) => {
      ctx.body = { ok: true };
    },
    'one that was not found': () => {},
    'a redirect': (ctx) => ctx.redirect('/elsewhere'),
    'one that Koa makes of a refusal': (ctx) => ctx.throw(400, 'no'),
    'one that Koa makes of a fault': () => {
      throw new Error('broken');
    },
  };
  for (const [what, middleware] of Object.entries(answers)) {
    test(what, async () => {
      const headers = await headersOf('http://localhost:3000', middleware);
      for (const [name, value] of Object.entries(expected)) assert.equal(headers.get(name), value, name);
      assert.match(headers.get('permissions-policy') ?? '', /camera=\(\)/);
      assert.equal(headers.get('x-powered-by'), null);
      assert.equal(headers.get('server'), null);
    });
  }

  test('an error may name headers of its own', async () => {
    const headers = await headersOf('http://localhost:3000', (ctx) =>
      ctx.throw(405, 'no', { headers: { Allow: 'GET', 'Referrer-Policy': 'origin' } }),
    );
    assert.equal(headers.get('allow'), 'GET');
    assert.equal(headers.get('referrer-policy'), 'origin');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
  });

  test('a route may say otherwise', async () => {
    const headers = await headersOf('http://localhost:3000', (ctx) => {
      ctx.set('Cache-Control', 'public, max-age=60');
      ctx.body = 'ok';
    });
    assert.equal(headers.get('cache-control'), 'public, max-age=60');
  });
});

test('an issuer on https is to be reached by https alone, and one on http says nothing of it (RFC 6797 section 7.2)', async () => {
  const ok: Middleware = (ctx) => {
    ctx.body = 'ok';
  };
  const https = await headersOf('https://id.example.com', ok);
  assert.equal(https.get('strict-transport-security'), 'max-age=63072000');
  const http = await headersOf('http://localhost:3000', ok);
  assert.equal(http.get('strict-transport-security'), null);
});

suite('in a browser', async () => {
  test('metadata and keys can be fetched from another origin, and not be drawn in as a script (Fetch section 3.7)', async () => {
    await using server = await serve((ctx) => {
      ctx.set('Access-Control-Allow-Origin', '*');
      ctx.body = { keys: [] };
    });
    await using client = await serve((ctx) => {
      ctx.set('Content-Security-Policy', '');
      ctx.type = 'html';
      ctx.body = '<title>client</title>';
    });
    const browser = await launchBrowser();
    try {
      const page = await browser.newPage();
      await page.goto(client.origin);
      const [fetched, drawnIn] = await page.evaluate(async (jwks) => {
        const answer = await fetch(jwks);
        const image = await fetch(jwks, { mode: 'no-cors' }).then(
          () => 'allowed',
          () => 'refused',
        );
        return [await answer.json(), image];
      }, `${server.origin}/jwks`);
      assert.deepEqual(fetched, { keys: [] });
      assert.equal(drawnIn, 'refused');
    } finally {
      await browser.close();
    }
  });

  test('a client that opens the sign-in in a popup hears from it once it is back', async () => {
    await using client = await serve((ctx) => {
      ctx.set('Content-Security-Policy', '');
      ctx.type = 'html';
      ctx.body =
        ctx.path === '/callback'
          ? '<title>back</title><script>opener.postMessage("signed in", "*")</script>'
          : '<title>client</title>';
    });
    await using server = await serve(
      showing((path) =>
        path === '/sign-in'
          ? pages.render('sign-in', signIn({ action: '/go' }), {
              language: 'en',
              formActionOrigins: [client.origin],
            })
          : undefined,
      ),
      (ctx) => {
        ctx.status = 303;
        ctx.redirect(ctx.path === '/go' ? `${client.origin}/callback` : '/sign-in');
      },
    );
    const browser = await launchBrowser();
    try {
      const page = await browser.newPage();
      await page.goto(client.origin);
      const opened = page.waitForEvent('popup');
      const heard = page.evaluate(`new Promise((resolve) => {
        addEventListener('message', ({ data }) => resolve(data), { once: true });
        open('${server.origin}/authorize', 'sign-in', 'popup');
      })`);
      const popup = await opened;
      await popup.fill('#login', 'ada');
      await popup.fill('#password', 'correct horse');
      await popup.click('button.main');
      await popup.waitForURL('**/callback');
      assert.equal(await popup.evaluate('opener === null'), false);
      assert.equal(await heard, 'signed in');
    } finally {
      await browser.close();
    }
  });
});

async function headersOf(issuer: string, middleware: Middleware): Promise<Headers> {
  const app = new Koa();
  app.silent = true;
  app.use(securityHeaders({ issuer })).use(middleware);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, {
      redirect: 'manual',
    });
    await answer.arrayBuffer();
    return answer.headers;
  } finally {
    server.closeAllConnections();
    server.close();
  }
}
