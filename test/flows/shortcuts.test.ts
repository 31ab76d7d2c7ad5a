import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';
import * as oauth from 'openid-client';
import type { ClientRegistration } from '#src/clients/client.ts';
import type { ResourceServerRegistration } from '#src/resources/resource-server.ts';
import {
  askForm,
  describedJwt,
  type Fields,
  MEANINGLESS,
  VOLATILE,
} from '#test/support/described-answers.ts';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty, type Tokens } from '#test/support/relying-party.ts';

const API = 'https://api.example.com';
const SCOPE = 'openid offline_access read write';

type Caller = { readonly clientId: string; readonly secret: string };

describe('a request that is answered by a shortcut is answered as by the library', () => {
  let keyturn: Keyturn;
  let password: string;
  const callers: Record<string, Caller> = {};
  const tokens: Record<string, string> = {};

  before(async () => {
    keyturn = await startKeyturnHere();
    password = (await keyturn.addAccount('ada')).password;
    for (const [name, registration] of [
      ['api', { scope: ['read', 'write'], claims: ['preferred_username'] }],
      ['other', { scope: ['other', 'write'] }],
      ['opaque', { scope: ['look'], tokenFormat: 'opaque', claims: ['preferred_username'] }],
      ['listed', { scope: ['list'], statusList: true }],
      ['shut', { scope: ['shut'] }],
    ] satisfies [string, Partial<ResourceServerRegistration>][]) {
      const identifier = `https://${name}.example.com`;
      const { resourceServer, secret } = await keyturn.addResourceServer({ identifier, ...registration });
      callers[name] = { clientId: resourceServer.clientId, secret };
    }
    const add = async (name: string, registration: Partial<ClientRegistration>) => {
      const added = await keyturn.addClient(registration);
      callers[name] = { clientId: added.client.clientId, secret: added.secret };
      return RelyingParty.discover(keyturn, added);
    };
    const forItself = {
      grantTypes: ['client_credentials'],
      redirectUris: [],
    } satisfies Partial<ClientRegistration>;
    await add('service', { ...forItself, scope: 'read write other look list' });
    await add('modest', { ...forItself, scope: 'read', defaultScope: 'read' });
    await add('bound', { ...forItself, scope: 'read', metadata: { dpop_bound_access_tokens: true } });
    await add('no secret', { authenticationMethod: 'none', scope: 'openid read' });
    const signIn = async (
      party: RelyingParty,
      options?: oauth.DPoPOptions,
      asked = { scope: SCOPE, resource: API },
    ): Promise<Tokens> => {
      const { url, checks } = await party.request({ ...asked, prompt: 'consent' });
      const callback = await new Person().authorize(url, { login: 'ada', password });
      return oauth.authorizationCodeGrant(party.configuration, callback, checks, undefined, options);
    };
    const web = await add('web', { scope: `${SCOPE} look` });
    const { access_token, refresh_token } = await signIn(web);
    Object.assign(tokens, { web: access_token, refresh: refresh_token });
    const pairwise = await add('pairwise', {
      scope: `${SCOPE} look`,
      metadata: { subject_type: 'pairwise' },
    });
    tokens.pairwise = (await signIn(pairwise)).access_token;
    const DPoP = oauth.getDPoPHandle(web.configuration, await generateKeyPair('ES256'));
    tokens['bound to a key'] = (await signIn(web, { DPoP })).access_token;
    const look = { scope: 'openid offline_access look', resource: 'https://opaque.example.com' };
    const opaque = async (party: RelyingParty, options?: oauth.DPoPOptions) =>
      (await signIn(party, options, look)).access_token;
    tokens.opaque = await opaque(web);
    tokens['opaque, pairwise'] = await opaque(pairwise);
    tokens['opaque, bound to a key'] = await opaque(web, { DPoP });
    tokens['opaque, revoked'] = await opaque(web);
    await web.revoke(tokens['opaque, revoked']);
    const opaqueEnded = await signIn(web, undefined, look);
    tokens['opaque, ended'] = opaqueEnded.access_token;
    await web.revoke(opaqueEnded.refresh_token ?? '');
    tokens['another refresh'] = (await signIn(web)).refresh_token ?? '';
    tokens['third refresh'] = (await signIn(web)).refresh_token ?? '';
    tokens.revoked = (await signIn(web)).access_token;
    await web.revoke(tokens.revoked);
    const ended = await signIn(web);
    tokens.ended = ended.access_token;
    await web.revoke(ended.refresh_token ?? '');
    const leaving = await add('leaving', { ...forItself, scope: 'read look' });
    const leave = async (scope: string) =>
      (await oauth.clientCredentialsGrant(leaving.configuration, { scope })).access_token;
    tokens['of a client that is gone'] = await leave('read');
    tokens['opaque, of a client that is gone'] = await leave('look');
    await keyturn.services.clients.remove(callers.leaving?.clientId ?? '');
    const service = await RelyingParty.discover(keyturn, {
      client: { clientId: callers.service?.clientId ?? '', authenticationMethod: 'client_secret_basic' },
      secret: callers.service?.secret ?? '',
    });
    for (const scope of ['read', 'look', 'list'])
      tokens[scope] = (await oauth.clientCredentialsGrant(service.configuration, { scope })).access_token;
    tokens.forged = `${tokens.web?.slice(0, -8)}AAAAAAAA`;
    tokens['cut off'] = tokens.web?.slice(0, 40) ?? '';
    tokens['opaque, of nobody'] = 'x'.repeat(43);
    tokens['none that could be one'] = 'a~b';
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const caller = (name: string): Caller => callers[name] ?? assert.fail(name);
  const basic = ({ clientId, secret }: Caller) =>
    `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`;

  const escaped = ({ clientId, secret }: Caller): Caller => ({
    clientId: escapedText(clientId),
    secret: escapedText(secret),
  });
  const escapedText = (text: string) =>
    text.replaceAll(/[^A-Za-z0-9]/g, (each) => `%${each.charCodeAt(0).toString(16)}`);

  const ask = (path: string, fields: Fields, headers: Record<string, string>) =>
    askForm(keyturn.issuer + path, fields, headers);

  async function assertSame(path: string, fields: Fields, headers: Record<string, string> = {}) {
    const [answer, byLibrary] = [
      await ask(path, fields, headers),
      await ask(path, { ...fields, ...MEANINGLESS }, headers),
    ];
    assert.deepEqual(answer, byLibrary);
    return answer;
  }

  describe('at the token endpoint, for client credentials (RFC 6749 section 4.4)', () => {
    const granted = { grant_type: 'client_credentials' };
    for (const [name, who, fields, status] of [
      ['a scope and its resource server', 'service', { scope: 'read', resource: API }, 200],
      ['several scopes', 'service', { scope: 'write read', resource: API }, 200],
      ['a scope twice', 'service', { scope: 'read read', resource: API }, 200],
      ['a scope that one resource server has', 'service', { scope: 'other' }, 200],
      ['a scope that two have', 'service', { scope: 'write' }, 400],
      ['scopes of two resource servers', 'service', { scope: 'read other' }, 400],
      ['a resource server alone', 'service', { resource: API }, 200],
      ['nothing', 'service', {}, 400],
      ['the default scope', 'modest', {}, 200],
      ['the default scope at a resource server', 'modest', { resource: API }, 200],
      [
        'a scope of another resource server',
        'service',
        { scope: 'read', resource: 'https://other.example.com' },
        400,
      ],
      ['a scope that the client is not registered for', 'modest', { scope: 'write', resource: API }, 400],
      ['a scope of people', 'service', { scope: 'openid', resource: API }, 400],
      ['a scope that nobody has', 'service', { scope: 'nothing', resource: API }, 400],
      ['a resource server that it has no scope of', 'service', { resource: 'https://shut.example.com' }, 400],
      ['a resource server that is none', 'service', { resource: 'https://none.example.com' }, 400],
      ['a resource that is no address', 'service', { resource: 'api' }, 400],
      ['an empty scope', 'service', { scope: '', resource: API }, 200],
      ['scopes two spaces apart', 'service', { scope: 'read  write', resource: API }, 400],
      ['an opaque token', 'service', { scope: 'look' }, 200],
      ['a token with a status', 'service', { scope: 'list' }, 200],
      ['a client that binds its tokens, without a proof', 'bound', { scope: 'read', resource: API }, 400],
      ['a client that is registered for other grants', 'web', { scope: 'read', resource: API }, 400],
      ['a resource server in place of a client', 'api', { resource: API }, 400],
    ] as const) {
      test(`${name}: ${status}`, async () => {
        const authorization = basic(caller(who));
        const answer = await assertSame('/token', { ...granted, ...fields }, { authorization });
        assert.equal(answer.status, status, JSON.stringify(answer.body));
      });
    }
  });

  test('an opaque token of a client leaves the same record, and is revoked as every other (RFC 7009)', async () => {
    const authorization = basic(caller('service'));
    const records = async () => {
      const { store } = keyturn.services;
      const page = await store.records.list<object>('opaque-client-credentials', { limit: 100 });
      return new Map(page.records.map((record) => [record.id, record]));
    };
    const leave = async (more: Fields) => {
      const before = await records();
      const body = new URLSearchParams({ grant_type: 'client_credentials', scope: 'look', ...more });
      const options = { method: 'POST', body, headers: { authorization } };
      const response = await fetch(`${keyturn.issuer}/token`, options);
      const { access_token: text } = (await response.json()) as { access_token: string };
      const [record, ...others] = [...(await records()).values()].filter(({ id }) => !before.has(id));
      assert.ok(record !== undefined && others.length === 0);
      const { value, expiresAt, version: _, ...kept } = record;
      const { iat, exp, jti, ...says } = value as { iat: number; exp: number; jti: string };
      assert.deepEqual([record.id, jti, text.length], [text, text, 43]);
      assert.ok((expiresAt ?? 0) >= exp && (expiresAt ?? 0) < exp + 60);
      return { text, left: { ...kept, id: typeof kept.id, says, lifetime: exp - iat } };
    };
    const [token, byLibrary] = [await leave({}), await leave(MEANINGLESS)];
    assert.deepEqual(token.left, byLibrary.left);
    await fetch(`${keyturn.issuer}/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ token: token.text }),
      headers: { authorization },
    });
    const answer = await assertSame('/introspect', { token: token.text }, { authorization });
    assert.deepEqual(answer.body, { active: false });
  });

  describe('at the endpoint for pushed requests (RFC 9126 section 2)', () => {
    const request = {
      redirect_uri: CALLBACK,
      response_type: 'code',
      scope: 'openid read',
      resource: API,
      code_challenge: 'c'.repeat(43),
      code_challenge_method: 'S256',
      state: 'some state',
      nonce: 'some nonce',
    };
    for (const [name, who, fields, status] of [
      ['a plain request', 'web', {}, 201],
      ['one that names no resource server', 'web', { resource: '', scope: 'openid' }, 201],
      ['one that asks to sign in anew', 'web', { prompt: 'login' }, 201],
      ['one that asks for offline access', 'web', { scope: 'openid offline_access', prompt: 'consent' }, 201],
      ['one of a public client', 'no secret', {}, 201],
      ['one that says who else it is from', 'web', { client_id: 'another' }, 400],
      ['a redirect URI that is not registered', 'web', { redirect_uri: `${CALLBACK}/other` }, 400],
      ['a resource server that is none', 'web', { resource: 'https://none.example.com' }, 400],
      ['a scope that the client is not registered for', 'web', { scope: 'openid other' }, 400],
      ['no challenge', 'web', { code_challenge: '' }, 400],
      ['another kind of answer', 'web', { response_type: 'token' }, 400],
      ['a reference', 'web', { request_uri: 'urn:ietf:params:oauth:request_uri:x' }, 400],
      ['a client that is sent nowhere', 'service', { scope: 'read' }, 400],
    ] as const satisfies [string, string, Fields, number][]) {
      test(`${name}: ${status}`, async () => {
        const { clientId, secret } = caller(who);
        const headers = secret === '' ? undefined : { authorization: basic({ clientId, secret }) };
        const answer = await assertSame('/par', { client_id: clientId, ...request, ...fields }, headers);
        assert.equal(answer.status, status, JSON.stringify(answer.body));
      });
    }
  });

  describe('at the token endpoint, for a refresh token (RFC 6749 section 6)', () => {
    for (const [name, registration, parameters] of [
      ['with OpenID Connect', {}, { scope: SCOPE, resource: API }],
      ['with claims of the person', {}, { scope: `${SCOPE} profile email groups`, resource: API }],
      ['for this server alone', {}, { scope: 'openid profile offline_access' }],
      ['without OpenID Connect', {}, { scope: 'read', resource: API }],
      ['without any scope', {}, { resource: API, scope: '' }],
      ['for two resource servers', {}, { scope: 'read other', resource: `${API} https://other.example.com` }],
      ['for opaque tokens', {}, { scope: 'openid look', resource: 'https://opaque.example.com' }],
      ['for tokens with a status', {}, { scope: 'openid list', resource: 'https://listed.example.com' }],
      [
        'with a pairwise subject',
        { metadata: { subject_type: 'pairwise' } },
        { scope: SCOPE, resource: API },
      ],
      ['with ID tokens by RS256', { idTokenSignedResponseAlg: 'RS256' }, { scope: SCOPE, resource: API }],
      ['by a public client', { authenticationMethod: 'none' }, { scope: SCOPE, resource: API }],
      [
        'with single claims that were asked for',
        {},
        { scope: SCOPE, resource: API, claims: '{"id_token":{"email":null}}' },
      ],
    ] satisfies [string, Partial<ClientRegistration>, Record<string, string>][]) {
      test(name, async () => {
        const added = await keyturn.addClient({
          scope: `${SCOPE} profile email groups other look list`,
          ...registration,
        } as Partial<ClientRegistration>);
        const { clientId } = added.client;
        const isPublic = added.client.authenticationMethod === 'none';
        const headers = isPublic ? {} : { authorization: basic({ clientId, secret: added.secret }) };
        const party = await RelyingParty.discover(keyturn, added, {
          id_token_signed_response_alg: added.client.idTokenSignedResponseAlg,
        });
        const refreshes = async (more: Fields) => {
          const { resource = '', ...others } = parameters as Record<string, string>;
          const { url, checks } = await party.request({ ...others, prompt: 'consent' });
          for (const each of resource.split(' ').filter(Boolean)) url.searchParams.append('resource', each);
          const callback = await new Person().authorize(url, { login: 'ada', password });
          const first = resource.split(' ')[0] ?? '';
          const { refresh_token = '' } = await party.redeem(
            callback,
            checks,
            first === '' ? {} : { resource: first },
          );
          const fields = { grant_type: 'refresh_token', refresh_token, ...more };
          const form = isPublic ? { client_id: clientId, ...fields } : fields;
          const answers = [await ask('/token', form, headers)];
          // Once more: a retry within the grace; then a scope, and what is no refresh token.
          answers.push(await ask('/token', form, headers));
          answers.push(await ask('/token', { ...form, scope: 'openid' }, headers));
          answers.push(await ask('/token', { ...form, refresh_token: 'x.y.z' }, headers));
          return answers;
        };
        assert.deepEqual(await refreshes({}), await refreshes(MEANINGLESS));
      });
    }

    test('of somebody else, or of nobody: refused as before', async () => {
      const fields = { grant_type: 'refresh_token', refresh_token: tokens['another refresh'] ?? '' };
      for (const who of ['pairwise', 'service', 'api'])
        await assertSame('/token', fields, { authorization: basic(caller(who)) });
      const still = await ask('/token', fields, { authorization: basic(caller('web')) });
      assert.equal(still.status, 200);
    });
  });

  describe('at the token endpoint, for what is no refresh token of ours (RFC 6749 section 5.2)', () => {
    const ours = () => tokens.refresh ?? '';
    for (const [name, token, error] of [
      ['one whose signature is another', () => `${ours().slice(0, -8)}AAAAAAAA`, 'invalid_grant'],
      ['one without a signature', () => ours().slice(0, ours().lastIndexOf('.') + 1), 'invalid_grant'],
      ['one with more behind it', () => `${ours()}.e30`, 'invalid_grant'],
      ['an access token', () => tokens.web ?? '', 'invalid_grant'],
      ['a text', () => 'refresh-token', 'invalid_grant'],
      ['one as long as none of ours', () => `${'x'.repeat(20_000)}.y.z`, 'invalid_grant'],
      ['nothing', () => '', 'invalid_request'],
    ] as const) {
      test(`${name}: ${error}, and the log says why`, async () => {
        const authorization = basic(caller('web'));
        const before = keyturn.logged.length;
        const fields = { grant_type: 'refresh_token', refresh_token: token() };
        const { status, body } = await assertSame('/token', fields, { authorization });
        assert.deepEqual([status, body.error], [400, error]);
        const [ofShortcut, ofLibrary] = keyturn.logged
          .slice(before)
          .map((line) => JSON.parse(line))
          .filter(({ msg }) => msg === 'refused')
          .map(({ time: _, requestId, ...line }) => ({ ...line, requestId: typeof requestId }));
        assert.equal(ofShortcut?.clientId, caller('web').clientId);
        assert.deepEqual(ofShortcut, ofLibrary);
      });
    }

    test('and it is refused without the library', async (t) => {
      const { mock } = t.mock.method(Provider.prototype, 'emit');
      const fields = { grant_type: 'refresh_token', refresh_token: `${ours().slice(0, -8)}AAAAAAAA` };
      const answer = await ask('/token', fields, { authorization: basic(caller('web')) });
      assert.equal(answer.status, 400);
      assert.equal(mock.calls.filter(({ arguments: [event] }) => event === 'grant.error').length, 0);
    });
  });

  describe('at the introspection endpoint (RFC 7662)', () => {
    for (const [token, who, active] of [
      ['web', 'api', true],
      ['web', 'web', true],
      ['web', 'other', false],
      ['web', 'service', false],
      ['pairwise', 'api', true],
      ['pairwise', 'pairwise', true],
      ['bound to a key', 'api', true],
      ['revoked', 'api', false],
      ['ended', 'api', false],
      ['of a client that is gone', 'api', false],
      ['forged', 'api', false],
      ['cut off', 'api', false],
      ['read', 'api', true],
      ['read', 'service', true],
      ['look', 'opaque', true],
      ['look', 'service', true],
      ['look', 'web', false],
      ['look', 'api', false],
      ['opaque', 'opaque', true],
      ['opaque', 'web', true],
      ['opaque', 'api', false],
      ['opaque', 'service', false],
      ['opaque, pairwise', 'opaque', true],
      ['opaque, pairwise', 'pairwise', true],
      ['opaque, bound to a key', 'opaque', true],
      ['opaque, revoked', 'opaque', false],
      ['opaque, ended', 'opaque', false],
      ['opaque, of a client that is gone', 'opaque', false],
      ['opaque, of nobody', 'opaque', false],
      ['none that could be one', 'opaque', false],
      ['list', 'listed', true],
      ['refresh', 'web', true],
      ['refresh', 'api', false],
    ] as const) {
      test(`a token (${token}) asked about by ${who} is ${active ? '' : 'not '}active`, async () => {
        const authorization = basic(caller(who));
        const fields = { token: tokens[token] ?? assert.fail(token) };
        const answer = await assertSame('/introspect', fields, { authorization });
        assert.deepEqual([answer.status, answer.body.active], [200, active]);
        await assertSame('/introspect', { ...fields, token_type_hint: 'access_token' }, { authorization });
      });
    }

    test('a signed answer stays the library’s (RFC 9701)', async () => {
      const response = await fetch(`${keyturn.issuer}/introspect`, {
        method: 'POST',
        body: new URLSearchParams({ token: tokens.web ?? '' }),
        headers: { authorization: basic(caller('api')), accept: 'application/token-introspection+jwt' },
      });
      assert.match(response.headers.get('content-type') ?? '', /token-introspection\+jwt/);
    });
  });

  describe('at the userinfo endpoint (OpenID Connect Core section 5.3)', () => {
    for (const [token, status] of [
      ['web', 200],
      ['pairwise', 200],
      ['opaque', 200],
      ['opaque, pairwise', 200],
      ['bound to a key', 401],
      ['opaque, bound to a key', 401],
      ['revoked', 401],
      ['ended', 401],
      ['opaque, revoked', 401],
      ['opaque, ended', 401],
      ['opaque, of nobody', 401],
      ['of a client that is gone', 401],
      ['forged', 401],
      ['read', 401],
      ['look', 401],
      ['refresh', 401],
    ] as const) {
      test(`whoever brings a token (${token}) is answered ${status}`, async () => {
        const { answer } = await askWho(tokens[token] ?? assert.fail(token));
        assert.equal(answer.status, status, JSON.stringify(answer.body));
      });
    }

    for (const [name, registration, parameters, status] of [
      ['for all that scopes tell', {}, { scope: 'openid profile email groups roles' }, 200],
      ['for this server alone', {}, { scope: 'openid' }, 200],
      ['without OpenID Connect', {}, { scope: 'read', resource: API }, 403],
      [
        'with single claims that were asked for',
        {},
        { scope: 'openid', claims: '{"userinfo":{"email":null}}' },
        200,
      ],
      [
        'for a client that is answered by a JWT',
        { metadata: { userinfo_signed_response_alg: 'ES256' } },
        { scope: 'openid email' },
        200,
      ],
    ] satisfies [string, Partial<ClientRegistration>, Record<string, string>, number][]) {
      test(`a token ${name}: ${status}`, async () => {
        const scope = 'openid profile email groups roles read';
        const added = await keyturn.addClient({ scope, grantTypes: ['authorization_code'], ...registration });
        const party = await RelyingParty.discover(keyturn, added);
        const { url, checks } = await party.request({ ...parameters, prompt: 'consent' });
        const callback = await new Person().authorize(url, { login: 'ada', password });
        const { access_token } = await oauth.authorizationCodeGrant(party.configuration, callback, checks);
        const { answer } = await askWho(access_token);
        assert.equal(answer.status, status);
      });
    }

    test('a token that was refreshed for less than was granted tells of no more than that (RFC 6749 section 6)', async () => {
      const scope = 'openid profile email offline_access';
      const added = await keyturn.addClient({ scope, grantTypes: ['authorization_code', 'refresh_token'] });
      const party = await RelyingParty.discover(keyturn, added);
      const { url, checks } = await party.request({ scope, prompt: 'consent' });
      const callback = await new Person().authorize(url, { login: 'ada', password });
      const whole = await oauth.authorizationCodeGrant(party.configuration, callback, checks);
      const narrowed = await oauth.refreshTokenGrant(party.configuration, whole.refresh_token ?? '', {
        scope: 'openid email',
      });
      const { answer } = await askWho(narrowed.access_token);
      assert.deepEqual(Object.keys(answer.body).sort(), ['email', 'email_verified', 'sub']);
    });

    /** Asks plainly, and with a query that means nothing. */
    async function askWho(token: string) {
      const asked = async (query: string) => {
        const headers = { authorization: `Bearer ${token}` };
        const response = await fetch(`${keyturn.issuer}/userinfo${query}`, { headers });
        const answered = Object.fromEntries(response.headers);
        for (const name of VOLATILE) delete answered[name];
        const text = await response.text();
        const isJwt = answered['content-type']?.includes('jwt') === true;
        return {
          status: response.status,
          headers: answered,
          body: isJwt ? describedJwt(text) : JSON.parse(text),
        };
      };
      const [answer, byLibrary] = [await asked(''), await asked('?meaningless=x')];
      assert.deepEqual(answer, byLibrary);
      return { answer };
    }
  });

  describe('however a caller says who it is (RFC 6749 section 2.3.1)', () => {
    const asked = () => ({ grant_type: 'client_credentials', scope: 'read', resource: API });
    const service = () => caller('service');

    for (const [name, status, request] of [
      ['in the header', 200, () => [{}, { authorization: basic(service()) }]],
      [
        'in the header, with all escaped that is neither a letter nor a digit',
        200,
        () => [{}, { authorization: basic(escaped(service())) }],
      ],
      [
        'in the header, escaped beyond ASCII',
        400,
        () => [{}, { authorization: basic({ ...service(), secret: '%C3' }) }],
      ],
      [
        'in the header, and by name in the form',
        200,
        () => [{ client_id: service().clientId }, { authorization: basic(service()) }],
      ],
      ['in the form', 200, () => [{ client_id: service().clientId, client_secret: service().secret }, {}]],
      ['with a wrong secret', 401, () => [{}, { authorization: basic({ ...service(), secret: 'wrong' }) }]],
      ['with no secret', 400, () => [{}, { authorization: basic({ ...service(), secret: '' }) }]],
      ['as nobody', 401, () => [{}, { authorization: basic({ clientId: 'nobody', secret: 'x' }) }]],
      ['in both ways', 400, () => [{ client_secret: service().secret }, { authorization: basic(service()) }]],
      [
        'under two names',
        400,
        () => [{ client_id: caller('modest').clientId }, { authorization: basic(service()) }],
      ],
      ['by a name alone', 401, () => [{ client_id: service().clientId }, {}]],
      [
        'by a name that has no secret',
        401,
        () => [{ client_id: caller('no secret').clientId, client_secret: 'x' }, {}],
      ],
      ['not at all', 401, () => [{}, {}]],
      ['in no scheme', 400, () => [{}, { authorization: 'x' }]],
      ['by a bearer token', 400, () => [{}, { authorization: 'Bearer x' }]],
      ['in what is no base64', 400, () => [{}, { authorization: 'Basic ***' }]],
    ] as const) {
      test(`${name}: ${status}`, async () => {
        const [fields, headers] = request() as unknown as [Fields, Record<string, string>];
        const answer = await assertSame('/token', { ...asked(), ...fields }, headers);
        assert.ok(answer.status === status, `${answer.status} ${JSON.stringify(answer.body)}`);
      });
    }
  });

  test('and the most usual ones are not brought before the library at all', async (t) => {
    const { mock } = t.mock.method(Provider.prototype, 'emit');
    const granted = () => mock.calls.filter(({ arguments: [event] }) => event === 'grant.success').length;
    const own = { grant_type: 'client_credentials', scope: 'read' };
    const first = await ask('/token', own, { authorization: basic(caller('service')) });
    assert.deepEqual([first.status, granted()], [200, 0]);
    await ask('/token', { ...own, ...MEANINGLESS }, { authorization: basic(caller('service')) });
    assert.equal(granted(), 1);
    const refresh = { grant_type: 'refresh_token', refresh_token: tokens['third refresh'] ?? '' };
    const second = await ask('/token', refresh, { authorization: basic(caller('web')) });
    assert.deepEqual([second.status, granted()], [200, 1]);
  });

  test('a field that comes twice is refused (RFC 6749 section 3.2)', async () => {
    const body = new URLSearchParams({ grant_type: 'client_credentials', scope: 'read' });
    body.append('scope', 'write');
    const headers = { authorization: basic(caller('service')) };
    const response = await fetch(`${keyturn.issuer}/token`, { method: 'POST', body, headers });
    assert.equal(response.status, 400);
    assert.equal(((await response.json()) as { error: string }).error, 'invalid_request');
  });
});
