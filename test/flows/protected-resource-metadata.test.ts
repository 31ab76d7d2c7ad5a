import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as oauth from 'oauth4webapi';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const INSECURE = { [oauth.allowInsecureRequests]: true };

describe('protected resource metadata (RFC 9728)', () => {
  let keyturn: Keyturn;
  let userinfo: URL;
  before(async () => {
    keyturn = await startKeyturnHere();
    userinfo = new URL(`${keyturn.issuer}/userinfo`);
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const fetched = async (path: string) => {
    const answer = await fetch(keyturn.issuer + path);
    assert.equal(answer.status, 200);
    return (await answer.json()) as Record<string, unknown>;
  };

  test('of userinfo is where its address leads to, and names that very address (sections 3.1 and 3.3)', async () => {
    const response = await oauth.resourceDiscoveryRequest(userinfo, INSECURE);
    const found = await oauth.processResourceDiscoveryResponse(userinfo, response);
    assert.equal(found.resource, userinfo.href);
    assert.deepEqual(found.authorization_servers, [keyturn.issuer]);
  });

  test('of the issuer, which the tokens for userinfo name, is there as well (section 3.1)', async () => {
    const { resource, ...rest } = await fetched('/.well-known/oauth-protected-resource');
    assert.equal(resource, keyturn.issuer);
    const { resource: _, ...ofUserinfo } = await fetched('/.well-known/oauth-protected-resource/userinfo');
    assert.deepEqual(rest, ofUserinfo);
  });

  test('says what is so, and nothing else (section 2)', async () => {
    const said = await fetched('/.well-known/oauth-protected-resource/userinfo');
    const server = await fetched('/.well-known/oauth-authorization-server');
    const scopes = server.scopes_supported as string[];
    assert.deepEqual(
      said.scopes_supported,
      scopes.filter((scope) => scope !== 'offline_access'),
    );
    assert.deepEqual(said.bearer_methods_supported, ['header', 'body']);
    assert.equal(said.jwks_uri, server.jwks_uri);
    assert.deepEqual(said.dpop_signing_alg_values_supported, server.dpop_signing_alg_values_supported);
    assert.deepEqual(
      said.resource_signing_alg_values_supported,
      server.userinfo_signing_alg_values_supported,
    );
    const known = [
      'authorization_servers',
      'bearer_methods_supported',
      'dpop_signing_alg_values_supported',
      'jwks_uri',
      'resource',
      'resource_signing_alg_values_supported',
      'scopes_supported',
    ];
    const names = Object.keys(said).filter((name) => name !== 'tls_client_certificate_bound_access_tokens');
    assert.deepEqual(names.toSorted(), known);
  });

  test('userinfo takes a token in the header and in a body, as it says, and in no query (RFC 6750 section 2)', async () => {
    const { password } = await keyturn.addAccount('ada');
    const web = await RelyingParty.discover(keyturn, await keyturn.addClient());
    const { access_token: token } = await web.signIn(new Person(), { login: 'ada', password });
    const authorization = { authorization: `Bearer ${token}` };
    const body = new URLSearchParams({ access_token: token });
    const status = async (init: RequestInit, query = '') => (await fetch(userinfo.href + query, init)).status;
    assert.equal(await status({ headers: authorization }), 200);
    assert.equal(await status({ method: 'POST', body }), 200);
    assert.equal(await status({}, `?access_token=${token}`), 400);
  });

  test('is named in every challenge of userinfo, of whichever scheme (section 5.1)', async () => {
    const named = `resource_metadata="${keyturn.issuer}/.well-known/oauth-protected-resource/userinfo"`;
    const asked: Record<string, string>[] = [
      {},
      { authorization: 'Bearer nonsense' },
      { authorization: 'DPoP nonsense', dpop: 'nonsense' },
    ];
    for (const headers of asked) {
      const response = await fetch(userinfo, { headers });
      assert.equal(response.status, 401);
      const challenges = (response.headers.get('www-authenticate') ?? '').split(/, (?=(?:Bearer|DPoP) )/);
      for (const challenge of challenges) assert.ok(challenge.includes(named), challenge);
    }
  });

  test('is in no answer that has no challenge, and not in those of other endpoints', async () => {
    const { headers } = await fetch(`${keyturn.issuer}/token`, { method: 'POST' });
    assert.doesNotMatch(headers.get('www-authenticate') ?? '', /resource_metadata/);
    const preflight = await fetch(userinfo, { method: 'OPTIONS' });
    assert.equal(preflight.headers.get('www-authenticate'), null);
    const { password } = await keyturn.addAccount('grace');
    const web = await RelyingParty.discover(keyturn, await keyturn.addClient());
    const { access_token: token } = await web.signIn(new Person(), { login: 'grace', password });
    const served = await fetch(userinfo, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(served.status, 200);
    assert.equal(served.headers.get('www-authenticate'), null, 'RFC 9110 section 11.6.1');
  });
});
