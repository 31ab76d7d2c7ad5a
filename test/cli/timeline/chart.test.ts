import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { columnsOf, type Style } from '#src/cli/terminal.ts';
import { ticksOf } from '#src/cli/timeline/axis.ts';
import { type Bar, type Chart, histogram, type Lane, rowsOf } from '#src/cli/timeline/chart.ts';
import { chartInSvg } from '#src/cli/timeline/in-svg.ts';
import { chartInText } from '#src/cli/timeline/in-text.ts';
import { days, type EpochSeconds, epochSeconds, hours, minutes } from '#src/units.ts';
import { launchBrowser } from '#test/support/browser.ts';
import { fc } from '#test/support/properties.ts';

/** 2026-07-14T00:00:00Z */
const start = epochSeconds(1_783_987_200);
const at = (length: number) => (start + length) as EpochSeconds;
const plain: Style = (_emphasis, text) => text;

const chart: Chart = {
  title: 'Keys & <locks>',
  summary: 'Nothing "happened".',
  from: start,
  until: at(hours(10)),
  now: at(hours(8)),
  axis: 'elapsed',
  lanes: [
    {
      title: 'ES256',
      about: 'access tokens',
      bars: [
        {
          label: 'one',
          name: 'ES256 one',
          spans: [
            { state: 'active', from: start, until: at(hours(4)) },
            { state: 'retired', from: at(hours(4)), until: at(hours(5)) },
          ],
        },
        {
          label: 'two',
          name: 'ES256 two',
          spans: [
            { state: 'next', from: start, until: at(hours(4)) },
            { state: 'active', from: at(hours(4)), until: at(hours(6)) },
            { state: 'revoked', from: at(hours(6)), until: at(hours(6) + 30) },
          ],
        },
        {
          label: 'three',
          name: 'ES256 three',
          spans: [
            { state: 'next', from: at(hours(5) + 1200), until: at(hours(6)) },
            { state: 'active', from: at(hours(6)), until: null },
          ],
        },
      ],
    },
  ],
  marks: [
    { at: at(hours(4)), sign: 'schedule', label: 'by the schedule' },
    { at: at(hours(6)), sign: 'revocation', label: 'revoked' },
  ],
  series: [
    { title: 'requests', tone: 'good', times: [at(60), at(90), at(hours(9))] },
    { title: 'faults', tone: 'bad', times: [] },
  ],
};

describe('a chart in text', () => {
  test('shows each key as a bar, who follows whom in the same row, what is planned, and what happened', () => {
    assert.equal(
      chartInText(chart, 48, plain),
      [
        '        0:00    2:00    4:00    6:00    8:00',
        '                        ▽       ✕',
        'ES256   ██████one███████▒▒▒▒ ░░░█████three▓▓▓▓▓▓',
        '        ░░░░░░░░░░░░░░░░██two███×',
        '        █                                   ▄',
        '        3 requests',
        '        0 faults',
        '',
        '        ░ published   █ signs   ▒ retired',
        '        × revoked   ▓ will sign',
        '        ▽ by the schedule   ✕ revoked',
      ].join('\n'),
    );
  });

  test('keeps to the columns that there are', () => {
    fc.assert(
      fc.property(fc.integer({ min: 40, max: 200 }), (columns) => {
        for (const line of chartInText(chart, columns, plain).split('\n'))
          assert.ok(columnsOf(line) <= columns, line);
      }),
    );
  });

  test('is the same in colours', () => {
    const coloured: Style = (emphasis, text) => `\u001b[${emphasis === 'bad' ? 31 : 1}m${text}\u001b[0m`;
    const uncoloured = stripVTControlCharacters(chartInText(chart, 80, coloured));
    assert.equal(uncoloured.replace(/ +$/gm, ''), chartInText(chart, 80, plain));
  });
});

