import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  advance,
  familyExpiresAt,
  judge,
  newFamily,
  REFRESH_TOKEN_TYPE,
  type RefreshFamily,
  type RefreshLifetimes,
  readRefreshTokenClaims,
  refreshTokenClaims,
} from '#src/tokens/refresh-token.ts';
import { after, days, type EpochSeconds, epochSeconds, hours, seconds } from '#src/units.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { fc } from '#test/support/properties.ts';

const START = new MovingClock().now();
const ISSUER = 'https://login.example.com';
const LIFETIMES: RefreshLifetimes = { idle: days(14), absolute: days(90), grace: seconds(10) };
const says = { scope: 'openid' };

const lifetimes = fc.record({
  idle: fc.integer({ min: 1, max: 1_000 }).map(seconds),
  absolute: fc.integer({ min: 1, max: 5_000 }).map(seconds),
  grace: fc.integer({ min: 0, max: 60 }).map(seconds),
});

/** What happens to a family: its current token is used after so many seconds, each time. */
const history = fc.array(fc.integer({ min: 0, max: 500 }).map(seconds), { maxLength: 30 });

/** Every family that a history goes through, and when it is over. */
function lived(gaps: readonly (typeof LIFETIMES)['idle'][]): {
  families: RefreshFamily[];
  now: EpochSeconds;
} {
  let now = START;
  const families = [newFamily(says, now)];
  for (const gap of gaps) {
    now = after(now, gap);
    families.push(advance(families.at(-1) as RefreshFamily, now));
  }
  return { families, now };
}

describe('a family of refresh tokens (RFC 9700 section 4.14.2)', () => {
  test('has one current generation, whatever came before, and all that it says stays the same', () => {
    fc.assert(
      fc.property(history, lifetimes, fc.nat(1_000), (gaps, lifetimes, later) => {
        const { families, now } = lived(gaps);
        const family = families.at(-1) as RefreshFamily;
        const judgements = families.map(({ generation }) =>
          judge(family, generation, after(now, seconds(later)), lifetimes),
        );
        assert.deepEqual(
          judgements.flatMap((judgement, index) => (judgement === 'current' ? [index] : [])),
          [families.length - 1],
        );
        assert.ok(judgements.slice(0, -2).every((judgement) => judgement === 'reuse'));
        assert.deepEqual([family.generation, family.startedAt, family.says], [families.length, START, says]);
      }),
    );
  });

  test('gives the token before the current one a retry until the last second of the grace, and then no more', () => {
    fc.assert(
      fc.property(history, lifetimes, (gaps, lifetimes) => {
        const { families, now } = lived([...gaps, seconds(1)]);
        const family = families.at(-1) as RefreshFamily;
        const at = (second: number) =>
          judge(family, family.generation - 1, after(now, seconds(second)), lifetimes);
        assert.equal(at(0), 'retry');
        assert.equal(at(lifetimes.grace), 'retry');
        assert.equal(at(lifetimes.grace + 1), 'reuse');
      }),
    );
  });

  test('is judged by generations and not by seconds: two uses in one second make the first token an old one', () => {
    const first = newFamily(says, START);
    const third = advance(advance(first, START), START);
    assert.equal(judge(third, 1, START, LIFETIMES), 'reuse');
    assert.equal(judge(third, 2, START, LIFETIMES), 'retry');
    assert.equal(judge(third, 3, START, LIFETIMES), 'current');
  });

  test('never takes a generation for current or a retry that it has not had', () => {
    fc.assert(
      fc.property(history, fc.integer(), (gaps, generation) => {
        const { families, now } = lived(gaps);
        const family = families.at(-1) as RefreshFamily;
        const judgement = judge(family, generation, now, LIFETIMES);
        if (judgement === 'current') assert.equal(generation, family.generation);
        if (judgement === 'retry') assert.equal(generation, family.generation - 1);
      }),
    );
  });

  test('ends when its token lay idle for too long, or when it is too old, whichever is first', () => {
    fc.assert(
      fc.property(history, lifetimes, (gaps, lifetimes) => {
        for (const family of lived(gaps).families) {
          const end = familyExpiresAt(family, lifetimes);
          assert.ok(end <= family.advancedAt + lifetimes.idle);
          assert.ok(end <= family.startedAt + lifetimes.absolute);
          assert.ok(
            end === family.advancedAt + lifetimes.idle || end === family.startedAt + lifetimes.absolute,
          );
        }
      }),
    );
    const family = newFamily(says, START);
    assert.equal(familyExpiresAt(family, LIFETIMES), START + days(14));
    const late = advance(family, after(START, days(80)));
    assert.equal(familyExpiresAt(late, LIFETIMES), START + days(90));
  });

  test('lives no longer for being used with every second that it has', () => {
    let family = newFamily(says, START);
    for (let use = 0; use < 100; use += 1) {
      family = advance(family, epochSeconds(familyExpiresAt(family, LIFETIMES) - 1));
    }
    assert.equal(familyExpiresAt(family, LIFETIMES), START + days(90));
  });
});

