import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { programName } from '#src/http/user-agent.ts';

describe('what a program calls itself, in words (RFC 9110 section 10.1.5)', () => {
  const cases: [userAgent: string, name: string | null][] = [
    ['Mozilla/5.0 (X11; Linux x86_64; rv:138.0) Gecko/20100101 Firefox/138.0', 'Firefox, Linux'],
    [
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0.0.0 Safari/537.36',
      'Chrome, Windows',
    ],
    [
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0.0.0 Safari/537.36 Edg/136.0.0.0',
      'Edge, Windows',
    ],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Mobile/15E148 Safari/604.1',
      'Safari, iPhone',
    ],
    [
      'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/136.0.0.0 Mobile Safari/537.36',
      'Chrome, Android',
    ],
    ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)', 'macOS'],
    ['Mozilla/5.0', null],
    ['curl/8.13.0', 'curl/8.13.0'],
    ['tv-player/3.1 (Linux; living room)', 'tv-player/3.1'],
    ['', null],
    ['<script>', null],
    [`${'x'.repeat(5000)}/1`, 'x'.repeat(40)],
  ];

  for (const [userAgent, name] of cases) {
    test(`${userAgent.slice(0, 60)} is ${name}`, () => assert.equal(programName(userAgent), name));
  }
});
