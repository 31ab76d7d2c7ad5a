import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { joinedJwks } from '#src/signing/joined-jwks.ts';

const documentOf = (...kids: string[]) => ({
  body: Buffer.from(JSON.stringify({ keys: kids.map((kid) => ({ kid })) })),
  etag: `"${kids.join()}"`,
});

const kidsIn = ({ body }: { body: Buffer }) =>
  (JSON.parse(body.toString()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);

describe('a JWK Set with further keys in it', () => {
  test('changes when the signing keys do, or the further ones, and not otherwise', () => {
    let signing = documentOf('a');
    let further = [{ kid: 'x' }];
    const read = joinedJwks(
      () => signing,
      () => further,
    );
    const first = read();
    assert.deepEqual(kidsIn(first), ['a', 'x']);
    assert.equal(read(), first);
    signing = documentOf('b');
    const second = read();
    assert.deepEqual(kidsIn(second), ['b', 'x']);
    assert.notEqual(second.etag, first.etag);
    further = [{ kid: 'x' }, { kid: 'y' }];
    assert.deepEqual(kidsIn(read()), ['b', 'x', 'y']);
  });

  test('has each kid once, and then it is that of the key which signs', () => {
    const read = joinedJwks(
      () => documentOf('a', 'b'),
      () => [{ kid: 'b' }, { kid: 'c' }],
    );
    assert.deepEqual(kidsIn(read()), ['a', 'b', 'c']);
  });
});
