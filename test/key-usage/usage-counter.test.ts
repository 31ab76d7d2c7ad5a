import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { UsageCounter } from '#src/key-usage/usage-counter.ts';
import { after, days, epochSeconds, minutes, seconds } from '#src/units.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { fc } from '#test/support/properties.ts';

const ISSUER = 'https://id.example.com';
const KEY = { kid: 'first', alg: 'ES256' } as const;

function counting() {
  const clock = new MovingClock();
  return { clock, counter: new UsageCounter({ clock, issuer: ISSUER }) };
}

const access = (exp: number, aud: unknown = 'https://api.example.com') => ({
  typ: 'at+jwt',
  claims: { client_id: 'web', aud, exp },
});

describe('the count of what a key has signed', () => {
  test('is of the tokens that live on: access tokens and ID tokens, and no answers', () => {
    const { counter, clock } = counting();
    const exp = after(clock.now(), minutes(5));
    counter.note(KEY, access(exp));
    counter.note(KEY, access(exp));
    counter.note(KEY, { typ: undefined, claims: { aud: 'web', sub: 'ada', exp, grant_id: 'one' } });
    counter.note(KEY, { typ: undefined, claims: { aud: 'web', sub: 'ada', exp } });
    counter.note(KEY, { typ: 'logout+jwt', claims: { aud: 'web', exp } });
    counter.note(KEY, { typ: 'token-introspection+jwt', claims: { aud: 'rs_1' } });
    counter.note(KEY, { typ: 'statuslist+jwt', claims: { exp } });
    const [counted] = counter.unwrittenKeys();
    const { tokens } = counted?.value ?? assert.fail();
    assert.deepEqual(
      tokens.access.expiring.map(([, count]) => count),
      [2],
    );
    assert.deepEqual(
      tokens.id.expiring.map(([, count]) => count),
      [1],
    );
    assert.equal(tokens.access.lastExpiresAt, exp);
  });

  test('is kept for each key by itself, and again only when it has changed', () => {
    const { counter, clock } = counting();
    const exp = after(clock.now(), minutes(5));
    counter.note(KEY, access(exp));
    counter.note({ kid: 'second', alg: 'RS256' }, access(exp));
    const both = counter.unwrittenKeys();
    assert.deepEqual(
      both.map(({ value }) => [value.kid, value.alg]),
      [
        ['first', 'ES256'],
        ['second', 'RS256'],
      ],
    );
    both[0]?.written();
    assert.deepEqual(
      counter.unwrittenKeys().map(({ value }) => value.kid),
      ['second'],
    );
    // What is signed while the count is being written down is not taken for written.
    const [second] = counter.unwrittenKeys();
    counter.note({ kid: 'second', alg: 'RS256' }, access(exp));
    second?.written();
    assert.equal(counter.unwrittenKeys().length, 1);
  });

  test('never counts a token that has expired, and misses few that have not, whatever is signed when', () => {
    const lifetimes = fc.array(
      fc.record({
        lifetime: fc.oneof(fc.integer({ min: 1, max: 900 }), fc.integer({ min: 1, max: days(1) })),
        wait: fc.integer({ min: 0, max: 600 }),
      }),
      { maxLength: 300 },
    );
    fc.assert(
      fc.property(lifetimes, (tokens) => {
        const { counter, clock } = counting();
        const signed: { exp: number; lifetime: number }[] = [];
        for (const { lifetime, wait } of tokens) {
          clock.move(seconds(wait));
          const exp = after(clock.now(), seconds(lifetime));
          counter.note(KEY, access(exp));
          signed.push({ exp, lifetime });
        }
        const expiring = counter.unwrittenKeys()[0]?.value.tokens.access.expiring ?? [];
        for (let later = 0; later < days(1); later += 1799) {
          const now = epochSeconds(clock.now() + later);
          const alive = signed.filter(({ exp }) => exp > now);
          const certain = alive.filter(({ exp, lifetime }) => exp - Math.max(10, lifetime / 8) > now);
          const counted = expiring.reduce((sum, [until, count]) => (until > now ? sum + count : sum), 0);
          assert.ok(counted <= alive.length, `${counted} of ${alive.length}`);
          assert.ok(counted >= certain.length, `${counted} and not ${certain.length}`);
        }
      }),
    );
  });

  test('takes no more than some hundred numbers, however many tokens there are', () => {
    const { counter, clock } = counting();
    for (let lifetime = 1; lifetime <= days(1); lifetime += 1)
      counter.note(KEY, access(after(clock.now(), seconds(lifetime))));
    assert.ok((counter.unwrittenKeys()[0]?.value.tokens.access.expiring.length ?? 999) < 320);
  });

  test('is forgotten with the last token that lived, once that is written down', () => {
    const { counter, clock } = counting();
    counter.note(KEY, access(after(clock.now(), minutes(5))));
    counter.unwrittenKeys()[0]?.written();
    clock.move(minutes(6));
    assert.deepEqual(counter.unwrittenKeys(), []);
    counter.note(KEY, access(after(clock.now(), minutes(5))));
    assert.equal(counter.unwrittenKeys()[0]?.value.tokens.access.expiring.length, 1);
  });
});

describe('who was last given something by an algorithm', () => {
  const usesOf = (counter: UsageCounter) =>
    counter.unwrittenUses(seconds(0)).map(({ value }) => `${value.alg} ${value.role} ${value.name}`);

  test('is whoever verifies it, and the client that holds an access token', () => {
    const { counter, clock } = counting();
    const exp = after(clock.now(), minutes(5));
    counter.note(KEY, access(exp, ['https://api.example.com', ISSUER]));
    counter.note(KEY, { typ: undefined, claims: { aud: 'shop', exp, grant_id: 'one' } });
    counter.note(
      { kid: 'second', alg: 'RS256' },
      { typ: 'token-introspection+jwt', claims: { aud: 'rs_1' } },
    );
    assert.deepEqual(usesOf(counter), [
      'ES256 client shop',
      'ES256 holder web',
      'ES256 resource-server https://api.example.com',
      'RS256 client rs_1',
    ]);
  });

  test('is written down once, and again when it is new by a step', () => {
    const { counter, clock } = counting();
    const use = () => counter.note(KEY, access(after(clock.now(), minutes(5)), []));
    const step = minutes(10);
    use();
    const [first] = counter.unwrittenUses(step);
    first?.written();
    clock.move(minutes(9));
    use();
    assert.deepEqual(counter.unwrittenUses(step), []);
    clock.move(minutes(1));
    const [again] = counter.unwrittenUses(step);
    assert.equal(again?.value.lastAt, clock.now() - minutes(1));
  });

  test('is remembered of a bounded number, and of others once those are forgotten', () => {
    const { counter, clock } = counting();
    for (let each = 0; each < 10_001; each += 1)
      counter.note(KEY, { typ: undefined, claims: { aud: `client-${each}` } });
    const uses = counter.unwrittenUses(minutes(10));
    assert.equal(uses.length, 10_000);
    for (const { written } of uses) written();
    clock.move(minutes(11));
    assert.deepEqual(counter.unwrittenUses(minutes(10)), []);
    counter.note(KEY, { typ: undefined, claims: { aud: 'client-10000' } });
    assert.deepEqual(usesOf(counter), ['ES256 client client-10000']);
  });
});
