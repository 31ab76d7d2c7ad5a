import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { dueStep } from '#src/interaction/step.ts';
import { fc } from '#test/support/properties.ts';

describe('the step that is due', () => {
  test('is to sign in when the protocol waits for a login, whoever is signed in (OpenID Connect Core section 3.1.2.3)', () => {
    for (const subject of [null, 'ada'])
      assert.deepEqual(dueStep({ prompt: 'login', subject }), { step: 'sign-in' });
  });

  test('is to consent when the protocol waits for it, and always as somebody (section 3.1.2.4)', () => {
    assert.deepEqual(dueStep({ prompt: 'consent', subject: 'ada' }), { step: 'consent', subject: 'ada' });
    assert.deepEqual(dueStep({ prompt: 'consent', subject: null }), { step: 'none' });
  });

  test('is to choose an account when the protocol waits for that, or to sign in with one (section 3.1.2.1)', () => {
    assert.deepEqual(dueStep({ prompt: 'select_account', subject: 'ada' }), {
      step: 'select-account',
      subject: 'ada',
    });
    assert.deepEqual(dueStep({ prompt: 'select_account', subject: null }), { step: 'sign-in' });
  });

  test('is none for whatever there is no page for', () => {
    fc.assert(
      fc.property(fc.string(), fc.option(fc.string()), (prompt, subject) => {
        fc.pre(!['login', 'select_account', 'consent'].includes(prompt));
        assert.deepEqual(dueStep({ prompt, subject }), { step: 'none' });
      }),
    );
  });
});
