import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { hours } from '#src/units.ts';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { refusalOf } from '#test/support/refused.ts';

const WEB = { client_name: 'Web', redirect_uris: [CALLBACK], client_uri: 'https://app.example.com/' };

interface Information extends Record<string, unknown> {
  readonly client_id: string;
  readonly registration_access_token: string;
  readonly registration_client_uri: string;
}

/** What the server alone says of a client: RFC 7592 section 2.2. */
const OF_THE_SERVER = [
  'registration_access_token',
  'registration_client_uri',
  'client_secret_expires_at',
  'client_id_issued_at',
];

const withoutServers = (information: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(information).filter(([name]) => !OF_THE_SERVER.includes(name)));

async function registerAt({ issuer }: Keyturn, document: object, bearer?: string): Promise<Information> {
  const response = await fetch(`${issuer}/register`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(bearer === undefined ? undefined : { authorization: `Bearer ${bearer}` }),
    },
    body: JSON.stringify(document),
  });
  assert.equal(response.status, 201);
  return (await response.json()) as Information;
}

const call = (
  { registration_client_uri, registration_access_token }: Information,
  method: string,
  body?: unknown,
  token = registration_access_token,
) =>
  fetch(registration_client_uri, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? undefined : { body: JSON.stringify(body) }),
  });

