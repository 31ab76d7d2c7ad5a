import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeJwt } from 'jose';
import * as oauth from 'openid-client';
import { parseMemberships } from '#src/accounts/membership.ts';
import type { ResourceServerRegistration } from '#src/resources/resource-server.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const SCOPE = 'openid profile groups roles offline_access read look peek';
const STAFF = { groups: parseMemberships(['staff', 'on call']), roles: parseMemberships(['editor']) };

describe('what tokens say of a person to those who asked for it', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let subject: string;
  const ada = { login: 'ada', password: '' };
  const apis = new Map<string, RelyingParty>();

  const addApi = async (name: string, more: Partial<ResourceServerRegistration>) => {
    const { resourceServer, secret } = await keyturn.addResourceServer({
      identifier: `https://${name}.example.com`,
      ...more,
    });
    const client = {
      clientId: resourceServer.clientId,
      authenticationMethod: 'client_secret_basic',
    } as const;
    apis.set(name, await RelyingParty.discover(keyturn, { client, secret }));
  };

  before(async () => {
    keyturn = await startKeyturnHere();
    const added = await keyturn.addAccount('ada');
    ada.password = added.password;
    subject = added.account.subject;
    await keyturn.services.accounts.setMemberships(subject, STAFF);
    web = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: SCOPE }));
    await addApi('told', { scope: ['read'], claims: ['groups', 'roles', 'preferred_username'] });
    await addApi('opaque', { scope: ['look'], claims: ['roles'], tokenFormat: 'opaque' });
    await addApi('untold', { scope: ['peek'] });
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const signIn = (scope: string, parameters: Record<string, string> = {}) =>
    web.signIn(new Person(), ada, { scope, ...parameters });
  const introspect = async (api: string, token: string) =>
    (await (apis.get(api) as RelyingParty).introspect(token)) as Record<string, unknown>;

  test('an access token says the claims that its resource server is registered for (RFC 9068 section 2.2.3.1)', async () => {
    const { access_token } = await signIn('openid read');
    const says = decodeJwt(access_token);
    assert.deepEqual(says.groups, STAFF.groups);
    assert.deepEqual(says.roles, STAFF.roles);
    assert.equal(says.preferred_username, 'ada');
    for (const other of ['name', 'email', 'email_verified', 'updated_at'])
      assert.equal(says[other], undefined);
    const told = await introspect('told', access_token);
    assert.deepEqual([told.groups, told.roles, told.preferred_username], [STAFF.groups, STAFF.roles, 'ada']);
  });

  test('one for another resource server says none of them', async () => {
    const { access_token } = await signIn('openid peek');
    const says = decodeJwt(access_token);
    for (const claim of ['groups', 'roles', 'preferred_username', 'email'])
      assert.equal(says[claim], undefined);
    assert.equal((await introspect('untold', access_token)).roles, undefined);
  });

  test('an opaque one tells them at introspection alone', async () => {
    const { access_token } = await signIn('openid look');
    assert.ok(!access_token.includes('.'));
    const told = await introspect('opaque', access_token);
    assert.deepEqual(told.roles, STAFF.roles);
    assert.equal(told.groups, undefined);
  });

  test('a client that acts for itself is in no group', async () => {
    const service = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ grantTypes: ['client_credentials'], redirectUris: [], scope: 'read' }),
    );
    const { access_token } = await oauth.clientCredentialsGrant(service.configuration, { scope: 'read' });
    assert.equal(decodeJwt(access_token).groups, undefined);
  });

  test('a change shows at the next refresh, and in no token before it', async () => {
    const tokens = await signIn('openid groups read', { resource: 'https://told.example.com' });
    const groups = parseMemberships(['alumni']);
    await keyturn.services.accounts.setMemberships(subject, { groups });
    assert.deepEqual((await introspect('told', tokens.access_token)).groups, STAFF.groups);
    const refreshed = await web.refresh(tokens.refresh_token ?? '');
    assert.deepEqual(decodeJwt(refreshed.access_token).groups, ['alumni']);
    assert.deepEqual((await introspect('told', refreshed.access_token)).groups, ['alumni']);
    assert.deepEqual(refreshed.claims()?.groups, ['alumni']);
    assert.deepEqual(decodeJwt(refreshed.access_token).roles, STAFF.roles, 'what was not named stays');
    await keyturn.services.accounts.setMemberships(subject, STAFF);
  });

  test('ID token and userinfo say them to a client that was allowed the scope of that name, and to no other', async () => {
    const allowed = await signIn('openid groups');
    const { sub } = allowed.claims() ?? assert.fail('there is an ID token');
    const about = await oauth.fetchUserInfo(web.configuration, allowed.access_token, sub);
    for (const says of [allowed.claims(), about]) {
      assert.deepEqual(says?.groups, STAFF.groups);
      assert.equal(says?.roles, undefined);
    }
    const plain = await signIn('openid profile');
    assert.equal(plain.claims()?.groups, undefined);
    const other = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid' }));
    const { url } = await other.request({ scope: 'openid groups' });
    assert.equal((await new Person().visit(url)).leftTo?.searchParams.get('error'), 'invalid_scope');
  });

  test('the person is asked in plain words before a client sees them', async () => {
    const { url } = await web.request({ scope: 'openid groups roles', prompt: 'consent' });
    const person = new Person();
    const page = await person.submit(await person.visit(url), '/sign-in', ada);
    assert.match(page.html, /See your groups/);
    assert.match(page.html, /See your roles/);
  });

  test('a resource server is registered for claims that there are, and for none that say who the person is to others', async () => {
    for (const claims of [['sub'], ['password_hash'], ['sid'], ['iss'], ['groups', 'act']]) {
      await assert.rejects(addApi('refused', { claims: claims as ['groups'] }), {
        code: 'invalid_resource_server',
      });
    }
  });
});
