import assert from 'node:assert/strict';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { createRemoteJWKSet, generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person, type Visit } from '#test/support/person.ts';
import { type Receiver, startReceiver } from '#test/support/receiver.ts';
import { RelyingParty, type Tokens } from '#test/support/relying-party.ts';

const SIGNED_OUT = 'https://suite.example.com/test/a/keyturn/post_logout_redirect';

/**
 * What the modules of the OpenID certification plans for RP-initiated and back-channel logout look at, each under its
 * module's name, and beside them what OpenID Connect RP-Initiated Logout 1.0 says that no module looks at.
 */
describe('the certification of OpenID providers, RP-initiated logout', () => {
  let keyturn: Keyturn;
  let receiver: Receiver;
  let suite: RelyingParty;
  let other: RelyingParty;
  let tokens: Tokens;
  let person: Person;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere({ KEYTURN_ALLOW_PRIVATE_NETWORK: 'true' });
    receiver = await startReceiver();
    ada.password = (await keyturn.addAccount('ada')).password;
    const metadata = { backchannel_logout_uri: `${receiver.origin}/backchannel_logout` };
    suite = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ name: 'Suite', postLogoutRedirectUris: [SIGNED_OUT], metadata }),
    );
    other = await RelyingParty.discover(keyturn, await keyturn.addClient({ name: 'Other' }));
  });
  after(async () => {
    await receiver[Symbol.asyncDispose]();
    await stopFaultless(keyturn);
  });
  afterEach(() => mock.timers.reset());

  /** The normal authorization flow that every module begins with. */
  async function begin(): Promise<void> {
    person = new Person();
    tokens = await suite.signIn(person, ada);
  }

  /** Visits the end session endpoint with everything that a request can have, but for what is said otherwise. */
  function endSession(changes: Record<string, string | undefined> = {}): Promise<Visit> {
    const { end_session_endpoint = '' } = suite.configuration.serverMetadata();
    const url = new URL(end_session_endpoint);
    const parameters = {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: SIGNED_OUT,
      state: 'a state',
      ...changes,
    };
    for (const [name, value] of Object.entries(parameters))
      if (value !== undefined) url.searchParams.set(name, value);
    return person.visit(url);
  }

  const confirm = (page: Visit) => person.submit(page, '/logout/confirm');

  async function isSignedIn(): Promise<boolean> {
    const { leftTo } = await person.visit((await suite.request({ prompt: 'none' })).url);
    if (leftTo?.searchParams.get('error') === 'login_required') return false;
    assert.ok(leftTo?.searchParams.has('code'), leftTo?.href);
    return true;
  }

  /** The person is shown a page that says that they are signed out, and it is true. */
  async function assertSignedOutHere(page: Visit): Promise<void> {
    const done = await confirm(page);
    assert.deepEqual([done.leftTo, done.response.status], [null, 200]);
    assert.match(done.html, /You are signed out/);
    assert.equal(await isSignedIn(), false);
  }

  /** The person is shown an error, is sent nowhere, and is signed in still. */
  async function assertRefused(page: Visit): Promise<void> {
    assert.deepEqual([page.leftTo, page.response.status], [null, 400]);
    assert.match(page.html, /invalid_(?:request|client)/);
    assert.doesNotMatch(page.html, /post_logout_redirect"/);
    assert.equal(await isSignedIn(), true);
  }

  test('oidcc-rp-initiated-logout-discovery-endpoint-verification', () => {
    const { end_session_endpoint = '' } = suite.configuration.serverMetadata();
    assert.equal(new URL(end_session_endpoint).origin, new URL(keyturn.issuer).origin);
  });

  test('oidcc-rp-initiated-logout', async () => {
    await begin();
    const { leftTo } = await confirm(await endSession());
    assert.equal(leftTo?.href, `${SIGNED_OUT}?state=a+state`);
    assert.equal(await isSignedIn(), false);
  });

  test('oidcc-rp-initiated-logout-no-state', async () => {
    await begin();
    const { leftTo } = await confirm(await endSession({ state: undefined }));
    assert.equal(leftTo?.href, SIGNED_OUT);
    assert.equal(await isSignedIn(), false);
  });

  test('oidcc-rp-initiated-logout-no-params', async () => {
    await begin();
    const none = { id_token_hint: undefined, post_logout_redirect_uri: undefined, state: undefined };
    await assertSignedOutHere(await endSession(none));
  });

  test('oidcc-rp-initiated-logout-only-state', async () => {
    await begin();
    await assertSignedOutHere(
      await endSession({ id_token_hint: undefined, post_logout_redirect_uri: undefined }),
    );
  });

  test('oidcc-rp-initiated-logout-no-post-logout-redirect-uri', async () => {
    await begin();
    await assertSignedOutHere(await endSession({ post_logout_redirect_uri: undefined }));
  });

  test('oidcc-rp-initiated-logout-no-id-token-hint', async () => {
    await begin();
    const page = await endSession({ id_token_hint: undefined });
    assert.match(page.html, /Sign out\?/, 'the person is asked');
    await assertSignedOutHere(page);
  });

  test('oidcc-rp-initiated-logout-bad-id-token-hint', async () => {
    await begin();
    const { privateKey } = await generateKeyPair('ES256');
    const { kid } = JSON.parse(Buffer.from(tokens.id_token?.split('.')[0] ?? '', 'base64url').toString());
    const forged = await new SignJWT({ ...tokens.claims() })
      .setProtectedHeader({ alg: 'ES256', kid })
      .sign(privateKey);
    await assertRefused(await endSession({ id_token_hint: forged }));
  });

  test('oidcc-rp-initiated-logout-modified-id-token-hint', async () => {
    await begin();
    const [, claims] = tokens.id_token?.split('.') ?? [];
    const none = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
    for (const hint of [`${none}.${claims}.`, `${none}.${claims}.AA`, `${tokens.id_token}A`, 'not a token'])
      await assertRefused(await endSession({ id_token_hint: hint }));
  });

  test('oidcc-rp-initiated-logout-bad-post-logout-redirect-uri', async () => {
    await begin();
    await assertRefused(
      await endSession({ post_logout_redirect_uri: 'https://suite.example.com/elsewhere' }),
    );
  });

  test('oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri', async () => {
    await begin();
    await assertRefused(await endSession({ post_logout_redirect_uri: `${SIGNED_OUT}?foo=bar` }));
  });

  test('oidcc-backchannel-logout-discovery-endpoint-verification', () => {
    const metadata = suite.configuration.serverMetadata();
    assert.equal(metadata.backchannel_logout_supported, true);
    assert.equal(metadata.backchannel_logout_session_supported, true);
  });

  test('oidcc-backchannel-rp-initiated-logout', async () => {
    await begin();
    const { leftTo } = await confirm(await endSession());
    assert.equal(leftTo?.href, `${SIGNED_OUT}?state=a+state`);
    const { sid, sub } = tokens.claims() ?? assert.fail();
    const { jwks_uri = '', issuer } = suite.configuration.serverMetadata();
    for (;;) {
      const call = await receiver.next();
      const token = new URLSearchParams(call.body).get('logout_token') ?? '';
      const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(jwks_uri)), { issuer });
      if (payload.sid !== sid) continue;
      assert.equal(payload.sub, sub);
      return;
    }
  });

  describe('beyond the modules', () => {
    test('an ID token that has expired is still a good hint (section 2)', async () => {
      await begin();
      mock.timers.enable({ apis: ['Date'], now: Date.now() + 3_600_000 });
      const { leftTo } = await confirm(await endSession());
      assert.equal(leftTo?.href, `${SIGNED_OUT}?state=a+state`);
    });

    test('an ID token of another client leads to none of the first one’s addresses (section 3)', async () => {
      await begin();
      const { id_token } = await other.signIn(person, ada);
      await assertRefused(await endSession({ id_token_hint: id_token }));
    });

    test('a client_id that is not the audience of the hint is refused (section 2)', async () => {
      await begin();
      const { client_id } = other.configuration.clientMetadata();
      await assertRefused(await endSession({ client_id }));
      const own = suite.configuration.clientMetadata().client_id;
      assert.match((await endSession({ client_id: own })).html, /Sign out\?/);
    });

    test('a client_id without a hint is asked about, and then led back to the client (section 2)', async () => {
      await begin();
      const { client_id } = suite.configuration.clientMetadata();
      const page = await endSession({ id_token_hint: undefined, client_id });
      assert.match(page.html, /Suite/);
      assert.equal((await confirm(page)).leftTo?.href, `${SIGNED_OUT}?state=a+state`);
    });

    test('an unknown client is refused', async () => {
      await begin();
      const { response, leftTo } = await endSession({ id_token_hint: undefined, client_id: 'unknown' });
      assert.deepEqual([response.status, leftTo], [400, null]);
    });

    test('an access token is no hint, though this server signed it', async () => {
      await begin();
      await assertRefused(await endSession({ id_token_hint: tokens.access_token }));
    });

    test('ui_locales chooses the language (section 2)', async () => {
      await begin();
      assert.match((await endSession({ ui_locales: 'xx de' })).html, /<html lang="de"/);
      assert.match((await endSession({ ui_locales: 'en' })).html, /<html lang="en"/);
    });

    test('a logout_hint is taken, and signs nobody else out', async () => {
      await begin();
      const page = await endSession({ logout_hint: 'grace@example.com' });
      assert.match(page.html, /ada/);
      assert.doesNotMatch(page.html, /grace/);
    });

    test('a request may come by POST (section 2)', async () => {
      await begin();
      const { end_session_endpoint = '' } = suite.configuration.serverMetadata();
      const body = new URLSearchParams({
        id_token_hint: tokens.id_token ?? '',
        post_logout_redirect_uri: SIGNED_OUT,
      });
      const page = await person.visit(end_session_endpoint, { method: 'POST', body });
      assert.equal((await confirm(page)).leftTo?.href, SIGNED_OUT);
    });

    test('a parameter that comes twice is refused', async () => {
      await begin();
      const { end_session_endpoint = '' } = suite.configuration.serverMetadata();
      const twice = `${end_session_endpoint}?state=a&state=b`;
      assert.equal((await person.visit(twice)).response.status, 400);
    });

    test('the hint of somebody who is not signed in here signs out nobody unasked (section 2)', async () => {
      await begin();
      const { password } = await keyturn.addAccount('grace');
      const graces = await suite.signIn(new Person(), { login: 'grace', password });
      const page = await endSession({ id_token_hint: graces.id_token });
      assert.match(page.html, /ada/, 'the person is told whom they would sign out');
      assert.equal(await isSignedIn(), true);
    });
  });
});
