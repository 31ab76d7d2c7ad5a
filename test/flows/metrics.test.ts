import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { systemClock } from '#src/clock.ts';
import { SetupFault } from '#src/fault.ts';
import { activeKey } from '#src/signing/key-ring.ts';
import { freePort } from '#test/support/free-port.ts';
import { startKeyturnHere } from '#test/support/keyturn.ts';

const GUIDE = new URL('../../docs/administrators.md', import.meta.url);

describe('metrics', () => {
  const scrape = async (port: number) => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  /** What a series is at, by its whole name. */
  const reading = (text: string, series: string) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${series} `))
        ?.split(' ')[1],
    );

  test('are answered on a port of their own, in the format of Prometheus, and nowhere else', async () => {
    const port = await freePort();
    await using keyturn = await startKeyturnHere({ KEYTURN_METRICS_PORT: String(port) });
    const response = await fetch(`http://127.0.0.1:${port}/metrics`);
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    assert.match(await response.text(), /^keyturn_build_info\{version="[^"]+"\} 1$/m);
    for (const [path, method, status] of [
      ['/metrics?x=1', 'GET', 200],
      ['/metrics', 'POST', 405],
      ['/token', 'POST', 404],
    ] as const)
      assert.equal((await fetch(`http://127.0.0.1:${port}${path}`, { method })).status, status, path);
    assert.equal((await fetch(`${keyturn.issuer}/metrics`)).status, 404);
  });

  test('say how old each key is, and when the next one begins to sign, as `keys list` does', async () => {
    const port = await freePort();
    await using keyturn = await startKeyturnHere({ KEYTURN_METRICS_PORT: String(port) });
    const { rotation } = keyturn.services;
    const kid = () => activeKey(rotation.held.ring, 'ES256', systemClock.now())?.kid;
    const ageOf = (text: string, state: string, of = kid()) =>
      reading(text, `keyturn_key_age_seconds{alg="ES256",state="${state}",kid="${of}"}`);
    const planned = async () =>
      (await rotation.list()).find(({ alg, state }) => alg === 'ES256' && state === 'next')?.signsFrom;
    const next = (text: string) => reading(text, 'keyturn_key_next_rotation_timestamp_seconds{alg="ES256"}');
    const before = await scrape(port);
    assert.ok(ageOf(before, 'active') >= 0, before);
    assert.equal(next(before), await planned());
    const replaced = kid();
    await rotation.revoke(replaced ?? '', 'stolen');
    const after = await scrape(port);
    assert.notEqual(kid(), replaced);
    assert.ok(ageOf(after, 'active') >= 0, after);
    assert.ok(Number.isNaN(ageOf(after, 'active', replaced)));
    assert.ok(ageOf(after, 'revoked', replaced) >= 0);
    assert.equal(next(after), await planned());
  });

  test('are those that the documentation tells of', async () => {
    const port = await freePort();
    await using _ = await startKeyturnHere({ KEYTURN_METRICS_PORT: String(port) });
    const measured = [...(await scrape(port)).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    const guide = readFileSync(GUIDE, 'utf8');
    const told = [...guide.matchAll(/^\| `(keyturn_\w+)` \|/gm)].map(([, name]) => name);
    assert.deepEqual(told.toSorted(), measured.toSorted());
  });

  test('whose port is taken keep the server from starting, with a word about which setting that is', async () => {
    const port = await freePort();
    await using _ = await startKeyturnHere({ KEYTURN_METRICS_PORT: String(port) });
    await assert.rejects(startKeyturnHere({ KEYTURN_METRICS_PORT: String(port) }), (error) => {
      assert.ok(error instanceof SetupFault, String(error));
      assert.match(error.hint, /KEYTURN_METRICS_PORT/);
      return true;
    });
  });
});
