import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import { BackchannelClient } from '#test/support/backchannel-client.ts';
import { Device } from '#test/support/device.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

const BANK = 'https://bank.example.com';

const TYPES = `
payment_initiation:
  name: { en: Payment }
  sentences: { en: 'Pay {amount} to {creditor}' }
  resources: [${BANK}]
  schema:
    type: object
    required: [type, amount, creditor]
    additionalProperties: false
    properties:
      type: { const: payment_initiation }
      amount: { type: string, pattern: '^[0-9]+$' }
      creditor: { type: string }
`;

const PAYMENT = { type: 'payment_initiation', amount: '45', creditor: 'Bakery' };

describe('authorization details where there is no browser (RFC 9396 with RFC 8628 and CIBA)', () => {
  let keyturn: Keyturn;
  let files: Awaited<ReturnType<typeof makeTemporaryDirectory>>;
  const ada = { login: 'ada', password: '' };
  const registration = {
    scope: 'openid read',
    metadata: { authorization_details_types: ['payment_initiation'] },
  };

  before(async () => {
    files = await makeTemporaryDirectory();
    const path = join(files.path, 'details.yaml');
    await writeFile(path, TYPES);
    keyturn = await startKeyturnHere({
      KEYTURN_REQUESTS_AUTHORIZATION_DETAILS_FILE: path,
      KEYTURN_BACKCHANNEL_ENABLED: 'true',
    });
    ada.password = (await keyturn.addAccount('ada')).password;
    await keyturn.addResourceServer({ identifier: BANK });
  });
  after(async () => {
    await keyturn[Symbol.asyncDispose]();
    await files[Symbol.asyncDispose]();
  });

  async function assertGranted(response: Response): Promise<void> {
    const tokens = (await response.json()) as { access_token: string; authorization_details: unknown };
    assert.equal(response.status, 200, JSON.stringify(tokens));
    assert.deepEqual(tokens.authorization_details, [PAYMENT]);
    assert.deepEqual(decodeJwt(tokens.access_token).authorization_details, [PAYMENT]);
  }

  test('a device asks in detail, the person sees it in words, and the token carries it', async () => {
    const till = await Device.register(keyturn, registration);
    const { device_code, user_code } = await till.begin({
      scope: 'openid',
      authorization_details: JSON.stringify([PAYMENT]),
    });
    const person = new Person();
    const consent = await person.submit(await till.confirm(person, user_code), '/sign-in', ada);
    assert.match(consent.html.replaceAll(/<[^>]*>/g, ''), /Pay 45 to Bakery/);
    await person.submit(consent, '/consent');
    const more = await till.poll(device_code, {
      authorization_details: JSON.stringify([{ ...PAYMENT, amount: '46' }]),
    });
    assert.equal((await refusalOf(more)).error, 'invalid_authorization_details');
    await assertGranted(await till.poll(device_code));
  });

  test('a client that asks a person elsewhere does so in detail as well', async () => {
    const till = await BackchannelClient.register(keyturn, registration);
    const { auth_req_id } = await till.begin({
      login_hint: 'ada',
      authorization_details: JSON.stringify([PAYMENT]),
    });
    const person = new Person();
    const asked = await person.visit(`${keyturn.issuer}/account/requests`);
    const page = await person.submit(asked, '/sign-in', ada);
    assert.match(page.html.replaceAll(/<[^>]*>/g, ''), /Pay 45 to Bakery/);
    await person.submit(page, '/account/requests/approve');
    await assertGranted(await till.poll(auth_req_id));
  });

  test('details that are not of their type are refused at once', async () => {
    const details = JSON.stringify([{ ...PAYMENT, amount: 'all' }]);
    const device = await Device.register(keyturn, registration);
    const till = await BackchannelClient.register(keyturn, registration);
    for (const response of [
      await device.ask({ scope: 'openid', authorization_details: details }),
      await till.ask({ scope: 'openid', login_hint: 'ada', authorization_details: details }),
    ])
      assert.equal((await refusalOf(response)).error, 'invalid_authorization_details');
  });
});
