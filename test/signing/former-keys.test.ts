import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemRandom } from '#src/random.ts';
import { generateKey, publicMembers } from '#src/signing/algorithm.ts';
import { FormerKeys } from '#src/signing/former-keys.ts';
import { minutes, seconds } from '#src/units.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

test('a former key is published until its second has come, whether or not the store can be read by then', async () => {
  await using store = await openTemporaryStore();
  const { records, clock } = store;
  const ring = { createdAt: clock.now(), keys: [], turns: [] };
  const formerKeys = new FormerKeys({ records, clock, ring: () => ring });
  const { kid, jwk } = await generateKey('ES256', systemRandom);
  await formerKeys.add({ ...publicMembers(jwk), kid }, minutes(5));
  assert.deepEqual(formerKeys.published(), [], 'nothing has been read yet');
  await formerKeys.refresh();
  const published = formerKeys.published();
  assert.deepEqual(
    published.map((key) => key.kid),
    [kid],
  );
  clock.move(seconds(299));
  await formerKeys.refresh();
  assert.equal(formerKeys.published(), published, 'the same list, as nothing has changed');
  clock.move(seconds(1));
  assert.deepEqual(formerKeys.published(), []);
});
