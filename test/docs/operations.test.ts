import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { machineExposition } from '#src/metrics/machine-exposition.ts';
import { SeriesSums } from '#src/metrics/series-sums.ts';
import { loggedMessages } from '#test/docs/logged-messages.ts';
import { ROOT, readPage } from '#test/docs/markdown.ts';
import { freePort } from '#test/support/free-port.ts';
import { startKeyturnHere } from '#test/support/keyturn.ts';

const page = readPage('docs/operations.md');
const ALERTS = join(ROOT, 'deploy/prometheus/alerts.yml');

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}

describe('what is measured', () => {
  /** The families of a real scrape, each with its type. */
  let families: ReadonlyMap<string, string>;

  before(async () => {
    const port = await freePort();
    const collector = `http://127.0.0.1:${await freePort()}`;
    await using _ = await startKeyturnHere({
      KEYTURN_METRICS_PORT: String(port),
      KEYTURN_TRACING_OTLP_ENDPOINT: collector,
    });
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    const all = machineExposition(
      { workers: [{ place: 1, leaving: false, text, last: text }], crashes: 0 },
      new SeriesSums(),
    );
    families = new Map(
      [...all.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]),
    );
  });

  /** The metrics that an expression names and that there are not, as they are named. */
  const unknownIn = (expression: string) =>
    [...expression.matchAll(/\b(?:keyturn|process|nodejs)_\w+/g)]
      .map(([name]) => name)
      .filter((name) => {
        const family = name.replace(/_(?:bucket|count|sum)$/, '');
        return (
          !(families.has(name) && families.get(name) !== 'histogram') && families.get(family) !== 'histogram'
        );
      });

  test('is what the page tells of, all of it', () => {
    const told = page.rows.flatMap(([first = '']) => /^`(keyturn_\w+)`$/.exec(first)?.[1] ?? []);
    const own = [...families.keys()].filter((name) => name.startsWith('keyturn_'));
    assert.deepEqual(told.toSorted(), own.toSorted());
  });

  test('is what the alerts go by, each of which has its section, and each section its alert', () => {
    const { groups } = parseYaml(readFileSync(ALERTS, 'utf8')) as { groups: { rules: Alert[] }[] };
    const alerts = groups.flatMap(({ rules }) => rules);
    for (const { alert, expr, annotations } of alerts) {
      assert.deepEqual(unknownIn(expr), [], alert);
      assert.equal(annotations.runbook, `docs/operations.md#${alert.toLowerCase()}`);
    }
    const sections = [...page.text.matchAll(/^### (Keyturn\w+)$/gm)].map(([, name]) => name);
    assert.deepEqual(
      sections,
      alerts.map(({ alert }) => alert),
    );
  });

  test('is what the dashboard shows, from the data source that is chosen there', () => {
    const dashboard = JSON.parse(readFileSync(join(ROOT, 'deploy/grafana/keyturn.json'), 'utf8'));
    const panels = dashboard.panels as Panel[];
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    const targets = panels.flatMap(({ title, targets = [] }) => targets.map((each) => ({ title, ...each })));
    assert.ok(targets.length > 30);
    for (const { title, expr, datasource } of targets) {
      assert.deepEqual(unknownIn(expr), [], title);
      assert.match(expr, /\bkeyturn_|\bprocess_|\bnodejs_/, title);
      assert.equal(datasource.uid, '$' + '{datasource}', title);
    }
  });
});

test('the alerts are rules that Prometheus takes, and fire when they should and not before', {
  skip: !hasPromtool() && 'promtool is not installed',
}, () => {
  const promtool = (...args: string[]) => execFileSync('promtool', args, { stdio: 'pipe' });
  promtool('check', 'rules', ALERTS);
  promtool('test', 'rules', join(ROOT, 'test/docs/alerts.yml'));
});

test('the messages of the page are those that the program logs, all of them', () => {
  const from = page.text.indexOf('## Messages of the log');
  const told = [...page.text.slice(from).matchAll(/^\| `([^`]+)` \|/gm)].map(([, message = '']) => message);
  // What was found of the store is told in the words of `keyturn doctor`.
  const logged = [...loggedMessages()].filter((message) => message !== '…');
  assert.deepEqual([...new Set(told)].toSorted(), logged.toSorted());
});

function hasPromtool(): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => globSync(join(folder, 'promtool')).length > 0);
}
