import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  candidates,
  firstRegister,
  type KekRegister,
  neededKeys,
  nextRegister,
  withoutKey,
} from '#src/sealing/kek-register.ts';
import { epochSeconds } from '#src/units.ts';
import { fc } from '#test/support/properties.ts';

const now = epochSeconds(1_784_024_130);
const OLD = '20260101-000000-aaaaaa';
const KEY = '20260201-000000-bbbbbb';
const NEW = '20260301-000000-cccccc';
const user = (...keks: string[]) => ({ keks });

describe('the register of key-encryption keys', () => {
  test('of a store that has none yet names the key of its root secret, and keys that may have been used as former', () => {
    const register = firstRegister(KEY, [OLD, KEY, NEW], now);
    assert.deepEqual(neededKeys(register), [KEY, OLD, NEW]);
    assert.deepEqual(neededKeys(firstRegister(KEY, [], now)), [KEY]);
  });

  test('announces the newest key that everyone has, and then lets it become current, each by a change of its own', () => {
    const first = firstRegister(KEY, [], now);
    const everyone = [user(KEY, NEW), user(KEY, NEW)];
    const announced = nextRegister(first, [KEY, NEW], everyone, now) ?? assert.fail();
    assert.deepEqual([announced.current.id, announced.next], [KEY, NEW]);
    assert.deepEqual(neededKeys(announced), [KEY, NEW]);
    const turned = nextRegister(announced, [KEY, NEW], everyone, now) ?? assert.fail();
    assert.deepEqual([turned.current, turned.next], [{ id: NEW, since: now }, null]);
    assert.deepEqual(turned.former, [{ id: KEY, until: now }]);
    assert.equal(nextRegister(turned, [KEY, NEW], everyone, now), null);
  });

  test('does not announce a key that somebody lacks, and takes an announcement back if somebody has come without', () => {
    const first = firstRegister(KEY, [], now);
    assert.equal(nextRegister(first, [KEY, NEW], [user(KEY, NEW), user(KEY)], now), null);
    assert.equal(nextRegister(first, [KEY], [user(KEY, NEW)], now), null, 'whoever asks lacks it too');
    const announced = { ...first, next: NEW };
    const taken = nextRegister(announced, [KEY, NEW], [user(KEY, NEW), user(KEY)], now);
    assert.deepEqual(taken, first);
  });

  test('takes the newest that everyone has where the newest of all is lacking somewhere', () => {
    const first = firstRegister(OLD, [], now);
    const announced = nextRegister(first, [OLD, KEY, NEW], [user(OLD, KEY)], now);
    assert.equal(announced?.next, KEY);
  });

  test('never goes back to an older key, nor to one that is retired', () => {
    const first = firstRegister(KEY, [], now);
    assert.deepEqual(candidates(first, [OLD, KEY]), []);
    const retired = withoutKey(first, NEW, now);
    assert.deepEqual(candidates(retired, [KEY, NEW]), []);
    assert.equal(nextRegister(retired, [KEY, NEW], [user(KEY, NEW)], now), null);
  });

  test('retires no key that is current or about to be', () => {
    const announced = { ...firstRegister(KEY, [], now), next: NEW };
    assert.throws(() => withoutKey(announced, KEY, now), RangeError);
    assert.throws(() => withoutKey(announced, NEW, now), RangeError);
    const { former, retired } = withoutKey(firstRegister(KEY, [OLD], now), OLD, now);
    assert.deepEqual([former, retired], [[], [{ id: OLD, at: now }]]);
  });
});

/** A process in the middle of something: each step is one look at the store, or one write to it. */
type Actor = { keks: string[] } & (
  | { at: 'stopped' }
  | { at: 'told' }
  | { at: 'serving' }
  | { at: 'looking'; seen: KekRegister; version: number }
  | { at: 'deciding'; seen: KekRegister; version: number; users: { keks: string[] }[] }
);

test('no process that serves ever lacks the current key, whoever starts, stops, gets keys and rotates at once', () => {
  const keys = [OLD, KEY, NEW];
  const event = fc.record({
    who: fc.nat(3),
    what: fc.oneof(
      { weight: 20, arbitrary: fc.constant('go on') },
      { weight: 3, arbitrary: fc.constantFrom('get a key', 'stop') },
      { weight: 1, arbitrary: fc.constant('stop and lose keys') },
    ),
  });
  fc.assert(
    fc.property(fc.array(event, { minLength: 30, maxLength: 300 }), (events) => {
      let register = firstRegister(OLD, [], now);
      let version = 0;
      const actors: Actor[] = Array.from({ length: 4 }, () => ({ at: 'stopped', keks: [OLD] }));
      const living = () => actors.filter(({ at }) => at !== 'stopped').map(({ keks }) => ({ keks }));
      for (const { who, what } of events) {
        const actor = actors[who] ?? assert.fail();
        const { keks } = actor;
        const next = (): Actor => {
          if (what === 'stop') return { at: 'stopped', keks };
          // Only an administrator takes keys away, and only from what does not run.
          if (what === 'stop and lose keys') return { at: 'stopped', keks: keks.slice(-1) };
          if (what === 'get a key') {
            const lacking = keys.find((id) => !keks.includes(id));
            return { ...actor, keks: lacking === undefined ? keks : [...keks, lacking] };
          }
          if (actor.at === 'stopped') return { at: 'told', keks };
          const complete = neededKeys(register).every((id) => keks.includes(id));
          if (actor.at === 'told') return { at: complete ? 'serving' : 'stopped', keks };
          if (actor.at === 'serving') return { at: 'looking', keks, seen: register, version };
          if (actor.at === 'looking') return { ...actor, at: 'deciding', users: living() };
          const following = nextRegister(actor.seen, keks, actor.users, now);
          if (following !== null && actor.version === version) {
            register = following;
            version += 1;
          }
          return { at: 'serving', keks };
        };
        actors[who] = next();
        for (const { at, keks: held } of actors) {
          if (at === 'stopped' || at === 'told') continue;
          assert.ok(held.includes(register.current.id), `${held} without ${register.current.id}`);
        }
      }
    }),
    { numRuns: 2000 },
  );
});
