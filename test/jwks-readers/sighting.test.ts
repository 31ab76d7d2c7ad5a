import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Sighting, together } from '#src/jwks-readers/sighting.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';
import { fc } from '#test/support/properties.ts';

const NOON = 1_784_030_400;
const HOUR = 3600;

const seen = (at: number, kids: readonly string[], program = 'jose'): Sighting => ({
  lastAt: epochSeconds(NOON + at),
  keys: Object.fromEntries(kids.map((kid) => [kid, epochSeconds(NOON + at)])),
  program,
  network: '10.0.0.0/24',
});

/** Fetches of one reader over a few hours, in which some of five keys were published. */
const sightings = fc
  .array(
    fc.record({
      at: fc.integer({ min: 0, max: 4 * HOUR }),
      kids: fc.uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e')),
      program: fc.constantFrom('jose', 'curl'),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((all) => all.map(({ at, kids, program }) => seen(at, kids, program)));

const all = (some: readonly Sighting[]) => some.reduce((one, other) => together(one, other));

describe('what is remembered of a reader', () => {
  test('is the same in whichever order and however often sightings are put together', () => {
    fc.assert(
      fc.property(
        sightings.chain((some) =>
          fc.tuple(
            fc.constant(some),
            fc.shuffledSubarray([...some, ...some], { minLength: some.length * 2 }),
            fc.nat(some.length * 2),
          ),
        ),
        ([some, shuffled, cut]) => {
          const [left, right] = [shuffled.slice(0, cut), shuffled.slice(cut)];
          const parts = [left, right].filter((part) => part.length > 0).map(all);
          assert.deepEqual(all(parts), all(some));
        },
      ),
    );
  });

  test('has the last time, and every key of the last hour with the last time of its own', () => {
    fc.assert(
      fc.property(sightings, (some) => {
        const { lastAt, keys } = all(some);
        assert.equal(lastAt, Math.max(...some.map((each) => each.lastAt)));
        const expected = new Map<string, EpochSeconds>();
        for (const each of some)
          for (const [kid, at] of Object.entries(each.keys))
            if (at > (expected.get(kid) ?? 0) && at >= lastAt - HOUR) expected.set(kid, at);
        assert.deepEqual(new Map(Object.entries(keys)), expected);
      }),
    );
  });

  test('has no key that was in none of the documents', () => {
    assert.deepEqual(Object.keys(together(seen(0, ['a']), seen(5, ['b'])).keys).toSorted(), ['a', 'b']);
  });

  test('keeps a key that a server which had not heard of it yet left out', () => {
    const { keys } = together(seen(0, ['a', 'new']), seen(3, ['a']));
    assert.equal(keys.new, NOON);
  });

  test('forgets a key that was gone for an hour, so that it never grows with the years', () => {
    let memory = seen(0, ['key 0']);
    for (let day = 1; day < 1000; day += 1) memory = together(memory, seen(day * 24 * HOUR, [`key ${day}`]));
    assert.deepEqual(Object.keys(memory.keys), ['key 999']);
    for (let second = 0; second < 1000; second += 1)
      memory = together(memory, seen(24_000 * HOUR + second, [`hurried ${second}`]));
    assert.equal(Object.keys(memory.keys).length, 64);
    assert.ok(Object.hasOwn(memory.keys, 'hurried 999'));
  });
});
