import assert from 'node:assert/strict';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { CIBA_GRANT } from '#src/clients/backchannel-delivery.ts';
import { BackchannelClient } from '#test/support/backchannel-client.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { later } from '#test/support/later.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const ON = { KEYTURN_BACKCHANNEL_ENABLED: 'true' };

describe('what backchannel authentication refuses (OpenID Connect CIBA Core)', () => {
  let keyturn: Keyturn;
  let bank: BackchannelClient;

  before(async () => {
    keyturn = await startKeyturnHere({
      ...ON,
      KEYTURN_THROTTLE_BACKCHANNEL_WAITING: '100',
      KEYTURN_THROTTLE_BACKCHANNEL_ASKED: '1000',
    });
    await keyturn.addAccount('ada');
    await keyturn.addResourceServer();
    bank = await BackchannelClient.register(keyturn);
  });
  afterEach(() => mock.timers.reset());
  after(() => stopFaultless(keyturn));

  const refusalOfAsking = async (fields: Record<string, string>, headers?: Record<string, string>) =>
    refusalOf(await bank.ask({ scope: 'openid', login_hint: 'ada', ...fields }, headers));

  describe('the authentication request (sections 7.1 and 7.2)', () => {
    test('a client that does not authenticate, or by a wrong secret', async () => {
      const wrong = `Basic ${btoa(`${bank.clientId}:wrong`)}`;
      assert.deepEqual(await refusalOfAsking({}, { authorization: wrong }), {
        status: 401,
        error: 'invalid_client',
      });
      const anonymous = await fetch(`${keyturn.issuer}/backchannel`, {
        method: 'POST',
        body: new URLSearchParams({ client_id: bank.clientId, scope: 'openid', login_hint: 'ada' }),
      });
      assert.equal((await refusalOf(anonymous)).error, 'invalid_client');
    });

    test('a client that is not registered for the grant, there and at the token endpoint', async () => {
      const added = await keyturn.addClient();
      const authorization = `Basic ${btoa(`${added.client.clientId}:${added.secret}`)}`;
      assert.deepEqual(await refusalOfAsking({}, { authorization }), {
        status: 400,
        error: 'unauthorized_client',
      });
      const { auth_req_id } = await bank.begin({ login_hint: 'ada' });
      const polled = await bank.poll(auth_req_id, {}, { authorization });
      assert.deepEqual(await refusalOf(polled), { status: 400, error: 'unauthorized_client' });
    });

    test('no hint at all, and more than one', async () => {
      const none = await bank.ask({ scope: 'openid' });
      assert.deepEqual(await refusalOf(none), { status: 400, error: 'invalid_request' });
      const two = await refusalOfAsking({ id_token_hint: 'x.y.z' });
      assert.deepEqual(two, { status: 400, error: 'invalid_request' });
    });

    test('a login_hint_token, a user code and a request context, which this server does not have', async () => {
      const token = await bank.ask({ scope: 'openid', login_hint_token: 'x' });
      const answer = (await token.json()) as { error: string; error_description: string };
      assert.equal(answer.error, 'invalid_request');
      assert.match(answer.error_description, /login_hint_token is not supported/);
      for (const fields of [{ user_code: '1234' }, { request_context: '{}' }])
        assert.deepEqual(await refusalOfAsking(fields), { status: 400, error: 'invalid_request' });
    });

    test('an id_token_hint that this server did not sign, or that is for another client', async () => {
      const { password } = await keyturn.addAccount('grace');
      const other = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid' }));
      const { id_token = '' } = await other.signIn(new Person(), { login: 'grace', password });
      for (const hint of ['x.y.z', `${id_token.slice(0, -4)}AAAA`, id_token]) {
        const refused = await bank.ask({ scope: 'openid', id_token_hint: hint });
        assert.deepEqual(await refusalOf(refused), { status: 400, error: 'invalid_request' });
      }
    });

    test('a scope without openid, none, and one that the client is not registered for', async () => {
      assert.equal((await refusalOfAsking({ scope: 'read' })).error, 'invalid_request');
      assert.equal((await refusalOfAsking({ scope: 'openid write' })).error, 'invalid_scope');
    });

    test('a binding message that could not be shown as it is: invalid_binding_message', async () => {
      const right = ['W4SCT', '5 € an die Bäckerei', 'x'.repeat(64)];
      for (const binding_message of right) {
        const response = await bank.ask({ scope: 'openid', login_hint: 'ada', binding_message });
        assert.equal(response.status, 200, binding_message);
      }
      const wrong = [' ', 'x'.repeat(65), 'two\nlines', 'turned\u202eround', 'null\0', 'zero\u200bwidth'];
      for (const binding_message of wrong) {
        assert.deepEqual(await refusalOfAsking({ binding_message }), {
          status: 400,
          error: 'invalid_binding_message',
        });
      }
    });

    test('a requested expiry that is no positive number; one that is too long is cut to what the server allows', async () => {
      for (const requested_expiry of ['0', '-1', '1.5', 'soon'])
        assert.equal((await refusalOfAsking({ requested_expiry })).error, 'invalid_request');
      const lifetimes = [
        [undefined, 300],
        ['60', 60],
        ['86400', 300],
      ] as const;
      for (const [requested_expiry, expires] of lifetimes) {
        const asked = requested_expiry === undefined ? {} : { requested_expiry };
        assert.equal((await bank.begin({ login_hint: 'ada', ...asked })).expires_in, expires);
      }
    });

    test('a request by GET, and a parameter that comes twice', async () => {
      const get = await fetch(`${keyturn.issuer}/backchannel?login_hint=ada`);
      assert.deepEqual([get.status, get.headers.get('allow')], [405, 'POST']);
      const twice = await fetch(`${keyturn.issuer}/backchannel`, {
        method: 'POST',
        headers: bank.authentication,
        body: new URLSearchParams([
          ['scope', 'openid'],
          ['login_hint', 'ada'],
          ['login_hint', 'grace'],
        ]),
      });
      assert.equal((await refusalOf(twice)).error, 'invalid_request');
    });

    test('nobody learns whether there is such an account: the answer is the same, now and later (section 13)', async () => {
      const { account } = await keyturn.addAccount('locked');
      await keyturn.services.accounts.lock(account.subject);
      const hints = [
        'ada',
        'ada@example.com',
        'locked',
        'nobody',
        'nobody@example.com',
        'no such name!',
        '"',
      ];
      const shapes = [];
      for (const login_hint of hints) {
        const { auth_req_id, ...rest } = await bank.begin({ login_hint });
        const first = await bank.pollError(auth_req_id);
        shapes.push({
          ...rest,
          length: auth_req_id.length,
          first,
          second: await bank.pollError(auth_req_id),
        });
      }
      for (const shape of shapes) assert.deepEqual(shape, shapes[0]);
      assert.deepEqual(shapes[0], {
        expires_in: 300,
        interval: 5,
        length: 43,
        first: 'authorization_pending',
        second: 'slow_down',
      });
    });
  });

  describe('the token request (sections 10.1 and 11)', () => {
    test('an auth_req_id that is missing or unknown: invalid_request, invalid_grant', async () => {
      assert.equal((await refusalOf(await bank.poll(''))).error, 'invalid_request');
      assert.deepEqual(await refusalOf(await bank.poll('unknown')), { status: 400, error: 'invalid_grant' });
    });

    test("another client's auth_req_id: invalid_grant, and no word of its state", async () => {
      const other = await BackchannelClient.register(keyturn);
      const { auth_req_id } = await bank.begin({ login_hint: 'ada' });
      for (const pace of ['slow', 'fast'])
        assert.equal(await other.pollError(auth_req_id), 'invalid_grant', pace);
      assert.equal(await bank.pollError(auth_req_id), 'authorization_pending');
    });

    test('a client that polls faster than its interval: slow_down, by five seconds more each time', async () => {
      const { auth_req_id, interval } = await bank.begin({ login_hint: 'ada' });
      assert.equal(await bank.pollError(auth_req_id), 'authorization_pending');
      later(interval - 1);
      assert.equal(await bank.pollError(auth_req_id), 'slow_down');
      later(interval + 5);
      assert.equal(await bank.pollError(auth_req_id), 'authorization_pending');
      later(interval + 1);
      assert.equal(await bank.pollError(auth_req_id), 'slow_down');
    });

    test('a request that nobody has answered in time: expired_token', async () => {
      const { auth_req_id, expires_in } = await bank.begin({ login_hint: 'ada', requested_expiry: '30' });
      later(expires_in);
      assert.deepEqual(await refusalOf(await bank.poll(auth_req_id)), {
        status: 400,
        error: 'expired_token',
      });
    });
  });
});

test('a server that does not speak it, as by default, has neither endpoint, grant nor metadata', async () => {
  await using keyturn = await startKeyturnHere();
  const bank = await BackchannelClient.register(keyturn);
  assert.equal((await bank.ask({ scope: 'openid', login_hint: 'ada' })).status, 404);
  assert.equal(await bank.pollError('x'), 'unsupported_grant_type');
  const metadata = await (await fetch(`${keyturn.issuer}/.well-known/openid-configuration`)).json();
  const named = Object.keys(metadata as object).filter((name) => /^backchannel_(?!logout)/.test(name));
  assert.deepEqual(named, []);
  assert.ok(!JSON.stringify(metadata).includes(CIBA_GRANT));
});
