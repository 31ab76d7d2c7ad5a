import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { BackchannelClient } from '#test/support/backchannel-client.ts';
import { type DocumentSite, openDocumentSite } from '#test/support/document-site.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';

/** Waits until the log has a line with these words. */
async function logged(keyturn: Keyturn, words: string): Promise<void> {
  while (!keyturn.logged.some((line) => line.includes(words))) await setImmediate();
}

const NOTIFICATION_TOKEN = 'bearer-of-the-client.~+/-_=';

interface Ping {
  readonly method: string | undefined;
  readonly authorization: string | undefined;
  readonly type: string | undefined;
  readonly body: string;
}

describe('a client that is pinged (OpenID Connect CIBA Core sections 7.1 and 10.2)', () => {
  let keyturn: Keyturn;
  let site: DocumentSite;
  let bank: BackchannelClient;
  const ada = { login: 'ada', password: '' };
  const pings: Ping[] = [];
  const arrivals = new EventTarget();
  /** What the client answers with, one status after the other; 204 when there are no more. */
  const statuses: number[] = [];

  before(async () => {
    site = await openDocumentSite();
    keyturn = await startKeyturnHere({
      KEYTURN_BACKCHANNEL_ENABLED: 'true',
      KEYTURN_ALLOW_PRIVATE_NETWORK: 'true',
      KEYTURN_THROTTLE_BACKCHANNEL_WAITING: '100',
      KEYTURN_HTTP_OUTGOING_TIMEOUT: '1s',
      KEYTURN_OUTBOX_RETRY_AFTER: '2s',
      KEYTURN_OUTBOX_POLL_EVERY: '1s',
    });
    ada.password = (await keyturn.addAccount('ada')).password;
    bank = await BackchannelClient.register(keyturn, {
      metadata: {
        backchannel_token_delivery_mode: 'ping',
        backchannel_client_notification_endpoint: site.publish('/ping', receive),
      },
    });
  });
  after(async () => {
    await keyturn[Symbol.asyncDispose]();
    await site[Symbol.asyncDispose]();
  });

  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, headers } = request;
    const ping = { method, authorization: headers.authorization, type: headers['content-type'] };
    pings.push({ ...ping, body: await text(request) });
    response.writeHead(statuses.shift() ?? 204, { location: `${site.origin}/elsewhere` }).end();
    arrivals.dispatchEvent(new Event('ping'));
  }

  const arrived = async (count: number) => {
    while (pings.length < count) await once(arrivals, 'ping', { signal: AbortSignal.timeout(30_000) });
    return pings.splice(0);
  };

  const begin = (fields: Record<string, string> = {}) =>
    bank.begin({ login_hint: 'ada', client_notification_token: NOTIFICATION_TOKEN, ...fields });

  async function answer(how: 'approve' | 'deny', person = new Person()): Promise<void> {
    let page = await person.visit(`${keyturn.issuer}/account/requests`);
    if (page.html.includes('/sign-in"')) page = await person.submit(page, '/sign-in', ada);
    await person.submit(page, `/account/requests/${how}`);
  }

  test('is told that its request was answered, by its own token, and fetches the tokens', async () => {
    for (const how of ['approve', 'deny'] as const) {
      const { auth_req_id } = await begin();
      await answer(how);
      const [ping, ...more] = await arrived(1);
      assert.deepEqual(more, []);
      assert.deepEqual(ping, {
        method: 'POST',
        authorization: `Bearer ${NOTIFICATION_TOKEN}`,
        type: 'application/json',
        body: JSON.stringify({ auth_req_id }),
      });
      assert.equal(await bank.pollError(auth_req_id), how === 'approve' ? null : 'access_denied');
    }
  });

  test('may poll as well, before it is told and after', async () => {
    const { auth_req_id } = await begin();
    assert.equal(await bank.pollError(auth_req_id), 'authorization_pending');
    await answer('approve');
    await arrived(1);
    assert.equal(await bank.pollError(auth_req_id), null);
  });

  test('is told again if it could not take it, and is followed nowhere by a redirect', async () => {
    statuses.push(500, 302);
    const { auth_req_id } = await begin();
    await answer('approve');
    const told = await arrived(3);
    assert.deepEqual(
      told.map(({ body }) => body),
      Array(3).fill(JSON.stringify({ auth_req_id })),
    );
    assert.ok(!site.asked.includes('/elsewhere'));
    assert.equal(await bank.pollError(auth_req_id), null);
  });

  test('is told by the server that comes after one that ended, and not once it has the tokens', async () => {
    statuses.push(503);
    const first = await begin();
    await answer('approve');
    await arrived(1);
    await keyturn.restart();
    const [again] = await arrived(1);
    assert.equal(again?.body, JSON.stringify({ auth_req_id: first.auth_req_id }));
    statuses.push(503);
    const second = await begin();
    await answer('approve');
    await arrived(1);
    assert.equal(await bank.pollError(second.auth_req_id), null);
    const third = await begin();
    await answer('approve');
    const bodies = (await arrived(1)).map(({ body }) => body);
    assert.deepEqual(bodies, [JSON.stringify({ auth_req_id: third.auth_req_id })]);
    await logged(keyturn, '"outcome":"unwanted"');
    assert.deepEqual(pings, []);
  });

  test('gives a token by which it is told, in the form of a bearer token, of no more than 1024 characters', async () => {
    const ask = { scope: 'openid', login_hint: 'ada' };
    for (const token of [undefined, '', 'with space', 'x'.repeat(1025)]) {
      const refused = await bank.ask({
        ...ask,
        ...(token === undefined ? undefined : { client_notification_token: token }),
      });
      assert.deepEqual(await refusalOf(refused), { status: 400, error: 'invalid_request' }, token);
    }
  });

  test('is not told in a log by which token it is told', async () => {
    const lines = keyturn.logged.filter((line) => line.includes(NOTIFICATION_TOKEN));
    assert.deepEqual(lines, []);
  });
});

test('a client on a private network is not pinged unless the settings allow it, and can still poll', async () => {
  await using site = await openDocumentSite();
  await using keyturn = await startKeyturnHere({ KEYTURN_BACKCHANNEL_ENABLED: 'true' });
  const { password } = await keyturn.addAccount('ada');
  const bank = await BackchannelClient.register(keyturn, {
    metadata: {
      backchannel_token_delivery_mode: 'ping',
      backchannel_client_notification_endpoint: site.publish('/ping', { status: 204, body: '' }),
    },
  });
  const { auth_req_id } = await bank.begin({ login_hint: 'ada', client_notification_token: 'x' });
  const person = new Person();
  const asked = await person.visit(`${keyturn.issuer}/account/requests`);
  const page = await person.submit(asked, '/sign-in', { login: 'ada', password });
  await person.submit(page, '/account/requests/approve');
  await logged(keyturn, '"outcome":"failed"');
  assert.deepEqual(site.asked, []);
  assert.equal(await bank.pollError(auth_req_id), null);
});
