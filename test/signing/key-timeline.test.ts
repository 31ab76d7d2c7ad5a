import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { GeneratedKey, JwsAlgorithm } from '#src/signing/algorithm.ts';
import type { KeyEvent } from '#src/signing/key-event.ts';
import { listing } from '#src/signing/key-listing.ts';
import { type KeyTimeline, keyTimeline } from '#src/signing/key-timeline.ts';
import type { RingPolicy } from '#src/signing/ring-policy.ts';
import { KeyRotation } from '#src/signing/rotation.ts';
import { after, days, type EpochSeconds, hours, minutes, type Seconds, seconds } from '#src/units.ts';
import { POLICY } from '#test/signing/policy.ts';
import { generated, start } from '#test/signing/rings.ts';
import { fc } from '#test/support/properties.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

const rules: RingPolicy = { ...POLICY, algorithms: ['ES256'], rotateEvery: hours(6) };

const DEEDS = [
  'wait',
  'rotate',
  'break-glass',
  'undo',
  'revoke-active',
  'revoke-next',
  'import',
  'rehearse',
] as const;
type Deed = (typeof DEEDS)[number];

async function openRotation() {
  const store = await openTemporaryStore();
  const { clock } = store;
  const ports = { records: store.records, clock, policy: rules, historyKept: days(400) };
  const rotation = await KeyRotation.open({ ...ports, source: { generate: async (alg) => generated(alg) } });
  return { rotation, clock, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

async function perform(rotation: KeyRotation, deed: Deed, now: EpochSeconds): Promise<void> {
  const kidOf = async (wanted: string) =>
    (await rotation.list()).find(({ alg, state }) => alg === 'ES256' && state === wanted)?.kid ?? '';
  const all: Readonly<Record<Deed, () => Promise<unknown>>> = {
    wait: () => rotation.maintain(),
    rotate: () => rotation.rotate(),
    'break-glass': () => rotation.rotate({ alg: 'ES256', breakGlass: 'a test' }),
    undo: () => rotation.undo(),
    'revoke-active': async () => rotation.revoke(await kidOf('active'), 'a test'),
    'revoke-next': async () => rotation.revoke(await kidOf('next'), 'a test'),
    import: () => rotation.import(anotherKey()),
    rehearse: () => rotation.rehearse('ES256', after(now, minutes(20))),
  };
  await all[deed]();
}

function anotherKey(): GeneratedKey {
  const key = generated('ES256');
  return { ...key, jwk: { ...key.jwk, x: key.kid } };
}

/** What the timeline says a key is at a time. */
function stateIn(timeline: KeyTimeline, kid: string, at: EpochSeconds): string | undefined {
  const life = timeline.lives.find((each) => each.kid === kid);
  return life?.spans.find(({ from, until }) => from <= at && (until === null || at < until))?.state;
}

describe('the timeline of keys', () => {
  test('says of every second what the ring said then, whatever was done to it', async () => {
    const step = fc.record({ pause: fc.integer({ min: 1, max: 4 * 3600 }), deed: fc.constantFrom(...DEEDS) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
        await using opened = await openRotation();
        const { rotation, clock } = opened;
        const seen: { at: EpochSeconds; kid: string; state: string }[] = [];
        for (const { pause, deed } of steps) {
          clock.move(seconds(pause));
          await perform(rotation, deed, clock.now());
          await rotation.maintain();
          const { ring } = rotation.held;
          const now = clock.now();
          for (const key of ring.keys) seen.push({ at: now, ...listing(ring, key, now) });
        }
        const { events } = await rotation.history({ after: 0, limit: 1000 });
        const timeline = keyTimeline(events, await rotation.list());
        for (const { at, kid, state } of seen)
          assert.equal(stateIn(timeline, kid, at), state, `${kid} at ${at}`);
        const signing = timeline.lives.filter(({ spans }) => spans.some((span) => span.state === 'active'));
        assert.ok(signing.length >= 2, 'an ES256 and an HS256 key');
      }),
      { numRuns: 60 },
    );
  });

  test('tells turns by the schedule, by hand, back again and after a revocation apart', async () => {
    await using opened = await openRotation();
    const { rotation, clock } = opened;
    const wait = async (length: Seconds) => {
      clock.move(length);
      await rotation.maintain();
    };
    await wait(hours(6));
    await wait(hours(1));
    await rotation.rotate({ alg: 'ES256' });
    await wait(minutes(10));
    await rotation.undo({ alg: 'ES256' });
    await wait(minutes(30));
    const active = (await rotation.list()).find(({ alg, state }) => alg === 'ES256' && state === 'active');
    await rotation.revoke(active?.kid ?? '', 'a test');
    const { events } = await rotation.history({ after: 0, limit: 1000 });
    const { turns } = keyTimeline(events, await rotation.list());
    const past = turns.filter(({ alg, from }) => alg === 'ES256' && from <= clock.now());
    assert.deepEqual(
      past.map(({ cause, from }) => [cause, from - start]),
      [
        ['schedule', 0],
        ['schedule', hours(6)],
        ['hand', hours(7)],
        ['undo', hours(7) + 600],
        ['revocation', hours(7) + 2400],
      ],
    );
  });

  test('shows that nothing signs with an algorithm that was given up', () => {
    const event = (what: KeyEvent['what'], alg: JwsAlgorithm, kid: string | null, at: number): KeyEvent => {
      const signsFrom = what === 'stage' ? ((start + at) as EpochSeconds) : null;
      return { what, alg, kid, at: (start + at) as EpochSeconds, signsFrom, reason: null, brokeGlass: false };
    };
    const told = [
      event('stage', 'RS256', 'one', 0),
      event('end', 'RS256', null, 60),
      event('remove', 'RS256', 'one', 90),
    ];
    assert.deepEqual(keyTimeline(told, []).lives, [
      {
        alg: 'RS256',
        kid: 'one',
        spans: [
          { state: 'active', from: start, until: start + 60 },
          { state: 'retired', from: start + 60, until: start + 90 },
        ],
      },
    ]);
  });

  test('begins at nowhere for a key of which only the end is remembered', () => {
    const at = after(start, hours(1));
    const told: KeyEvent[] = [
      { what: 'remove', alg: 'RS256', kid: 'one', at, signsFrom: null, reason: null, brokeGlass: false },
    ];
    assert.deepEqual(keyTimeline(told, []).lives, [
      { alg: 'RS256', kid: 'one', spans: [{ state: 'next', from: 0, until: at }] },
    ]);
  });
});
