import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { distance, facts, moment, table } from '#src/cli/layout.ts';
import { columnsOf, type Style, visible } from '#src/cli/terminal.ts';
import { epochSeconds } from '#src/units.ts';

const plain: Style = (_emphasis, text) => text;

describe('what is shown in a terminal', () => {
  test('a text fills as many columns as the terminal gives it', () => {
    for (const [text, columns] of [
      ['', 0],
      ['ada', 3],
      ['Größe', 5],
      ['e\u0301te\u0301', 3],
      ['名前', 4],
      ['한국', 4],
      ['ｆｕｌｌ', 8],
      ['👩‍💻', 2],
      ['🇩🇪', 2],
      ['\u001b[1mbold\u001b[22m', 4],
    ] as const) {
      assert.equal(columnsOf(text), columns, JSON.stringify(text));
    }
  });

  test('a table lines up, whatever letters are in it', () => {
    const shown = table(
      ['NAME', 'STATE'],
      [
        ['名前', 'active'],
        ['Ada', null],
        ['', 'locked'],
      ],
      plain,
    );
    assert.equal(shown, 'NAME  STATE\n名前  active\nAda   -\n-     locked');
  });

  test('facts stand one a line, lists one a line for each item, and what is not known is left out', () => {
    const shown = facts({ id: 'a', uris: ['one', 'two'], none: undefined, nothing: null }, plain);
    assert.equal(shown, '  id       a\n  uris     one\n           two\n  nothing  -');
  });

  test('nothing that is shown can drive the terminal', () => {
    assert.equal(visible('a\u001b[2Jb\u009b1mc\u202ed\re'), 'a\\u{1b}[2Jb\\u{9b}1mc\\u{202e}d\\u{d}e');
    assert.equal(visible('two\nlines 👩‍💻'), 'two\nlines 👩‍💻');
    assert.equal(table(['A'], [['x\ny\u001b']], plain), 'A\nx y\\u{1b}');
  });

  test('a time is shown in UTC, and how far away it is', () => {
    const now = epochSeconds(1_784_024_130);
    assert.equal(moment(now), '2026-07-14 10:15:30 UTC');
    for (const [seconds, text] of [
      [0, 'now'],
      [1, 'in 1 second'],
      [-90, '1 minute ago'],
      [7200, 'in 2 hours'],
      [-3 * 86_400, '3 days ago'],
    ] as const) {
      assert.equal(distance(epochSeconds(now + seconds), now), text);
    }
  });
});
