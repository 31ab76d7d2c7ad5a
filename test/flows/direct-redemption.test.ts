import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Provider } from 'oidc-provider';
import * as oauth from 'openid-client';
import type { ClientRegistration } from '#src/clients/client.ts';
import type { ResourceServerRegistration } from '#src/resources/resource-server.ts';
import { authorizationGroup } from '#src/tokens/authorization.ts';
import { minutes } from '#src/units.ts';
import { askForm, type Fields, MEANINGLESS } from '#test/support/described-answers.ts';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const API = 'https://api.example.com';
const SCOPE = 'openid offline_access read write';

type Registration = Partial<ClientRegistration>;

describe('a code that is redeemed without the library is redeemed as by it (RFC 6749 section 4.1.3)', () => {
  let keyturn: Keyturn;
  let ada: { login: string; password: string };
  let web: Awaited<ReturnType<typeof register>>;

  before(async () => {
    keyturn = await startKeyturnHere();
    ada = { login: 'ada', password: (await keyturn.addAccount('ada')).password };
    for (const [name, registration] of [
      ['api', { scope: ['read', 'write'], claims: ['preferred_username'] }],
      ['other', { scope: ['other'] }],
      ['opaque', { scope: ['look'], tokenFormat: 'opaque' }],
      ['listed', { scope: ['list'], statusList: true }],
    ] satisfies [string, Partial<ResourceServerRegistration>][])
      await keyturn.addResourceServer({ identifier: `https://${name}.example.com`, ...registration });
    web = await register({});
  });
  after(() => keyturn[Symbol.asyncDispose]());

  /** A client, how it says who it is, and what it does. */
  async function register(registration: Registration) {
    const scope = `${SCOPE} profile email groups other look list`;
    const added = await keyturn.addClient({ scope, ...registration } as Registration);
    const { clientId, authenticationMethod, idTokenSignedResponseAlg } = added.client;
    const party = await RelyingParty.discover(keyturn, added, {
      id_token_signed_response_alg: idTokenSignedResponseAlg,
    });
    const isPublic = authenticationMethod === 'none';
    const authorization = `Basic ${Buffer.from(`${clientId}:${added.secret}`).toString('base64')}`;
    const headers: Record<string, string> = isPublic ? {} : { authorization };
    const named: Fields = isPublic ? { client_id: clientId } : {};
    return {
      party,
      ask: (fields: Fields) => askForm(`${keyturn.issuer}/token`, { ...named, ...fields }, headers),
    };
  }

  /** The fields by which a code is redeemed that somebody has just brought. */
  async function code(party: RelyingParty, asked: Record<string, string> = { scope: SCOPE, resource: API }) {
    const { resource = '', ...others } = asked;
    const { url, checks } = await party.request({ ...others, prompt: 'consent' });
    for (const each of resource.split(' ').filter(Boolean)) url.searchParams.append('resource', each);
    const callback = await new Person().authorize(url, ada);
    return {
      grant_type: 'authorization_code',
      code: callback.searchParams.get('code') ?? assert.fail(String(callback)),
      code_verifier: checks.pkceCodeVerifier,
      redirect_uri: CALLBACK,
    };
  }

  /** True if the library had to grant what is asked meanwhile. */
  async function isGrantedByLibrary(
    t: { mock: typeof test.mock },
    asking: () => Promise<unknown>,
  ): Promise<boolean> {
    const { mock } = t.mock.method(Provider.prototype, 'emit');
    await asking();
    return mock.calls.some(({ arguments: [event] }) => event === 'grant.success');
  }

  for (const [name, registration, asked] of [
    ['with OpenID Connect, offline', {}, { scope: SCOPE, resource: API }],
    ['with claims of the person', {}, { scope: `${SCOPE} profile email groups`, resource: API }],
    ['for as long as the session', {}, { scope: 'openid read', resource: API }],
    ['for this server alone', {}, { scope: 'openid profile' }],
    ['without OpenID Connect', {}, { scope: 'read', resource: API }],
    ['without any scope', {}, { scope: '', resource: API }],
    ['for opaque tokens', {}, { scope: 'openid look', resource: 'https://opaque.example.com' }],
    ['for tokens with a status', {}, { scope: 'openid list', resource: 'https://listed.example.com' }],
    ['with a pairwise subject', { metadata: { subject_type: 'pairwise' } }, { scope: SCOPE, resource: API }],
    ['with ID tokens by RS256', { idTokenSignedResponseAlg: 'RS256' }, { scope: SCOPE, resource: API }],
    ['by a public client', { authenticationMethod: 'none' }, { scope: SCOPE, resource: API }],
    [
      'by a client that does not refresh',
      { grantTypes: ['authorization_code'] },
      { scope: SCOPE, resource: API },
    ],
    ['with single claims', {}, { scope: SCOPE, resource: API, claims: '{"id_token":{"email":null}}' }],
  ] satisfies [string, Registration, Record<string, string>][]) {
    test(`${name}: once, then refused, and its tokens have ended (RFC 6749 section 4.1.2)`, async () => {
      const { party, ask } = await register(registration as Registration);
      const redeemed = async (more: Fields) => {
        const fields = { ...(await code(party, asked)), ...more };
        const answers = [await ask(fields), await ask(fields), await ask(fields)];
        assert.deepEqual(
          answers.slice(1).map(({ status, body }) => [status, body.error]),
          Array(2).fill([400, 'invalid_grant']),
        );
        return answers;
      };
      assert.deepEqual(await redeemed({}), await redeemed(MEANINGLESS));
    });
  }

  test('the tokens work: the access token stands, and the refresh token is the first of its family', async () => {
    const { url, checks } = await web.party.request({ scope: SCOPE, resource: API, prompt: 'consent' });
    const tokens = await web.party.redeem(await new Person().authorize(url, ada), checks);
    assert.equal((await web.party.introspect(tokens.access_token)).active, true);
    const next = await web.party.refresh(tokens.refresh_token ?? '');
    assert.equal((await web.party.introspect(next.access_token)).active, true);
    assert.equal((await web.party.introspect(tokens.refresh_token ?? '')).active, false);
  });

  test('what is kept of the family is the same', async () => {
    const kept = [];
    for (const more of [{}, MEANINGLESS]) {
      const fields = await code(web.party, { scope: `${SCOPE} profile`, resource: API });
      const { grantId } = (await stored(fields.code)).value;
      await web.ask({ ...fields, ...more });
      const { family } = (await keyturn.services.authorizations.find(grantId)) ?? assert.fail('it has ended');
      const { nonce, sid, authTime, ...says } = family?.says ?? {};
      kept.push({
        ...says,
        volatile: [typeof nonce, typeof sid, typeof authTime],
        generation: family?.generation,
      });
    }
    assert.deepEqual(kept[0], kept[1]);
  });

  for (const [name, wrong] of [
    ['with the verifier of another (RFC 7636 section 4.6)', { code_verifier: 'x'.repeat(43) }],
    ['with a verifier that is too short (RFC 7636 section 4.1)', { code_verifier: 'x'.repeat(42) }],
    ['with a verifier that is too long', { code_verifier: 'x'.repeat(129) }],
    ['with a verifier of other characters', { code_verifier: `${'x'.repeat(43)}!` }],
    ['with an empty verifier', { code_verifier: '' }],
    ['for another redirect URI', { redirect_uri: `${CALLBACK}/` }],
    ['for no redirect URI', { redirect_uri: '' }],
    ['with another code', { code: 'x'.repeat(43) }],
    ['with no code', { code: '' }],
    ['for a resource that was not granted (RFC 8707 section 2.2)', { resource: 'https://other.example.com' }],
    ['for another grant type', { grant_type: 'refresh_token' }],
  ] satisfies [string, Fields][]) {
    test(`${name}: refused, and the code can still be redeemed`, async () => {
      const fields = await code(web.party);
      const [answer, byLibrary] = [
        await web.ask({ ...fields, ...wrong }),
        await web.ask({ ...fields, ...wrong, ...MEANINGLESS }),
      ];
      assert.equal(answer.status, 400);
      assert.deepEqual(answer, byLibrary);
      assert.equal((await web.ask(fields)).status, 200);
    });
  }

  test('with the verifier that it was asked for with, but which is too short: refused (RFC 7636 section 4.1)', async () => {
    const code_verifier = 'x'.repeat(42);
    const code_challenge = await oauth.calculatePKCECodeChallenge(code_verifier);
    const fields = {
      ...(await code(web.party, { scope: SCOPE, resource: API, code_challenge })),
      code_verifier,
    };
    const answers = [await web.ask(fields), await web.ask({ ...fields, ...MEANINGLESS })];
    assert.deepEqual(answers[0], answers[1]);
    assert.equal(answers[0]?.status, 400);
  });

  test('without a verifier: refused, and the code can still be redeemed (RFC 7636 section 4.5)', async () => {
    const { code_verifier, ...fields } = await code(web.party);
    const answers = [await web.ask(fields), await web.ask({ ...fields, ...MEANINGLESS })];
    assert.deepEqual(answers[0], answers[1]);
    assert.equal(answers[0]?.status, 400);
    assert.equal((await web.ask({ ...fields, code_verifier })).status, 200);
  });

  test('by another client: refused, and the code can still be redeemed (RFC 6749 section 4.1.3)', async () => {
    const fields = await code(web.party);
    const other = await register({});
    const answers = [await other.ask(fields), await other.ask({ ...fields, ...MEANINGLESS })];
    assert.deepEqual(answers[0], answers[1]);
    assert.deepEqual([answers[0]?.status, answers[0]?.body.error], [400, 'invalid_grant']);
    assert.equal((await web.ask(fields)).status, 200);
  });

  test('for less than was granted: the library answers, and gives as much (RFC 8707 section 2.2)', async (t) => {
    const fields = { ...(await code(web.party)), resource: API };
    assert.equal(await isGrantedByLibrary(t, () => web.ask(fields)), true);
  });

  test('for two resource servers of which none is named: refused, and the code can still be redeemed', async () => {
    const fields = await code(web.party, {
      scope: 'read other',
      resource: `${API} https://other.example.com`,
    });
    const answers = [await web.ask(fields), await web.ask({ ...fields, ...MEANINGLESS })];
    assert.deepEqual(answers[0], answers[1]);
    assert.deepEqual([answers[0]?.status, answers[0]?.body.error], [400, 'invalid_target']);
    assert.equal((await web.ask({ ...fields, resource: API })).status, 200);
  });

  test('by a client whose tokens are bound to keys, without one: refused (RFC 9449 section 5.2)', async () => {
    const { party, ask } = await register({ metadata: { dpop_bound_access_tokens: true } });
    const fields = await code(party);
    const answers = [await ask(fields), await ask({ ...fields, ...MEANINGLESS })];
    assert.deepEqual(answers[0], answers[1]);
    assert.equal(answers[0]?.status, 400);
  });

  test('a code that was bound to a key: refused without it (RFC 9449 section 10)', async () => {
    const fields = await code(web.party, { scope: SCOPE, resource: API, dpop_jkt: 'x'.repeat(43) });
    const answer = await web.ask(fields);
    assert.deepEqual([answer.status, answer.body.error], [400, 'invalid_grant']);
  });

  test('past its time: refused (RFC 6749 section 4.1.2)', async () => {
    const answers = [];
    for (const more of [{}, MEANINGLESS]) {
      const fields = await code(web.party);
      await age(fields.code);
      answers.push(await web.ask({ ...fields, ...more }));
    }
    assert.deepEqual(answers[0], answers[1]);
    assert.deepEqual([answers[0]?.status, answers[0]?.body.error], [400, 'invalid_grant']);
  });

  test('while the person is locked out: refused', async () => {
    const { accounts } = keyturn.services;
    const { subject } = (await accounts.findByLogin('ada')) ?? assert.fail('there is no account');
    const fields = [await code(web.party), { ...(await code(web.party)), ...MEANINGLESS }];
    await accounts.lock(subject);
    const answers = await Promise.all(fields.map((each) => web.ask(each)));
    await accounts.unlock(subject);
    assert.deepEqual(answers[0], answers[1]);
    assert.deepEqual([answers[0]?.status, answers[0]?.body.error], [400, 'invalid_grant']);
  });

  test('after the authorization has ended: refused', async () => {
    const answers = [];
    for (const more of [{}, MEANINGLESS]) {
      const fields = await code(web.party);
      await keyturn.services.authorizations.end((await stored(fields.code)).value.grantId);
      answers.push(await web.ask({ ...fields, ...more }));
    }
    assert.deepEqual(answers[0], answers[1]);
    assert.deepEqual([answers[0]?.status, answers[0]?.body.error], [400, 'invalid_grant']);
  });

  test('and the most usual ones are not brought before the library at all', async (t) => {
    const fields = await code(web.party);
    assert.equal(
      await isGrantedByLibrary(t, async () => assert.equal((await web.ask(fields)).status, 200)),
      false,
    );
  });

  test('of fifty at once one is answered, and a later one ends what it was given (RFC 6749 section 4.1.2)', async () => {
    const { url, checks } = await web.party.request({ scope: SCOPE, resource: API, prompt: 'consent' });
    const callback = await new Person().authorize(url, ada);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, () => web.party.redeem(callback, checks)),
    );
    const [tokens, ...more] = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    assert.equal(more.length, 0);
    for (const each of outcomes)
      if (each.status === 'rejected')
        assert.equal((each.reason as oauth.ResponseBodyError).error, 'invalid_grant');
    assert.ok(tokens?.refresh_token);
    await assert.rejects(web.party.redeem(callback, checks), { error: 'invalid_grant' });
    assert.equal((await web.party.introspect(tokens.access_token)).active, false);
    await assert.rejects(web.party.refresh(tokens.refresh_token), { error: 'invalid_grant' });
  });

  type StoredCode = { readonly grantId: string; readonly exp: number };

  async function stored(text: string) {
    const found = await keyturn.services.store.records.find<StoredCode>('authorization-code', text);
    return found ?? assert.fail('there is no such code');
  }

  /** Lets a code have been issued so much earlier than it was that its time is over. */
  async function age(text: string): Promise<void> {
    const { value, expiresAt } = await stored(text);
    const { outcome } = await keyturn.services.store.records.put({
      kind: 'authorization-code',
      id: text,
      value: { ...value, exp: value.exp - minutes(30) },
      expiresAt,
      group: authorizationGroup(value.grantId),
    });
    assert.equal(outcome, 'stored');
  }
});