describe('managing a registration (RFC 7592)', () => {
  let keyturn: Keyturn;
  before(async () => {
    keyturn = await startKeyturnHere({
      KEYTURN_REGISTRATION: 'open',
      KEYTURN_REGISTRATION_LIMITS_PER_ADDRESS: '100000',
    });
    await keyturn.addResourceServer();
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const register = (document: object = WEB) => registerAt(keyturn, document);

  async function informationOf(response: Response): Promise<Information> {
    const body = (await response.json()) as Information;
    assert.equal(response.status, 200, JSON.stringify(body));
    assert.equal(response.headers.get('cache-control'), 'no-store');
    return body;
  }

  const tokenStatus = async (client: Information, secret: unknown) =>
    (
      await fetch(`${keyturn.issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${client.client_id}:${secret}`)}` },
        body: new URLSearchParams({ grant_type: 'authorization_code', code: 'x', redirect_uri: CALLBACK }),
      })
    ).status;

  describe('reading (section 2.1)', () => {
    test('answers 200 with what is registered, the token and the address; the secret was shown before', async () => {
      const client = await register();
      const { client_secret, client_secret_expires_at, ...rest } = client;
      assert.deepEqual(await informationOf(await call(client, 'GET')), rest);
    });

    test('a token that is wrong, another client’s, or missing MUST be refused with 401', async () => {
      const [client, other] = [await register(), await register()];
      const { client: byAdministrator } = await keyturn.addClient();
      const ofAdministrator = {
        ...client,
        registration_client_uri: `${keyturn.issuer}/register/${byAdministrator.clientId}`,
      };
      const nobody = { ...client, registration_client_uri: `${keyturn.issuer}/register/nobody` };
      for (const method of ['GET', 'PUT', 'DELETE']) {
        for (const [at, token] of [
          [client, other.registration_access_token],
          [client, 'x'],
          [client, String(client.client_secret)],
          [ofAdministrator, client.registration_access_token],
          [nobody, client.registration_access_token],
        ] as const) {
          const response = await call(at, method, method === 'PUT' ? WEB : undefined, token);
          assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer .*error="invalid_token"/);
          assert.deepEqual(await refusalOf(response), { status: 401, error: 'invalid_token' });
        }
        const bare = await fetch(client.registration_client_uri, { method });
        assert.equal(bare.headers.get('www-authenticate'), `Bearer realm="${keyturn.issuer}"`);
        assert.equal(bare.status, 401);
      }
      assert.equal((await call(client, 'GET')).status, 200, 'the token of the client is as good as before');
    });

    test('a token is good for nothing else', async () => {
      const client = await register();
      const headers = { authorization: `Bearer ${client.registration_access_token}` };
      assert.equal((await fetch(`${keyturn.issuer}/userinfo`, { headers })).status, 401);
      const response = await fetch(`${keyturn.issuer}/register`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(WEB),
      });
      assert.equal(response.status, 401);
    });
  });

  describe('changing (section 2.2)', () => {
    test('takes back what was read, the secret included, and nothing changes', async () => {
      const client = await register();
      const changed = await informationOf(await call(client, 'PUT', withoutServers(client)));
      assert.deepEqual(changed, client);
      assert.equal(await tokenStatus(client, client.client_secret), 400);
    });

    test('replaces everything: what is left out, null or empty is gone', async () => {
      const client = await register({
        ...WEB,
        contacts: ['ops@example.com'],
        logo_uri: 'https://a.example/l',
      });
      const { client_id } = client;
      const changed = await informationOf(
        await call(client, 'PUT', {
          client_id,
          client_name: 'Renamed',
          redirect_uris: ['https://app.example.com/other'],
          logo_uri: null,
          client_uri: '',
        }),
      );
      assert.equal(changed.client_name, 'Renamed');
      assert.deepEqual(changed.redirect_uris, ['https://app.example.com/other']);
      for (const name of ['contacts', 'logo_uri', 'client_uri']) assert.equal(name in changed, false, name);
      assert.deepEqual(await informationOf(await call(client, 'GET')), changed);
    });

    test('is held to the rules of a new registration, and a refusal changes nothing', async () => {
      const client = await register();
      const before = await informationOf(await call(client, 'GET'));
      for (const [wrong, error] of [
        [{ redirect_uris: ['http://evil.example/cb'] }, 'invalid_redirect_uri'],
        [{ redirect_uris: null }, 'invalid_redirect_uri'],
        [{ grant_types: ['client_credentials'] }, 'invalid_client_metadata'],
        [{ contacts: 'x' }, 'invalid_client_metadata'],
        [{ initiate_login_uri: 'http://app.example.com/' }, 'invalid_client_metadata'],
      ] as const) {
        const response = await call(client, 'PUT', { ...withoutServers(client), ...wrong });
        assert.deepEqual(await refusalOf(response), { status: 400, error }, JSON.stringify(wrong));
      }
      assert.deepEqual(await informationOf(await call(client, 'GET')), before);
    });

    test('MUST name the client, and MUST NOT say what is the server’s to say', async () => {
      const client = await register();
      const own = withoutServers(client);
      for (const wrong of [
        { client_id: undefined },
        { client_id: 'another' },
        ...OF_THE_SERVER.map((name) => ({ [name]: client[name] })),
      ]) {
        const response = await call(client, 'PUT', { ...own, ...wrong });
        assert.deepEqual(
          await refusalOf(response),
          { status: 400, error: 'invalid_request' },
          JSON.stringify(wrong),
        );
      }
    });

    test('MUST NOT choose a secret: one that is sent has to be the one there is', async () => {
      const client = await register();
      for (const client_secret of ['chosen', 7, client.registration_access_token]) {
        const response = await call(client, 'PUT', { ...withoutServers(client), client_secret });
        assert.deepEqual(await refusalOf(response), { status: 400, error: 'invalid_request' });
      }
      const { client_secret, ...own } = withoutServers(client);
      const changed = await informationOf(await call(client, 'PUT', own));
      assert.equal('client_secret' in changed, false, 'nobody knows it but the client');
      assert.equal(await tokenStatus(client, client_secret), 400);
    });

    test('a client that comes to need a secret is given one, and one that needs none has none', async () => {
      const client = await register({ ...WEB, token_endpoint_auth_method: 'none' });
      const confidential = await informationOf(
        await call(client, 'PUT', {
          ...withoutServers(client),
          token_endpoint_auth_method: 'client_secret_basic',
        }),
      );
      assert.match(String(confidential.client_secret), /^keyturn_cs_/);
      assert.equal(await tokenStatus(client, confidential.client_secret), 400);
      const again = await informationOf(
        await call(client, 'PUT', { ...withoutServers(confidential), token_endpoint_auth_method: 'none' }),
      );
      assert.equal('client_secret' in again, false);
      assert.equal(await tokenStatus(client, confidential.client_secret), 401);
    });

    test('gains nothing that a new client could not have, and keeps what an administrator added', async () => {
      const client = await register();
      const asked = { ...withoutServers(client), scope: 'openid read' };
      assert.equal((await informationOf(await call(client, 'PUT', asked))).scope, 'openid');
      await keyturn.services.clients.update(client.client_id, {
        scope: 'openid read',
        grantTypes: ['authorization_code', 'client_credentials'],
      });
      const kept = await informationOf(
        await call(client, 'PUT', {
          ...asked,
          grant_types: ['authorization_code', 'client_credentials', 'refresh_token'],
        }),
      );
      assert.equal(kept.scope, 'openid read');
      assert.deepEqual(kept.grant_types, ['authorization_code', 'client_credentials', 'refresh_token']);
    });

    test('twenty changes at once leave one of them, whole', async () => {
      const client = await register();
      const own = withoutServers(client);
      const names = Array.from({ length: 20 }, (_, index) => `n${index}`);
      const answers = await Promise.all(
        names.map((name) =>
          call(client, 'PUT', { ...own, client_name: name, tos_uri: `https://app.example.com/${name}` }),
        ),
      );
      assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
      const { client_name, tos_uri } = await informationOf(await call(client, 'GET'));
      assert.equal(tos_uri, `https://app.example.com/${client_name}`);
    });
  });

  describe('removing (section 2.3)', () => {
    test('answers 204; the client, its secret and its token are gone at once', async () => {
      const client = await register();
      const response = await call(client, 'DELETE');
      assert.equal(response.status, 204);
      assert.equal(response.headers.get('cache-control'), 'no-store');
      assert.equal(await response.text(), '');
      assert.equal(await keyturn.services.clients.find(client.client_id), null);
      assert.equal(await tokenStatus(client, client.client_secret), 401);
      for (const method of ['GET', 'PUT', 'DELETE'])
        assert.equal((await call(client, method, method === 'PUT' ? WEB : undefined)).status, 401);
    });

    test('of twenty at once one answers 204, and none fails otherwise than by 401', async () => {
      const client = await register();
      const answers = await Promise.all(Array.from({ length: 20 }, () => call(client, 'DELETE')));
      assert.equal(answers.filter(({ status }) => status === 204).length, 1);
      assert.equal(answers.filter(({ status }) => status === 401).length, 19);
    });
  });

  test('a stolen database holds neither secrets nor tokens that open anything', async () => {
    const { client_id, client_secret, registration_access_token } = await register();
    const stored = JSON.stringify(await keyturn.services.clients.find(client_id));
    assert.ok(!stored.includes(String(client_secret)) && !stored.includes(registration_access_token));
  });
});