describe('what a refresh token says', () => {
  test('depends on nothing but the family, so that everyone who is owed a generation is given the same one', () => {
    fc.assert(
      fc.property(history, lifetimes, (gaps, lifetimes) => {
        for (const family of lived(gaps).families) {
          const copy = JSON.parse(JSON.stringify(family)) as RefreshFamily;
          const text = () => JSON.stringify(refreshTokenClaims(ISSUER, 'authorization', family, lifetimes));
          const again = JSON.stringify(refreshTokenClaims(ISSUER, 'authorization', copy, { ...lifetimes }));
          assert.equal(text(), again);
          assert.equal(text(), text());
        }
      }),
    );
  });

  test('differs with the authorization and with the generation, also within one second', () => {
    const family = newFamily(says, START);
    const claims = [
      refreshTokenClaims(ISSUER, 'one', family, LIFETIMES),
      refreshTokenClaims(ISSUER, 'other', family, LIFETIMES),
      refreshTokenClaims(ISSUER, 'one', advance(family, START), LIFETIMES),
    ];
    assert.equal(new Set(claims.map((each) => JSON.stringify(each))).size, claims.length);
  });

  test('is meant for the issuer alone, tells nothing of the person, and ends with the family', () => {
    const family = advance(newFamily(says, START), after(START, hours(1)));
    assert.deepEqual(refreshTokenClaims(ISSUER, 'authorization', family, LIFETIMES), {
      iss: ISSUER,
      aud: ISSUER,
      iat: START + hours(1),
      exp: START + hours(1) + days(14),
      jti: 'authorization.2',
    });
  });

  test('is read back as it was said', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[\w-]{1,64}$/), history, (id, gaps) => {
        const family = lived(gaps).families.at(-1) as RefreshFamily;
        const claims = refreshTokenClaims(ISSUER, id, family, LIFETIMES);
        assert.deepEqual(readRefreshTokenClaims({ typ: REFRESH_TOKEN_TYPE }, { ...claims }, ISSUER), {
          authorizationId: id,
          generation: family.generation,
          issuedAt: family.advancedAt,
          expiresAt: familyExpiresAt(family, LIFETIMES),
        });
      }),
    );
  });

  const claims = { ...refreshTokenClaims(ISSUER, 'authorization', newFamily(says, START), LIFETIMES) };
  const header = { typ: REFRESH_TOKEN_TYPE };
  const wrong: readonly (readonly [why: string, header: object, claims: object])[] = [
    ['of another type (RFC 8725 section 3.11)', { typ: 'at+jwt' }, claims],
    ['of no type', {}, claims],
    ['of another issuer', header, { ...claims, iss: 'https://evil.example' }],
    ['for another audience', header, { ...claims, aud: 'https://api.example.com' }],
    ['for several audiences', header, { ...claims, aud: [ISSUER] }],
    ['without jti', header, { ...claims, jti: undefined }],
    ['without a generation', header, { ...claims, jti: 'authorization' }],
    ['of generation zero', header, { ...claims, jti: 'authorization.0' }],
    ['of a generation in another spelling', header, { ...claims, jti: 'authorization.01' }],
    ['of a negative generation', header, { ...claims, jti: 'authorization.-1' }],
    ['of two authorizations', header, { ...claims, jti: 'one.1.1' }],
    ['of no authorization', header, { ...claims, jti: '.1' }],
    ['with an authorization that is a list', header, { ...claims, jti: ['authorization.1'] }],
    ['without exp', header, { ...claims, exp: undefined }],
    ['that expires in a text', header, { ...claims, exp: '99999999999' }],
    ['that never expires', header, { ...claims, exp: Number.POSITIVE_INFINITY }],
    ['without iat', header, { ...claims, iat: undefined }],
  ];
  for (const [why, header, claims] of wrong) {
    test(`is not read ${why}`, () => {
      assert.equal(readRefreshTokenClaims({ ...header }, { ...claims }, ISSUER), null);
    });
  }
});
