import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ClientLogos, type ClientLogosOptions } from '#src/clients/client-logos.ts';
import { Refusal } from '#src/fault.ts';
import { days, minutes, seconds } from '#src/units.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { pngOf } from '#test/support/png.ts';

const PNG = pngOf({ width: 16, height: 16 });
const LOGO = 'https://wiki.example.com/logo.png';
const ADDRESS = '192.0.2.7';

function logosOn(options: Partial<ClientLogosOptions> = {}) {
  const clock = new MovingClock();
  const fetched: string[] = [];
  const admitted: string[] = [];
  const unavailable: string[] = [];
  const { fetch = async () => PNG, ...more } = options;
  const logos = new ClientLogos({
    clock,
    shown: true,
    pixelsMax: 64,
    keptFor: days(1),
    retryAfter: minutes(5),
    logosMax: 3,
    waitMax: seconds(10),
    fetch: (uri) => {
      fetched.push(uri);
      return fetch(uri);
    },
    admit: async (address) => void admitted.push(address),
    onUnavailable: (_uri, reason) => void unavailable.push(String(reason)),
    ...more,
  });
  return { logos, clock, fetched, admitted, unavailable };
}

describe('the logos of clients', () => {
  test('are fetched once for however many ask at once, and kept for a while', async () => {
    const { logos, clock, fetched, admitted } = logosOn();
    const found = await Promise.all(Array.from({ length: 50 }, () => logos.find(LOGO, ADDRESS)));
    for (const each of found) assert.deepEqual(each, { type: 'image/png', bytes: PNG });
    clock.move(seconds(days(1) - 1));
    await logos.find(LOGO, ADDRESS);
    assert.deepEqual([fetched, admitted], [[LOGO], [ADDRESS]]);
    clock.move(seconds(1));
    await logos.find(LOGO, ADDRESS);
    assert.equal(fetched.length, 2);
  });

  test('that cannot be had are not asked for again at once, and why is told', async () => {
    const { logos, clock, fetched, unavailable } = logosOn({
      fetch: async () => {
        throw new Error('connection refused');
      },
    });
    assert.equal(await logos.find(LOGO, ADDRESS), null);
    assert.equal(await logos.find(LOGO, ADDRESS), null);
    assert.deepEqual([fetched.length, unavailable], [1, ['Error: connection refused']]);
    clock.move(minutes(5));
    await logos.find(LOGO, ADDRESS);
    assert.equal(fetched.length, 2);
  });

  test('are images that can be shown, and nothing else', async () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
    for (const bytes of [Buffer.from(svg), pngOf({ width: 65, height: 1 }), Buffer.alloc(0)]) {
      const { logos } = logosOn({ fetch: async () => bytes });
      assert.equal(await logos.find(LOGO, ADDRESS), null);
    }
  });

  test('are not fetched for an address that has had too many fetched', async () => {
    const { logos, fetched } = logosOn({
      admit: async () => {
        throw new Refusal('registration_throttled', 'too many');
      },
    });
    assert.equal(await logos.find(LOGO, ADDRESS), null);
    assert.deepEqual(fetched, []);
  });

  test('are neither fetched nor shown where the settings say so', async () => {
    const { logos, fetched } = logosOn({ shown: false });
    assert.equal(await logos.find(LOGO, ADDRESS), null);
    assert.equal(await logos.isAtHand(LOGO, ADDRESS), false);
    assert.deepEqual(fetched, []);
  });

  test('make room, those that were shown longest ago first', async () => {
    const { logos, fetched } = logosOn();
    const uris = ['a', 'b', 'c', 'd'].map((name) => `https://${name}.example.com/logo.png`);
    for (const uri of uris) await logos.find(uri, ADDRESS);
    await logos.find(uris[3] as string, ADDRESS);
    assert.equal(fetched.length, 4);
    await logos.find(uris[0] as string, ADDRESS);
    assert.equal(fetched.length, 5);
  });

  test('that are slow keep no page waiting for longer than it may, and are there for the next', async () => {
    const slow = Promise.withResolvers<Buffer>();
    const { logos, fetched } = logosOn({ waitMax: seconds(0), fetch: () => slow.promise });
    assert.equal(await logos.isAtHand(LOGO, ADDRESS), false);
    slow.resolve(PNG);
    assert.ok(await logos.find(LOGO, ADDRESS));
    assert.equal(await logos.isAtHand(LOGO, ADDRESS), true);
    assert.equal(fetched.length, 1);
  });

  test('of many slow servers at once are not all fetched', async () => {
    const never = Promise.withResolvers<Buffer>();
    const { logos, fetched } = logosOn({ waitMax: seconds(0), logosMax: 1000, fetch: () => never.promise });
    for (let each = 0; each < 100; each += 1)
      assert.equal(await logos.isAtHand(`https://${each}.example.com/logo.png`, ADDRESS), false);
    assert.equal(fetched.length, 16);
    never.resolve(PNG);
  });
});
