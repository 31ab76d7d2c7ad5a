import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { firstSteps } from '#src/cli/first-steps.ts';
import { loadConfig } from '#src/config/load.ts';
import { readPage } from '#test/docs/markdown.ts';
import { startKeyturn } from '#test/support/running-server.ts';

const { text } = readPage('README.md');

/** The block of code behind the comment that names it. */
function block(name: string): string {
  const [, code] = new RegExp(`<!-- ${name} -->\\n\`\`\`text\\n(.*?)\`\`\``, 's').exec(text) ?? [];
  return code ?? assert.fail(`README.md shows ${name}`);
}

describe('README.md', () => {
  test('shows what the first start says', () => {
    const config = loadConfig({ env: {}, cwd: '/home/ada/keyturn' });
    const said = firstSteps(config, { created: true }).text((_emphasis, plain) => plain);
    assert.equal(block('the first start').trim(), said.trim());
  });

  test('shows what the tour says: all of its steps, and what they check', async () => {
    await using keyturn = await startKeyturn();
    const { code, stdout } = await keyturn.cli(['tour']);
    assert.equal(code, 0, stdout);
    const said = stdout
      .replaceAll(keyturn.issuer, 'http://localhost:3000')
      .split('\n')
      .filter((line) => /^( ?\d+ {2}|All |\s+✓)/.test(line));
    const shown = block('the tour')
      .split('\n')
      .filter((line) => line !== '');
    assert.equal(shown.length, said.length);
    for (const [index, line] of shown.entries()) {
      const fits = line.endsWith('…') ? said[index]?.startsWith(line.slice(0, -1)) : said[index] === line;
      assert.ok(fits, `README.md: ${line}\nthe tour:  ${said[index]}`);
    }
  });
});
