import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { decodeProtectedHeader } from 'jose';
import * as oauth from 'openid-client';
import { systemClock } from '#src/clock.ts';
import { CALLBACK, type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const API = 'https://api.example.com';
const RS256 = { id_token_signed_response_alg: 'RS256' };

describe('what the keys have signed', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let service: RelyingParty;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    await keyturn.addResourceServer({ tokenFormat: 'jwt' });
    web = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({
        clientId: 'web',
        scope: 'openid offline_access read',
        idTokenSignedResponseAlg: 'RS256',
        metadata: { userinfo_signed_response_alg: 'RS256' },
      }),
      RS256,
    );
    service = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({
        clientId: 'job',
        grantTypes: ['client_credentials'],
        redirectUris: [],
        scope: 'read',
      }),
    );
    ada.password = (await keyturn.addAccount('ada')).password;
  });
  after(() => keyturn[Symbol.asyncDispose]());

  const alive = async () => {
    const now = systemClock.now();
    const { keyUsage, rotation } = keyturn.services;
    const { ring } = await rotation.refresh();
    const { byKid } = await keyUsage.tokens(now);
    return { tokens: byKid, signIns: (await keyUsage.signIns(ring, { now, max: 10 })).byKid };
  };
  const kidOf = (token = '') => decodeProtectedHeader(token).kid as string;

  test('is counted by key and kind of token, and outlives a server that is stopped', async () => {
    const signedIn = await web.signIn(new Person(), ada, {
      scope: 'openid offline_access read',
      redirect_uri: CALLBACK,
      resource: API,
      prompt: 'consent',
    });
    const one = await oauth.clientCredentialsGrant(service.configuration, { scope: 'read', resource: API });
    const two = await oauth.clientCredentialsGrant(service.configuration, { scope: 'read', resource: API });
    assert.equal(kidOf(one.access_token), kidOf(two.access_token));
    const openid = await web.signIn(new Person(), ada, { scope: 'openid' });
    await oauth.fetchUserInfo(web.configuration, openid.access_token, oauth.skipSubjectCheck);
    await keyturn.restart();

    const { tokens, signIns } = await alive();
    const es256 = tokens.get(kidOf(one.access_token));
    assert.deepEqual([es256?.access, es256?.id], [4, 0]);
    const rs256 = tokens.get(kidOf(signedIn.id_token));
    // An answer of userinfo is nobody's to keep.
    assert.deepEqual([rs256?.access, rs256?.id], [0, 2]);
    assert.equal(signIns.get(kidOf(signedIn.refresh_token))?.families, 2);
    assert.equal(signIns.get(kidOf(signedIn.refresh_token))?.people.size, 1);
  });

  test('is known by who was last given it, whether to verify or to hold', async () => {
    const uses = await Array.fromAsync(keyturn.services.keyUsage.uses());
    assert.deepEqual(uses.map(({ alg, role, name }) => `${alg} ${role} ${name}`).sort(), [
      'ES256 holder job',
      'ES256 holder web',
      `ES256 resource-server ${API}`,
      'RS256 client web',
    ]);
    const now = systemClock.now();
    for (const { lastAt } of uses) assert.ok(lastAt <= now && lastAt > now - 60);
  });
});
