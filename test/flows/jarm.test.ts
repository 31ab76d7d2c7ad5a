import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createRemoteJWKSet, decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose';
import * as oauth from 'openid-client';
import { answerTo, readAnswer } from '#test/support/answer.ts';
import { ask } from '#test/support/asking.ts';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

/** JWT Secured Authorization Response Mode for OAuth 2.0 allows ten minutes at most (section 2.1). */
const LIFETIME_MAX_S = 600;

describe('JWT secured authorization responses (JARM)', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let clientId: string;
  let keys: ReturnType<typeof createRemoteJWKSet>;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere({ KEYTURN_KEYS_ALGORITHMS: 'ES256,RS256,PS256' });
    ada.password = (await keyturn.addAccount('ada')).password;
    const added = await keyturn.addClient({ scope: 'openid' });
    clientId = added.client.clientId;
    web = await RelyingParty.discover(keyturn, added);
    keys = createRemoteJWKSet(new URL(`${keyturn.issuer}/jwks`));
  });
  after(() => stopFaultless(keyturn));

  async function verified(response: string | undefined): Promise<JWTPayload> {
    const { payload } = await jwtVerify(response ?? '', keys, { issuer: keyturn.issuer, audience: clientId });
    const left = (payload.exp as number) - Date.now() / 1000;
    assert.ok(left > 0 && left <= LIFETIME_MAX_S, `${left} s`);
    return payload;
  }

  test('an answer is one signed parameter, whichever way it travels (sections 2.1 and 2.3)', async () => {
    for (const [mode, way] of [
      ['jwt', 'query'],
      ['query.jwt', 'query'],
      ['fragment.jwt', 'fragment'],
      ['form_post.jwt', 'form_post'],
    ]) {
      const { url, checks } = await web.request({ response_mode: mode as string });
      const answer = await answerTo(new Person(), url, ada);
      assert.equal(answer.mode, way);
      assert.deepEqual(Object.keys(answer.fields), ['response']);
      const claims = await verified(answer.fields.response);
      assert.equal(claims.state, checks.expectedState);
      assert.equal(typeof claims.code, 'string');
      const { alg } = decodeProtectedHeader(answer.fields.response as string);
      assert.equal(alg, 'RS256', 'the default of section 5');
    }
  });

  test('an error is told in the same way (section 2.3)', async () => {
    for (const mode of ['jwt', 'query.jwt', 'fragment.jwt', 'form_post.jwt']) {
      for (const [change, error] of [
        [{ prompt: 'none' }, 'login_required'],
        [{ scope: 'openid nonsense' }, 'invalid_scope'],
      ] as const) {
        const answer = readAnswer(await ask(web, { response_mode: mode, ...change }));
        assert.deepEqual(Object.keys(answer.fields), ['response']);
        const claims = await verified(answer.fields.response);
        assert.equal(claims.error, error);
        assert.equal(claims.iss, keyturn.issuer, 'RFC 9207 section 2.4');
      }
    }
  });

  test('a client is answered with the algorithm that it has registered (section 3)', async () => {
    for (const alg of ['ES256', 'PS256']) {
      const added = await keyturn.addClient({
        name: alg,
        scope: 'openid',
        metadata: { authorization_signed_response_alg: alg },
      });
      const party = await RelyingParty.discover(keyturn, added);
      const { url } = await party.request({ response_mode: 'jwt' });
      const { fields } = await answerTo(new Person(), url, ada);
      assert.equal(decodeProtectedHeader(fields.response as string).alg, alg);
      await jwtVerify(fields.response as string, keys, { audience: added.client.clientId });
    }
  });

  test('a client on openid-client verifies it and redeems the code', async () => {
    const added = await keyturn.addClient({ name: 'JARM', scope: 'openid' });
    const party = await RelyingParty.discover(keyturn, added);
    oauth.useJwtResponseMode(party.configuration);
    const tokens = await party.signIn(new Person(), ada);
    assert.ok(tokens.access_token);
  });

  test('an answer for one client is not taken for that of another (section 2.4)', async () => {
    const { url } = await web.request({ response_mode: 'jwt' });
    const { fields } = await answerTo(new Person(), url, ada);
    await assert.rejects(
      jwtVerify(fields.response as string, keys, { audience: 'another' }),
      /unexpected "aud" claim/,
    );
  });

  test('the answer to an application on a device travels by its scheme', async () => {
    const added = await keyturn.addClient({
      name: 'App',
      authenticationMethod: 'none',
      scope: 'openid',
      redirectUris: ['com.example.app:/callback'],
    });
    const native = await RelyingParty.discover(keyturn, added);
    const { url } = await native.request({
      redirect_uri: 'com.example.app:/callback',
      response_mode: 'form_post.jwt',
    });
    const answer = await answerTo(new Person(), url, ada);
    assert.equal(answer.mode, 'query');
    assert.equal(answer.to, 'com.example.app:/callback');
    assert.ok(answer.fields.response);
  });

  test('the metadata says the modes and the algorithms (section 4)', async () => {
    const document = await fetch(`${keyturn.issuer}/.well-known/openid-configuration`);
    const metadata = (await document.json()) as Record<string, string[]>;
    assert.deepEqual(metadata.authorization_signing_alg_values_supported, ['ES256', 'RS256', 'PS256']);
    for (const mode of ['jwt', 'query.jwt', 'fragment.jwt', 'form_post.jwt'])
      assert.ok(metadata.response_modes_supported?.includes(mode), mode);
  });
});
