import assert from 'node:assert/strict';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

describe('ID tokens (OpenID Connect Core section 2)', () => {
  let keyturn: Keyturn;
  let web: RelyingParty;
  let clientId: string;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    const added = await keyturn.addClient({ scope: 'openid profile' });
    clientId = added.client.clientId;
    web = await RelyingParty.discover(keyturn, added);
  });
  afterEach(() => mock.timers.reset());
  after(() => keyturn[Symbol.asyncDispose]());

  test('say who issued them, to whom, for whom, until when, and the nonce as it was sent (sections 2 and 3.1.3.7)', async () => {
    const nonce = 'n-0S6_WzA2Mj é"&=\\';
    const { url, checks } = await web.request({ nonce, max_age: '600' });
    const callback = await new Person().authorize(url, ada);
    const before = Math.floor(Date.now() / 1000);
    const tokens = await web.redeem(callback, { ...checks, expectedNonce: nonce });
    const idToken = tokens.id_token ?? '';
    const { alg, kid } = decodeProtectedHeader(idToken);
    assert.equal(alg, 'ES256');
    assert.ok(kid);
    const claims = decodeJwt(idToken);
    assert.equal(claims.iss, keyturn.issuer);
    assert.equal(claims.aud, clientId);
    assert.equal(claims.nonce, nonce);
    assert.ok((claims.sub ?? '').length <= 255);
    assert.ok((claims.iat ?? 0) >= before && (claims.exp ?? 0) > (claims.iat ?? 0));
    assert.ok(Number(claims.auth_time) <= (claims.iat ?? 0));
  });

  test('of an authorization without openid there are none (section 3.1.2.1)', async () => {
    await keyturn.addResourceServer();
    const api = await RelyingParty.discover(keyturn, await keyturn.addClient({ scope: 'openid read' }));
    const tokens = await api.signIn(new Person(), ada, { scope: 'read' });
    assert.equal(tokens.id_token, undefined);
    assert.equal(decodeJwt(tokens.access_token).scope, 'read');
  });

  test('that come of refreshing are of the same person, client and sign-in (section 12.2)', async () => {
    const first = await web.signIn(new Person(), ada, { max_age: '600' });
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 60_000 });
    const second = await web.refresh(first.refresh_token ?? '');
    const [before, after] = [decodeJwt(first.id_token ?? ''), decodeJwt(second.id_token ?? '')];
    for (const claim of ['iss', 'sub', 'aud', 'auth_time', 'azp'])
      assert.deepEqual(after[claim], before[claim], claim);
    assert.notEqual(before.auth_time, undefined);
    assert.equal((after.iat ?? 0) - (before.iat ?? 0) >= 60, true);
    assert.ok(after.nonce === undefined || after.nonce === before.nonce);
  });
});
