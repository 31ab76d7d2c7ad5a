import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import {
  type ClientSecret,
  ClientSecrets,
  LIVE_SECRETS_MAX,
  newestSecret,
  rolledSecrets,
} from '#src/clients/client-secret.ts';
import { systemRandom } from '#src/random.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { fc } from '#test/support/properties.ts';

const clock = new MovingClock();
const deployment = (digestKey = systemRandom.bytes(32)) =>
  new ClientSecrets({ digestKey, clock, random: systemRandom });

describe('a client secret', () => {
  test('is 256 random bits behind a prefix that secret scanners find', () => {
    const { shown } = deployment().create({ keepText: false });
    const [, bits = ''] = /^keyturn_cs_([\w-]+)$/.exec(shown.reveal()) ?? [];
    assert.equal(Buffer.from(bits, 'base64url').length, 32);
  });

  test('cannot be had back from what is kept of it', () => {
    const { shown, kept } = deployment().create({ keepText: false });
    const bits = shown.reveal().slice('keyturn_cs_'.length);
    for (const form of [JSON.stringify(kept), inspect(kept), JSON.stringify({ shown }), inspect({ shown })]) {
      assert.ok(!form.includes(bits));
    }
    assert.deepEqual(Object.keys(kept).toSorted(), ['createdAt', 'digest', 'id']);
    assert.equal(kept.createdAt, clock.now());
  });

  test('is kept in clear where a signature has to be checked by it (RFC 7523 section 3)', () => {
    const { shown, kept } = deployment().create({ keepText: true });
    assert.equal(kept.text, shown.reveal());
  });

  test('matches what was shown and nothing else', () => {
    const secrets = deployment();
    const [one, other] = [secrets.create({ keepText: false }), secrets.create({ keepText: false })];
    assert.equal(secrets.matches([one.kept, other.kept], one.shown.reveal()), true);
    assert.equal(secrets.matches([one.kept, other.kept], other.shown.reveal()), true);
    assert.equal(secrets.matches([other.kept], one.shown.reveal()), false);
    assert.equal(secrets.matches([], one.shown.reveal()), false);
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constantFrom(one.kept.digest, one.kept.id, '')), (presented) => {
        assert.equal(secrets.matches([one.kept, other.kept], presented), presented === one.shown.reveal());
      }),
    );
  });

  test('is worth nothing in another deployment, whose digests differ', () => {
    const { shown, kept } = deployment().create({ keepText: false });
    assert.equal(deployment().matches([kept], shown.reveal()), false);
  });

  test('still matches after a restart with the same key', () => {
    const key = systemRandom.bytes(32);
    const { shown, kept } = deployment(key).create({ keepText: false });
    const stored = JSON.parse(JSON.stringify(kept)) as ClientSecret;
    assert.equal(deployment(Buffer.from(key)).matches([stored], shown.reveal()), true);
  });

  test('costs the same work whether the first, the last or none matches: every digest is compared', () => {
    const secrets = deployment();
    const made = Array.from({ length: LIVE_SECRETS_MAX }, () => secrets.create({ keepText: false }));
    for (const presented of [...made.map(({ shown }) => shown.reveal()), 'wrong']) {
      const read: string[] = [];
      const watched = made.map(({ kept }) => ({
        ...kept,
        get digest() {
          read.push(kept.id);
          return kept.digest;
        },
      }));
      secrets.matches(watched, presented);
      assert.deepEqual(
        read,
        made.map(({ kept }) => kept.id),
      );
    }
  });
});

describe('rolling a secret', () => {
  test('leaves the new one and the one before it, whatever was there', () => {
    assert.equal(LIVE_SECRETS_MAX, 2);
    const secrets = deployment();
    let live: readonly ClientSecret[] = [];
    const made: ClientSecret[] = [];
    for (let roll = 0; roll < 5; roll += 1) {
      const { kept } = secrets.create({ keepText: false });
      made.push(kept);
      live = rolledSecrets(live, kept);
      assert.deepEqual(live, made.slice(-LIVE_SECRETS_MAX));
    }
    assert.deepEqual(newestSecret(live), made.slice(-1));
    assert.deepEqual(newestSecret([]), []);
  });
});
