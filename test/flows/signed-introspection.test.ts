import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { compactDecrypt, createRemoteJWKSet, decodeJwt, exportJWK, generateKeyPair, jwtVerify } from 'jose';
import type { ResourceServerRegistration } from '#src/resources/resource-server.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const API = 'https://api.example.com';
const MEDIA_TYPE = 'application/token-introspection+jwt';

interface Caller {
  readonly clientId: string;
  readonly secret: string;
}

describe('introspection answers as JWTs (RFC 9701)', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let webCaller: Caller;
  let api: Caller;
  let token: string;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere({ KEYTURN_KEYS_ALGORITHMS: 'ES256,RS256,Ed25519' });
    ada.password = (await keyturn.addAccount('ada')).password;
    api = await addApi(API, { scope: ['read'] });
    const added = await keyturn.addClient({ scope: 'openid read' });
    webCaller = { clientId: added.client.clientId, secret: added.secret };
    web = await RelyingParty.discover(keyturn, added);
    token = (await web.signIn(new Person(), ada, { scope: 'openid read', resource: API })).access_token;
  });
  after(() => keyturn[Symbol.asyncDispose]());

  async function addApi(identifier: string, more: Partial<ResourceServerRegistration>): Promise<Caller> {
    const { resourceServer, secret } = await keyturn.addResourceServer({ identifier, ...more });
    return { clientId: resourceServer.clientId, secret };
  }

  const ask = (caller: Caller, asked: string, accept: string = MEDIA_TYPE) =>
    fetch(`${keyturn.issuer}/introspect`, {
      method: 'POST',
      headers: { Authorization: `Basic ${btoa(`${caller.clientId}:${caller.secret}`)}`, Accept: accept },
      body: new URLSearchParams({ token: asked }),
    });

  async function verified(answer: Response, { clientId }: Caller) {
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('content-type') ?? '', new RegExp(`^${MEDIA_TYPE.replace('+', '\\+')}`));
    assert.match(answer.headers.get('cache-control') ?? '', /no-store/);
    const keys = createRemoteJWKSet(new URL(`${keyturn.issuer}/jwks`));
    const typ = 'token-introspection+jwt';
    return jwtVerify(await answer.text(), keys, { issuer: keyturn.issuer, audience: clientId, typ });
  }

  test('say the same as the plain answer, in the claim token_introspection (RFC 9701 section 5)', async () => {
    const plain = (await (await ask(api, token, 'application/json')).json()) as Record<string, unknown>;
    const { payload } = await verified(await ask(api, token), api);
    assert.equal(plain.active, true);
    assert.deepEqual(payload.token_introspection, plain);
  });

  test('are addressed to whoever asks, and carry neither sub nor exp (RFC 9701 section 5)', async () => {
    for (const caller of [api, webCaller]) {
      const { payload } = await verified(await ask(caller, token), caller);
      assert.deepEqual(Object.keys(payload).sort(), ['aud', 'iat', 'iss', 'token_introspection']);
      assert.equal(payload.aud, caller.clientId);
    }
  });

  test('that a token is not active are signed as well, and say nothing else (RFC 9701 section 5)', async () => {
    const other = await addApi('https://other.example.com', {});
    const expired = await web.signIn(new Person(), ada, { scope: 'openid read', resource: API });
    await web.revoke(expired.access_token);
    for (const [caller, asked] of [
      [api, 'unknown'],
      [api, 'a.b.c'],
      [api, expired.access_token],
      [other, token],
    ] as const) {
      const { payload } = await verified(await ask(caller, asked), caller);
      assert.deepEqual(payload.token_introspection, { active: false });
    }
  });

  test('come to those who ask for them, and to nobody else (RFC 9701 section 4)', async () => {
    for (const accept of [
      'application/json',
      '*/*',
      'text/html',
      '',
      `${MEDIA_TYPE};q=0.1, application/json`,
    ]) {
      const answer = await ask(api, token, accept);
      assert.match(answer.headers.get('content-type') ?? '', /^application\/json\b/, accept);
      assert.equal(((await answer.json()) as { active: boolean }).active, true);
    }
  });

  test('are signed as the tokens of the resource server are, unless it registered otherwise', async () => {
    const rsa = await addApi('https://rsa.example.com', { signingAlgorithm: 'RS256' });
    const introspection = { introspection_signed_response_alg: 'Ed25519' };
    const edwards = await addApi('https://edwards.example.com', { introspection });
    for (const [caller, alg] of [
      [api, 'ES256'],
      [rsa, 'RS256'],
      [edwards, 'Ed25519'],
    ] as const) {
      assert.equal((await verified(await ask(caller, token), caller)).protectedHeader.alg, alg);
    }
  });

  test('are signed with RS256 for a client that registered nothing (RFC 9701 section 6)', async () => {
    assert.equal((await verified(await ask(webCaller, token), webCaller)).protectedHeader.alg, 'RS256');
    const metadata = { introspection_signed_response_alg: 'ES256' };
    const added = await keyturn.addClient({ metadata });
    const caller = { clientId: added.client.clientId, secret: added.secret };
    assert.equal((await verified(await ask(caller, token), caller)).protectedHeader.alg, 'ES256');
  });

  test('are signed and then encrypted for those who registered a key (RFC 9701 section 5)', async () => {
    const pair = await generateKeyPair('ECDH-ES', { extractable: true });
    const introspection = {
      introspection_encrypted_response_alg: 'ECDH-ES',
      introspection_encrypted_response_enc: 'A256GCM',
    };
    const jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), use: 'enc', kid: 'api' }] };
    const caller = await addApi('https://private.example.com', { introspection, jwks, scope: ['look'] });
    const answer = await ask(caller, token);
    const opened = await compactDecrypt(await answer.text(), pair.privateKey);
    assert.equal(opened.protectedHeader.enc, 'A256GCM');
    assert.equal(opened.protectedHeader.kid, 'api');
    const says = decodeJwt(new TextDecoder().decode(opened.plaintext));
    assert.deepEqual(says.token_introspection, { active: false });
    assert.equal(says.aud, caller.clientId);
    const plain = await refusalOf(await ask(caller, token, 'application/json'));
    assert.deepEqual(plain, { status: 400, error: 'invalid_request' });
  });

  test('are no tokens: nothing that takes an access token or a hint takes one (RFC 9701 section 8.1)', async () => {
    const jwt = await (await ask(api, token)).text();
    const headers = { Authorization: `Bearer ${jwt}` };
    assert.equal((await fetch(`${keyturn.issuer}/userinfo`, { headers })).status, 401);
    assert.deepEqual((await verified(await ask(api, jwt), api)).payload.token_introspection, {
      active: false,
    });
    const own = await (await ask(webCaller, token)).text();
    const hint = new URLSearchParams({ id_token_hint: own });
    assert.equal((await new Person().visit(`${keyturn.issuer}/logout?${hint}`)).response.status, 400);
  });

  test('are for callers that authenticate, whatever they accept (RFC 7662 section 2.1)', async () => {
    const { client } = await keyturn.addClient({ authenticationMethod: 'none' });
    const asked = await fetch(`${keyturn.issuer}/introspect`, {
      method: 'POST',
      headers: { Accept: MEDIA_TYPE },
      body: new URLSearchParams({ token, client_id: client.clientId }),
    });
    assert.deepEqual(await refusalOf(asked), { status: 401, error: 'invalid_client' });
    const wrong = await ask({ ...api, secret: webCaller.secret }, token);
    assert.deepEqual(await refusalOf(wrong), { status: 401, error: 'invalid_client' });
  });

  test('a registration is refused that could not be served', async () => {
    const pair = await generateKeyPair('RSA-OAEP-256', { extractable: true });
    const jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), use: 'enc' }] };
    const refused = (more: Partial<ResourceServerRegistration>) =>
      assert.rejects(addApi('https://refused.example.com', more), { code: 'invalid_resource_server' });
    await refused({ introspection: { introspection_signed_response_alg: 'none' } });
    await refused({ introspection: { introspection_signed_response_alg: 'PS256' } });
    await refused({ introspection: { introspection_encrypted_response_alg: 'RSA-OAEP-256' } });
    await refused({ introspection: { introspection_encrypted_response_alg: 'ECDH-ES' }, jwks });
    await refused({ introspection: { introspection_encrypted_response_alg: 'dir' } });
    await refused({ introspection: { introspection_encrypted_response_enc: 'A128GCM' }, jwks });
    await refused({ jwks, jwksUri: 'https://api.example.com/jwks' });
    await refused({ jwksUri: 'http://api.example.com/jwks' });
  });
});