describe('how often a client may change its registration', () => {
  let keyturn: Keyturn;
  before(async () => {
    keyturn = await startKeyturnHere({
      KEYTURN_REGISTRATION: 'open',
      KEYTURN_REGISTRATION_LIMITS_PER_ADDRESS: '3',
    });
  });
  after(() => keyturn[Symbol.asyncDispose]());

  test('one that came uninvited, as often as its address may register clients, with those that it does register', async () => {
    const client = await registerAt(keyturn, WEB);
    const own = withoutServers(client);
    const rename = (client_name: string) => call(client, 'PUT', { ...own, client_name });
    assert.equal((await call(client, 'PUT', own, 'guessed')).status, 401, 'which costs nothing');
    assert.equal((await rename('Second')).status, 200);
    assert.equal((await call(client, 'PUT', { ...own, redirect_uris: [] })).status, 400, 'which does');
    const refused = await rename('Third');
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    assert.deepEqual(await refusalOf(refused), { status: 429, error: 'temporarily_unavailable' });
    const kept = (await (await call(client, 'GET')).json()) as Information;
    assert.equal(kept.client_name, 'Second');
    assert.equal((await call(client, 'DELETE')).status, 204, 'it may go at any time');
  });

  test('one that came with an initial access token, as often as it likes', async () => {
    const { text } = await keyturn.services.initialAccessTokens.add({
      uses: 1,
      lifetime: hours(1),
      allowance: { scope: [], grantTypes: [], profile: null },
    });
    const client = await registerAt(keyturn, WEB, text.reveal());
    for (let change = 0; change < 8; change += 1)
      assert.equal((await call(client, 'PUT', withoutServers(client))).status, 200);
  });
});
