import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { basicCredentials } from '#src/http/basic-credentials.ts';

describe('HTTP Basic credentials (RFC 7617, RFC 6749 section 2.3.1)', () => {
  const header = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

  test('are an identifier and a secret, each encoded as in a form', () => {
    assert.deepEqual(basicCredentials(header('id:secret')), { id: 'id', secret: 'secret' });
    assert.deepEqual(basicCredentials(header('i%3Ad:a+b%2Bc:d')), { id: 'i:d', secret: 'a b+c:d' });
    assert.deepEqual(basicCredentials(header('id:').replace('Basic', 'bASIC')), { id: 'id', secret: '' });
  });

  test('are none in whatever is not written like that', () => {
    for (const text of [
      '',
      'Basic',
      'Basic ',
      'Basic a b',
      'Basic ***',
      'Bearer aWQ6c2VjcmV0',
      header('no colon'),
    ])
      assert.equal(basicCredentials(text), null, text);
    assert.equal(basicCredentials(header('%zz:secret')), null);
    assert.equal(basicCredentials(header('id:%')), null);
  });
});
