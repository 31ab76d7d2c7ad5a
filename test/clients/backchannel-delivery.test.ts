import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { backchannelProblemsIn, CIBA_GRANT } from '#src/clients/backchannel-delivery.ts';
import type { ClientMetadata } from '#src/clients/client-metadata.ts';

const ENDPOINT = 'https://bank.example.com/ping';

describe('the registration of a client for backchannel authentication (CIBA section 4)', () => {
  const cases: [what: string, client: Partial<Client>, problem: RegExp | null][] = [
    ['polls unless it says otherwise', {}, null],
    ['polls', { metadata: { backchannel_token_delivery_mode: 'poll' } }, null],
    [
      'is pinged at its endpoint',
      {
        metadata: {
          backchannel_token_delivery_mode: 'ping',
          backchannel_client_notification_endpoint: ENDPOINT,
        },
      },
      null,
    ],
    ['needs nothing of it without the grant', { grantTypes: ['authorization_code'] }, null],
    ['is confidential', { isConfidential: false }, /^grantTypes: .*confidential/],
    [
      'has no mode without the grant',
      { grantTypes: [], metadata: { backchannel_token_delivery_mode: 'poll' } },
      /^metadata\.backchannel_token_delivery_mode/,
    ],
    [
      'names where it is pinged',
      { metadata: { backchannel_token_delivery_mode: 'ping' } },
      /notification_endpoint: needed/,
    ],
    [
      'names no such place if it polls',
      { metadata: { backchannel_client_notification_endpoint: ENDPOINT } },
      /notification_endpoint: only/,
    ],
    [
      'is pinged by https alone',
      {
        metadata: {
          backchannel_token_delivery_mode: 'ping',
          backchannel_client_notification_endpoint: 'http://bank.example.com/ping',
        },
      },
      /notification_endpoint: must be an https URI/,
    ],
    [
      'signs its requests by keys that it has registered',
      { hasKeys: true, metadata: { backchannel_authentication_request_signing_alg: 'ES256' } },
      null,
    ],
    [
      'signs no requests without keys',
      { metadata: { backchannel_authentication_request_signing_alg: 'ES256' } },
      /request_signing_alg/,
    ],
    [
      'signs no requests by its secret',
      { hasKeys: true, metadata: { backchannel_authentication_request_signing_alg: 'HS256' } },
      /request_signing_alg/,
    ],
    [
      'sends no user codes, which this server does not have',
      { metadata: { backchannel_user_code_parameter: true } },
      /user_code_parameter/,
    ],
  ];

  interface Client {
    readonly isConfidential: boolean;
    readonly hasKeys: boolean;
    readonly grantTypes: readonly string[];
    readonly metadata: ClientMetadata;
  }

  for (const [what, client, problem] of cases) {
    test(what, () => {
      const described = {
        isConfidential: true,
        hasKeys: false,
        grantTypes: [CIBA_GRANT],
        metadata: {},
        ...client,
      };
      const problems = [...backchannelProblemsIn(described)];
      assert.equal(problems.length, problem === null ? 0 : 1, problems.join('; '));
      if (problem !== null) assert.match(problems[0] ?? '', problem);
    });
  }
});