describe('a chart as an SVG', () => {
  test('is well formed, whatever the texts are, and says what it is to those who do not see it', async () => {
    const browser = await launchBrowser();
    try {
      const page = await browser.newPage();
      const read = await page.evaluate(`{
        const document = new DOMParser().parseFromString(${JSON.stringify(chartInSvg(chart))}, 'image/svg+xml');
        const { documentElement: svg } = document;
        const labels = (svg.getAttribute('aria-labelledby') ?? '').split(' ');
        ({
          problem: document.querySelector('parsererror')?.textContent ?? null,
          role: svg.getAttribute('role'),
          labels: labels.map((id) => document.getElementById(id)?.textContent),
          bars: document.querySelectorAll('g').length,
          planned: document.querySelectorAll('g rect.planned').length,
          scripts: document.querySelectorAll('script, foreignObject, image, a').length,
        })
      }`);
      assert.deepEqual(read, {
        problem: null,
        role: 'img',
        labels: ['Keys & <locks>', 'Nothing "happened".'],
        bars: 3,
        planned: 1,
        scripts: 0,
      });
    } finally {
      await browser.close();
    }
  });

  test('keeps everything that it draws inside', () => {
    const svg = chartInSvg(chart);
    const [, width = '0', height = '0'] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? [];
    const numbers = (name: string) =>
      [...svg.matchAll(new RegExp(` ${name}="([\\d.-]+)"`, 'g'))].map(([, value]) => Number(value));
    for (const x of ['x', 'x1', 'x2'].flatMap(numbers)) assert.ok(x >= 0 && x <= Number(width));
    for (const y of ['y', 'y1', 'y2'].flatMap(numbers)) assert.ok(y >= 0 && y <= Number(height));
    assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
  });
});

describe('the axis of a chart', () => {
  test('has round times, few enough to be read', () => {
    for (const [length, axis, labels] of [
      [hours(9), 'elapsed', ['0:00', '1:00', '2:00', '3:00', '4:00', '5:00', '6:00', '7:00', '8:00', '9:00']],
      [
        hours(20),
        'calendar',
        [
          '2026-07-14',
          '02:00',
          '04:00',
          '06:00',
          '08:00',
          '10:00',
          '12:00',
          '14:00',
          '16:00',
          '18:00',
          '20:00',
        ],
      ],
      [
        days(18),
        'calendar',
        [
          '2026-07-14',
          '2026-07-16',
          '2026-07-18',
          '2026-07-20',
          '2026-07-22',
          '2026-07-24',
          '2026-07-26',
          '2026-07-28',
          '2026-07-30',
          '2026-08-01',
        ],
      ],
    ] as const) {
      const ticks = ticksOf({ from: start, until: at(length), axis }, 10);
      assert.deepEqual(
        ticks.map(({ label }) => label),
        labels,
      );
    }
  });

  test('never has more than it may, for any length of time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 * 365 * 86_400 }),
        fc.integer({ min: 2, max: 20 }),
        (length, most) => {
          const ticks = ticksOf({ from: start, until: at(length), axis: 'calendar' }, most);
          assert.ok(
            ticks.length <= most + 1 && ticks.every((tick) => tick.at >= start && tick.at <= at(length)),
          );
        },
      ),
    );
  });
});

test('bars share a row only if there is a gap between them, and each is in one', () => {
  const bar = fc
    .tuple(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 1, max: 200 }))
    .map(([from, length]): Bar => {
      return {
        label: 'k',
        name: 'k',
        spans: [{ state: 'active', from: at(from), until: at(from + length) }],
      };
    });
  fc.assert(
    fc.property(fc.array(bar, { maxLength: 20 }), fc.integer({ min: 0, max: 10 }), (bars, gap) => {
      const byBegin = bars.toSorted((one, other) => (one.spans[0]?.from ?? 0) - (other.spans[0]?.from ?? 0));
      const lane: Lane = { title: '', about: '', bars: byBegin };
      const rows = rowsOf(lane, { from: start, until: at(1000), gap });
      assert.equal(rows.flat().length, bars.length);
      for (const row of rows) {
        for (const [index, each] of row.entries()) {
          const before = row[index - 1]?.spans.at(-1)?.until ?? 0;
          assert.ok(before + (index === 0 ? 0 : gap) <= (each.spans[0]?.from ?? 0));
        }
      }
    }),
  );
});

test('what happened often is counted in equal parts of the time, the end of it included', () => {
  const series = {
    title: '',
    tone: 'good' as const,
    times: [start, at(minutes(30)), at(hours(1)), at(hours(2))],
  };
  assert.deepEqual(histogram(series, { from: start, until: at(hours(2)) }, 4), [1, 1, 1, 1]);
});
