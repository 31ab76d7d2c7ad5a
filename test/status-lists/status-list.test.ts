import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inflateSync } from 'node:zlib';
import { endOf, ListNames, listFor, Statuses } from '#src/status-lists/status-list.ts';
import { epochSeconds } from '#src/units.ts';

describe('a status list', () => {
  test('has the bytes of the example of Token Status List section 4.1', async () => {
    const statuses = new Statuses(16);
    for (const index of [0, 3, 4, 5, 7, 8, 9, 13, 15]) statuses.setInvalid(index);
    const { bits, lst } = await statuses.encoded();
    assert.equal(bits, 1);
    assert.equal(inflateSync(Buffer.from(lst, 'base64url')).toString('hex'), 'b9a3');
    assert.equal(lst, 'eNrbuRgAAhcBXQ', 'the example of section 4.2');
  });

  test('is small while most tokens are valid', async () => {
    const statuses = new Statuses(400_000);
    for (let index = 0; index < 400_000; index += 10_000) statuses.setInvalid(index);
    const { lst } = await statuses.encoded();
    assert.ok(lst.length < 1000, `${lst.length} characters`);
  });

  test('is for one algorithm and the tokens of one quarter of an hour, and over when the last of them is', () => {
    const start = epochSeconds(1_784_024_100);
    const key = listFor('ES256', start);
    assert.deepEqual(listFor('ES256', epochSeconds(start + 899)), key);
    assert.equal(endOf(key), start + 900);
    assert.notDeepEqual(listFor('ES256', epochSeconds(start + 900)), key);
    assert.notDeepEqual(listFor('RS256', start), key);
  });

  test('has a name that every node with the key finds, and nobody else', () => {
    const [one, same, other] = [1, 1, 2].map((byte) => new ListNames(Buffer.alloc(32, byte)));
    const key = listFor('ES256', epochSeconds(1_784_024_100));
    const name = one?.nameOf(key);
    assert.match(name ?? '', /^[\w-]{22}$/);
    assert.equal(same?.nameOf(key), name);
    assert.notEqual(other?.nameOf(key), name);
    assert.notEqual(one?.nameOf({ ...key, stretch: key.stretch + 1 }), name);
  });
});
