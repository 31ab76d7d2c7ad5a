import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isSeenAlike, joinSessions, type Seen, type Session, sessionFrom } from '#src/sessions/session.ts';
import { epochSeconds, minutes } from '#src/units.ts';

const AT = epochSeconds(1_784_024_130);
const seenAt = (at: number): Seen => ({
  at: epochSeconds(at),
  browser: { name: null, system: null },
  network: null,
});
const session = (more: Partial<Session>): Session => ({
  uid: 'uid',
  subject: 'ada',
  signedInAt: AT,
  seen: null,
  clients: [],
  ...more,
});

describe('a session as its record tells of it', () => {
  test('is none as long as nobody is signed in', () => {
    assert.equal(sessionFrom({ uid: 'uid' }), null);
    assert.equal(sessionFrom({ uid: 'uid', loginTs: AT }), null);
  });

  test('is known to the clients that got an answer, and not to those that only asked', () => {
    const authorizations = {
      told: { sid: 'one', persistsLogout: true },
      'told without a sid': { persistsLogout: true },
      asked: { sid: 'other' },
    };
    assert.deepEqual(
      sessionFrom({ uid: 'uid', accountId: 'ada', loginTs: AT, authorizations }),
      session({
        clients: [
          { clientId: 'told', sid: 'one' },
          { clientId: 'told without a sid', sid: null },
        ],
      }),
    );
  });

  test('that two records tell of is where it was last, and known to the clients of both', () => {
    const older = session({ seen: seenAt(AT), clients: [{ clientId: 'a', sid: '1' }] });
    const newer = session({
      seen: seenAt(AT + 1),
      clients: [
        { clientId: 'b', sid: '2' },
        { clientId: 'a', sid: '1' },
      ],
    });
    for (const [one, other] of [
      [older, newer],
      [newer, older],
    ] as const) {
      const joined = joinSessions(one, other);
      assert.equal(joined.seen?.at, AT + 1);
      assert.deepEqual(joined.clients.map(({ clientId }) => clientId).toSorted(), ['a', 'b']);
    }
  });
});

test('a session is said to have been used again after a minute, or elsewhere', () => {
  const seen = seenAt(AT);
  assert.equal(isSeenAlike(seen, seenAt(AT + minutes(1) - 1)), true);
  assert.equal(isSeenAlike(seen, seenAt(AT + minutes(1))), false);
  assert.equal(isSeenAlike(seen, seenAt(AT - 1)), false);
  assert.equal(isSeenAlike(undefined, seen), false);
  assert.equal(isSeenAlike(seen, { ...seen, network: '192.0.2.0/24' }), false);
  assert.equal(isSeenAlike(seen, { ...seen, browser: { name: 'Firefox', system: null } }), false);
  assert.equal(isSeenAlike(seen, { ...seen, browser: { name: null, system: 'Linux' } }), false);
});
