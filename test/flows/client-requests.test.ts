import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CALLBACK, type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { DESCRIPTION, refusalOf } from '#test/support/refused.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

type Added = Awaited<ReturnType<Keyturn['addClient']>>;

const SERVICE = { grantTypes: ['client_credentials'], redirectUris: [], scope: 'read' } as const;

describe('what a client asks of the server itself', () => {
  let keyturn: Keyturn;
  let basicClient: Added;
  let postClient: Added;
  let spaAdded: Added;
  let spa: RelyingParty;
  const ada = { login: 'ada', password: '' };

  const service = (registration: object) =>
    keyturn.addClient({
      ...SERVICE,
      grantTypes: [...SERVICE.grantTypes],
      redirectUris: [],
      ...registration,
    });

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    await keyturn.addResourceServer();
    basicClient = await service({});
    postClient = await service({ authenticationMethod: 'client_secret_post' });
    spaAdded = await keyturn.addClient({
      name: 'SPA',
      authenticationMethod: 'none',
      scope: 'openid profile read',
    });
    spa = await RelyingParty.discover(keyturn, spaAdded);
  });
  after(() => stopFaultless(keyturn));

  const post = (target: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    fetch(keyturn.issuer + target, { method: 'POST', body: new URLSearchParams(fields), headers });
  const basic = ({ client, secret }: Added, change = (text: string) => text) => ({
    authorization: `Basic ${btoa(`${client.clientId}:${change(secret)}`)}`,
  });
  const credentials = ({ client, secret }: Added) => ({ client_id: client.clientId, client_secret: secret });

  async function codeOf(party: RelyingParty, parameters: Record<string, string> = {}) {
    const { url, checks } = await party.request(parameters);
    const callback = await new Person().authorize(url, ada);
    return {
      grant_type: 'authorization_code',
      code: callback.searchParams.get('code') ?? '',
      redirect_uri: CALLBACK,
      code_verifier: checks.pkceCodeVerifier,
    };
  }

  test('what stands in the address is not looked at: no secret, nor anything else (RFC 6749 sections 2.3.1 and 3.2)', async () => {
    const fields = { grant_type: 'client_credentials' };
    assert.equal((await post('/token', { ...fields, ...credentials(postClient) })).status, 200);
    const inAddress = `/token?${new URLSearchParams(credentials(postClient))}`;
    const half = `/token?${new URLSearchParams({ client_secret: postClient.secret })}`;
    for (const refused of [
      await post(inAddress, fields),
      await post(half, { ...fields, client_id: postClient.client.clientId }),
    ]) {
      assert.deepEqual(await refusalOf(refused), { status: 401, error: 'invalid_client' });
    }
    const grantInAddress = await post('/token?grant_type=client_credentials', {}, basic(basicClient));
    assert.deepEqual(await refusalOf(grantInAddress), { status: 400, error: 'invalid_request' });
  });

  test('a client that fails by the Authorization header is answered 401 and Basic, to match (RFC 6749 section 5.2)', async () => {
    for (const path of ['/token', '/introspect', '/revoke', '/par', '/device_authorization']) {
      const wrong = basic(basicClient, () => 'guessed');
      const answer = await post(path, { grant_type: 'client_credentials', token: 'x' }, wrong);
      assert.match(answer.headers.get('www-authenticate') ?? '', /^Basic realm="/, path);
      assert.deepEqual(await refusalOf(answer), { status: 401, error: 'invalid_client' }, path);
    }
  });

  test('parameters without a value count as not sent (RFC 6749 section 3.2)', async () => {
    const empty = Object.fromEntries(
      [
        'scope resource client_secret client_assertion client_assertion_type code code_verifier',
        'refresh_token redirect_uri authorization_details',
      ]
        .join(' ')
        .split(' ')
        .map((name) => [name, '']),
    );
    const answer = await post('/token', { ...empty, grant_type: 'client_credentials' }, basic(basicClient));
    assert.equal(answer.status, 200);
    assert.equal(((await answer.json()) as { scope: string }).scope, 'read');
    const right = await codeOf(spa);
    const named = { ...right, client_id: spaAdded.client.clientId };
    for (const name of ['code', 'redirect_uri', 'grant_type']) {
      const { error } = await refusalOf(await post('/token', { ...named, [name]: '' }));
      assert.equal(error, 'invalid_request', name);
    }
    const { error } = await refusalOf(await post('/token', { ...named, code_verifier: '' }));
    assert.equal(error, 'invalid_grant', 'an empty verifier is none');
    assert.equal((await post('/token', { ...empty, ...named })).status, 200);
  });

  test('a code of one public client is good for no other, and for nobody who gives no name (RFC 6749 section 4.1.3)', async () => {
    const other = await keyturn.addClient({ name: 'Other SPA', authenticationMethod: 'none' });
    const right = await codeOf(spa);
    const asOther = await post('/token', { ...right, client_id: other.client.clientId });
    assert.deepEqual(await refusalOf(asOther), { status: 400, error: 'invalid_grant' });
    assert.deepEqual(await refusalOf(await post('/token', right)), { status: 401, error: 'invalid_client' });
    assert.equal((await post('/token', { ...right, client_id: spaAdded.client.clientId })).status, 200);
  });

  test('the answer says the scope that was granted, where less was granted too (RFC 6749 sections 3.3 and 5.1)', async () => {
    const answer = await post('/token', { grant_type: 'client_credentials' }, basic(basicClient));
    const { scope, token_type, expires_in } = (await answer.json()) as Record<string, unknown>;
    assert.deepEqual(
      { scope, token_type, expires_in },
      { scope: 'read', token_type: 'Bearer', expires_in: 300 },
    );
    const resource = 'https://api.example.com';
    const code = await codeOf(spa, { scope: 'openid profile read', resource });
    const narrowed = await post('/token', { ...code, resource, client_id: spaAdded.client.clientId });
    assert.equal(((await narrowed.json()) as { scope: string }).scope, 'read');
  });

  test('no answer with a token, nor a refusal of one, is to be kept by a cache, be it of HTTP/1.0 (RFC 6749 section 5.1)', async () => {
    const code = await codeOf(spa);
    for (const [status, answer] of [
      [200, await post('/token', { grant_type: 'client_credentials' }, basic(basicClient))],
      [200, await post('/token', { ...code, client_id: spaAdded.client.clientId })],
      [400, await post('/token', { grant_type: 'nonsense' }, basic(basicClient))],
      [401, await post('/token', { grant_type: 'client_credentials' })],
    ] as const) {
      assert.equal(answer.status, status);
      assert.equal(answer.headers.get('cache-control'), 'no-store');
      assert.equal(answer.headers.get('pragma'), 'no-cache');
    }
  });

  test('what a refusal says is plain ASCII without quotes and backslashes, whatever was sent (RFC 6749 section 5.2)', async () => {
    const odd = '"\\\u0000\r\n\u00e9\u{1f600}';
    for (const fields of [
      { grant_type: odd },
      { grant_type: 'client_credentials', scope: odd },
      { grant_type: 'client_credentials', resource: odd },
      { grant_type: 'client_credentials', scope: 'openid' },
      { grant_type: 'client_credentials', resource: 'https://nobody.example' },
      { grant_type: 'authorization_code', code: odd, redirect_uri: odd },
      { grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token_type: odd },
    ]) {
      const answer = await post('/token', fields as Record<string, string>, basic(basicClient));
      const text = await answer.clone().text();
      assert.equal((await refusalOf(answer)).status, 400);
      const { error_description = '' } = JSON.parse(text) as { error_description?: string };
      assert.match(error_description, DESCRIPTION);
    }
  });

  test('whoever does not authenticate, or as another, revokes nothing (RFC 7009 section 2.1)', async () => {
    const answer = await post('/token', { grant_type: 'client_credentials' }, basic(basicClient));
    const { access_token: token } = (await answer.json()) as { access_token: string };
    for (const [headers, fields] of [
      [{}, {}],
      [{}, { client_id: basicClient.client.clientId }],
      [basic(basicClient, () => 'guessed'), {}],
    ] as const) {
      assert.deepEqual(await refusalOf(await post('/revoke', { token, ...fields }, headers)), {
        status: 401,
        error: 'invalid_client',
      });
    }
    const spaName = { client_id: spaAdded.client.clientId };
    assert.equal((await refusalOf(await post('/revoke', { token, ...spaName }))).status, 400);
    const standing = await post('/introspect', { token }, basic(basicClient));
    assert.equal(((await standing.json()) as { active: boolean }).active, true);
  });

  test('a token has to be named to be revoked or asked about (RFC 7009 section 2.1, RFC 7662 section 2.1)', async () => {
    for (const path of ['/revoke', '/introspect']) {
      for (const fields of [{}, { token: '' }, { token_type_hint: 'access_token' }]) {
        const answer = await post(path, fields as Record<string, string>, basic(basicClient));
        assert.deepEqual(await refusalOf(answer), { status: 400, error: 'invalid_request' }, path);
      }
    }
  });

  test('userinfo says what is wrong with a token where one came, and how to bring one where none did (RFC 6750 sections 3 and 3.1)', async () => {
    const challenge = async (headers: Record<string, string>) => {
      const answer = await fetch(`${keyturn.issuer}/userinfo`, { headers });
      return { status: answer.status, challenge: answer.headers.get('www-authenticate') ?? '' };
    };
    const none = await challenge({});
    assert.equal(none.status, 401);
    assert.match(none.challenge, /^Bearer realm="/);
    assert.doesNotMatch(none.challenge, /error/);
    const bad = await challenge({ authorization: 'Bearer x' });
    assert.equal(bad.status, 401);
    assert.match(bad.challenge, /^Bearer .*error="invalid_token"/);
    const { access_token: token } = await spa.signIn(new Person(), ada, { scope: 'read' });
    const little = await challenge({ authorization: `Bearer ${token}` });
    assert.equal(little.status, 403);
    assert.match(little.challenge, /^Bearer .*error="insufficient_scope"/);
  });
});
