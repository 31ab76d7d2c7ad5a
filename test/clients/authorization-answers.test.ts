import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { answerProblemsIn, authorizationAnswersOf } from '#src/clients/authorization-answers.ts';
import { ANSWERS } from '#test/support/authorization-answers.ts';

const web = {
  grantTypes: ['authorization_code'],
  applicationType: 'web',
  redirectUris: ['https://app.example.com/cb'],
} as const;

const problemsIn = (metadata: object, answers = ANSWERS) => [
  ...answerProblemsIn({ ...web, metadata }, answers),
];

describe('what a client may ask for in answers to its authorization requests', () => {
  test('is what the server answers with', () => {
    for (const metadata of [
      {},
      { response_modes: ['query', 'form_post', 'jwt', 'query.jwt'] },
      { default_acr_values: ['urn:keyturn:acr:password'] },
      { response_types: ['code'] },
    ])
      assert.deepEqual(problemsIn(metadata), [], JSON.stringify(metadata));
  });

  test('is refused where the server has no such answer, by the name of the field', () => {
    for (const [metadata, field] of [
      [{ response_modes: ['web_message'] }, 'metadata.response_modes'],
      [{ response_modes: [] }, 'metadata.response_modes'],
      [{ default_acr_values: ['urn:keyturn:acr:password', 'phr'] }, 'metadata.default_acr_values'],
      [{ response_types: [] }, 'metadata.response_types'],
      [{ response_types: ['none'] }, 'metadata.response_types'],
    ] as const) {
      const [problem, ...more] = problemsIn(metadata);
      assert.deepEqual(
        more.filter((each) => !each.startsWith(field)),
        [],
      );
      assert.ok(problem?.startsWith(`${field}: `), problem);
    }
  });

  test('follows the settings', () => {
    const answers = authorizationAnswersOf({
      otherResponseTypes: ['code id_token'],
      webMessage: true,
      passwordAcr: 'pwd',
    });
    const modes = { response_modes: ['web_message', 'web_message.jwt'] };
    assert.deepEqual(problemsIn({ ...modes, default_acr_values: ['pwd'] }, answers), []);
    assert.equal(problemsIn({ default_acr_values: ['urn:keyturn:acr:password'] }, answers).length, 1);
    assert.deepEqual(answers.responseTypes, ['code', 'code id_token']);
  });
});
