import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { browserOf } from '#src/sessions/browser.ts';

const MOZILLA = 'Mozilla/5.0';
const GECKO_LIKE = 'AppleWebKit/537.36 (KHTML, like Gecko)';

const KNOWN: readonly (readonly [string, string | null, string | null])[] = [
  [`${MOZILLA} (X11; Linux x86_64; rv:152.0) Gecko/20100101 Firefox/152.0`, 'Firefox', 'Linux'],
  [
    `${MOZILLA} (Windows NT 10.0; Win64; x64) ${GECKO_LIKE} Chrome/152.0.0.0 Safari/537.36`,
    'Chrome',
    'Windows',
  ],
  [
    `${MOZILLA} (Windows NT 10.0; Win64; x64) ${GECKO_LIKE} Chrome/152.0.0.0 Safari/537.36 Edg/152.0.0.0`,
    'Edge',
    'Windows',
  ],
  [
    `${MOZILLA} (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/27.0 Safari/605.1.15`,
    'Safari',
    'macOS',
  ],
  [
    `${MOZILLA} (iPhone; CPU iPhone OS 20_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/152.0 Mobile/15E148 Safari/604.1`,
    'Chrome',
    'iPhone',
  ],
  [
    `${MOZILLA} (iPad; CPU OS 20_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/20.0 Mobile/15E148 Safari/604.1`,
    'Safari',
    'iPad',
  ],
  [
    `${MOZILLA} (Linux; Android 16; SM-S931B) ${GECKO_LIKE} SamsungBrowser/29.0 Chrome/152.0.0.0 Mobile Safari/537.36`,
    'Samsung Internet',
    'Android',
  ],
  [
    `${MOZILLA} (X11; CrOS x86_64 14541.0.0) ${GECKO_LIKE} Chrome/152.0.0.0 Safari/537.36`,
    'Chrome',
    'ChromeOS',
  ],
  [
    `${MOZILLA} (Windows NT 10.0; Win64; x64) ${GECKO_LIKE} Chrome/152.0.0.0 Safari/537.36 OPR/120.0.0.0`,
    'Opera',
    'Windows',
  ],
  ['curl/8.5.0', null, null],
  ['', null, null],
  [`${'x'.repeat(600)} Firefox/152.0`, null, null],
];

describe('what a browser says of itself (RFC 9110 section 10.1.5)', () => {
  for (const [userAgent, name, system] of KNOWN) {
    test(`${name ?? 'no browser'} on ${system ?? 'no system'}: ${userAgent.slice(0, 60)}`, () => {
      assert.deepEqual(browserOf(userAgent), { name, system });
    });
  }
});
