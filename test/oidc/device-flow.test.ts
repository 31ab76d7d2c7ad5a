import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maskOf } from '#src/oidc/device-flow.ts';

test('the letters of a user code stand in groups that are as even as can be', () => {
  const masks = [6, 7, 8, 9, 10, 12, 16].map(maskOf);
  assert.deepEqual(masks, [
    '***-***',
    '****-***',
    '****-****',
    '***-***-***',
    '***-****-***',
    '****-****-****',
    '****-****-****-****',
  ]);
});
