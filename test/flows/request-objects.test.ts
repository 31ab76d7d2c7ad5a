import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { type JWTHeaderParameters, SignJWT, UnsecuredJWT } from 'jose';
import { ask, assertToldClient, assertToldPerson } from '#test/support/asking.ts';
import { CALLBACK, type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

type Added = Awaited<ReturnType<Keyturn['addClient']>>;

const HOUR_S = 3600;

describe('signed request objects (RFC 9101)', () => {
  let keyturn: Keyturn;
  let added: Added;
  let strictAdded: Added;
  let web: RelyingParty;
  let strict: RelyingParty;
  let stranger: RelyingParty;
  const ada = { login: 'ada', password: '' };
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' }] };

  before(async () => {
    keyturn = await startKeyturnHere();
    ada.password = (await keyturn.addAccount('ada')).password;
    added = await keyturn.addClient({ scope: 'openid profile', jwks });
    web = await RelyingParty.discover(keyturn, added);
    strictAdded = await keyturn.addClient({
      name: 'Strict',
      scope: 'openid',
      jwks,
      metadata: { require_signed_request_object: true, request_object_signing_alg: 'ES256' },
    });
    strict = await RelyingParty.discover(keyturn, strictAdded);
    stranger = await RelyingParty.discover(keyturn, await keyturn.addClient({ name: 'Stranger', jwks }));
  });
  after(() => stopFaultless(keyturn));

  const idOf = (party: RelyingParty) => party.configuration.clientMetadata().client_id;
  const now = () => Math.floor(Date.now() / 1000);

  /** A right request object of a client, with some claims or the header changed. */
  async function objectOf(
    party: RelyingParty,
    parameters: Record<string, unknown>,
    { header = {}, key = privateKey }: { header?: Partial<JWTHeaderParameters>; key?: KeyObject } = {},
  ): Promise<string> {
    const claims = {
      iss: idOf(party),
      aud: keyturn.issuer,
      nbf: now(),
      exp: now() + 300,
      client_id: idOf(party),
      ...parameters,
    };
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: 'oauth-authz-req+jwt', ...header })
      .sign(key);
  }

  async function signedRequest(party: RelyingParty, changes: Record<string, unknown> = {}) {
    const { url, checks } = await party.request();
    const parameters = Object.fromEntries(url.searchParams);
    const request = await objectOf(party, { ...parameters, ...changes });
    const sent = new URL(`${keyturn.issuer}/authorize`);
    sent.search = new URLSearchParams({ client_id: idOf(party), request }).toString();
    return { url: sent, checks, parameters, request };
  }

  /** The state stands in the object and beside it, so that it can be told from which one an answer took it. */
  const assertRefused = (
    party: RelyingParty,
    { state }: Record<string, string>,
    request: string,
    error = 'invalid_request_object',
  ) => assertToldClient(party, { request, state }, error);

  test('all of a request may stand in it, and the person signs in as ever (section 5)', async () => {
    for (const party of [web, strict]) {
      const { url, checks } = await signedRequest(party);
      const tokens = await party.redeem(await new Person().authorize(url, ada), checks);
      assert.ok(tokens.access_token);
    }
  });

  test('what stands in it counts, and what stands beside it does not (section 6.3)', async () => {
    const { url } = await signedRequest(web);
    url.searchParams.set('redirect_uri', 'https://evil.example/');
    url.searchParams.set('state', 'evil');
    url.searchParams.set('scope', 'openid profile');
    url.searchParams.set('prompt', 'none');
    const callback = await new Person().authorize(url, ada);
    assert.equal(`${callback.origin}${callback.pathname}`, CALLBACK);
    assert.notEqual(callback.searchParams.get('state'), 'evil');
    const { html } = await new Person()
      .submit(await new Person().visit(url), '/sign-in')
      .catch(() => ({ html: '' }));
    assert.doesNotMatch(html, /See your profile/);
  });

  test('it may be pushed, and posted to the authorization endpoint (RFC 9126 section 3)', async () => {
    const { request, checks } = await signedRequest(strict);
    const answer = await fetch(`${keyturn.issuer}/par`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`${strictAdded.client.clientId}:${strictAdded.secret}`).toString('base64')}`,
      },
      body: new URLSearchParams({ request }),
    });
    assert.equal(answer.status, 201);
    const { request_uri, expires_in } = (await answer.json()) as { request_uri: string; expires_in: number };
    assert.ok([59, 60].includes(Number(expires_in)), String(expires_in));
    const url = new URL(`${keyturn.issuer}/authorize`);
    url.search = new URLSearchParams({ client_id: idOf(strict), request_uri }).toString();
    assert.ok((await strict.redeem(await new Person().authorize(url, ada), checks)).access_token);

    const posted = await signedRequest(web);
    const page = await new Person().visit(`${keyturn.issuer}/authorize`, {
      method: 'POST',
      body: posted.url.searchParams,
    });
    assert.match(page.html, /\/sign-in"/);
  });

  test('a signature that is not of a key of the client is refused (section 6.2)', async () => {
    const { parameters } = await signedRequest(web);
    const good = await objectOf(web, parameters);
    for (const request of [
      await objectOf(web, parameters, { key: other.privateKey }),
      await objectOf(web, parameters, { header: { kid: 'k2' } }),
      `${good.slice(0, -6)}AAAAAA`,
      `${good.split('.', 2).join('.')}.`,
      new UnsecuredJWT(parameters).setIssuer(idOf(web)).setAudience(keyturn.issuer).encode(),
      'a.b.c',
      'nonsense',
      'e30.e30.e30',
      'a.b.c.d.e',
    ])
      await assertRefused(web, parameters, request);
  });

  test('a symmetric signature with the public key or with nothing is refused (RFC 8725 section 3.1)', async () => {
    const { parameters } = await signedRequest(web);
    for (const secret of [JSON.stringify(jwks.keys[0]), 'x'.repeat(32)]) {
      const request = await new SignJWT(parameters)
        .setProtectedHeader({ alg: 'HS256' })
        .setIssuer(idOf(web))
        .setAudience(keyturn.issuer)
        .sign(Buffer.from(secret));
      await assertRefused(web, parameters, request);
    }
  });

  test('it is of this client, for this server, and for now (sections 4 and 10.2)', async () => {
    const { parameters } = await signedRequest(web);
    for (const [claims, error] of [
      [{ iss: 'another' }, 'invalid_request_object'],
      [{ iss: undefined }, 'invalid_request_object'],
      [{ aud: 'https://another.example' }, 'invalid_request_object'],
      [{ aud: undefined }, 'invalid_request_object'],
      [{ aud: [] }, 'invalid_request_object'],
      [{ exp: now() - 60 }, 'invalid_request_object'],
      [{ exp: 'tomorrow' }, 'invalid_request_object'],
      [{ nbf: now() + 120 }, 'invalid_request_object'],
      [{ client_id: idOf(stranger) }, 'invalid_request_object'],
      [{ sub: idOf(web) }, 'invalid_request_object'],
      [{ request: 'e30.e30.' }, 'invalid_request_object'],
      [{ request_uri: 'https://evil.example/' }, 'invalid_request_object'],
    ] as const) {
      const request = await objectOf(web, { ...parameters, ...claims });
      await assertRefused(web, parameters, request, error);
    }
    await assertRefused(stranger, parameters, await objectOf(web, parameters));
    const anonymous = await objectOf(web, { ...parameters, client_id: undefined });
    await assertToldPerson(web, { request: anonymous });
  });

  test('another kind of JWT is no request object (section 10.8)', async () => {
    const { parameters } = await signedRequest(web);
    for (const typ of ['at+jwt', 'dpop+jwt', 'client-authentication+jwt', 'application/at+jwt', '']) {
      const request = await objectOf(web, parameters, { header: { typ } });
      await assertRefused(web, parameters, request);
    }
    for (const typ of ['JWT', 'application/oauth-authz-req+jwt']) {
      const { html } = await ask(web, { request: await objectOf(web, parameters, { header: { typ } }) });
      assert.match(html, /\/sign-in"/, typ);
    }
  });

  test('a client that has to sign is heard in no other way (section 10.5)', async () => {
    await assertToldClient(strict, {}, 'invalid_request');
    const { parameters } = await signedRequest(strict);
    const unsigned = new UnsecuredJWT({ ...parameters, nbf: now(), exp: now() + 60 })
      .setIssuer(idOf(strict))
      .setAudience(keyturn.issuer)
      .encode();
    await assertRefused(strict, parameters, unsigned);
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const request = await objectOf(strict, parameters, { header: { alg: 'RS256' }, key: rsa.privateKey });
    await assertRefused(strict, parameters, request);
  });

  test('a client that has to sign does so for an hour at most (FAPI 2.0 Message Signing section 5.3.1)', async () => {
    const { parameters } = await signedRequest(strict);
    for (const claims of [
      { nbf: undefined },
      { exp: undefined },
      { nbf: now() - HOUR_S - 60 },
      { nbf: now(), exp: now() + HOUR_S + 60 },
    ]) {
      const request = await objectOf(strict, { ...parameters, ...claims });
      await assertRefused(strict, parameters, request);
    }
    const last = await objectOf(strict, { ...parameters, nbf: now() - 60, exp: now() + HOUR_S - 60 });
    const { html } = await ask(strict, { request: last });
    assert.match(html, /\/sign-in"/);
  });

  test('whatever the object asks for is looked at as any request is', async () => {
    const { parameters } = await signedRequest(web);
    for (const [change, error] of [
      [{ scope: 'openid admin' }, 'invalid_scope'],
      [{ code_challenge: undefined, code_challenge_method: undefined }, 'invalid_request'],
      [{ response_mode: 'nonsense' }, 'unsupported_response_mode'],
      [{ resource: 'https://nobody.example' }, 'invalid_target'],
      [{ max_age: -1 }, 'invalid_request'],
      [{ claims: [] }, 'invalid_request'],
    ] as const) {
      const request = await objectOf(web, { ...parameters, ...change });
      await assertRefused(web, parameters, request, error);
    }
    const request = await objectOf(web, { ...parameters, redirect_uri: 'https://evil.example/' });
    await assertToldPerson(web, { request, redirect_uri: undefined });
  });

  test('numbers and objects in it are parameters as well (OpenID Connect Core section 6.1)', async () => {
    const { url, checks } = await signedRequest(web, {
      max_age: 600,
      claims: { id_token: { preferred_username: null } },
    });
    const tokens = await web.redeem(await new Person().authorize(url, ada), checks);
    assert.equal(tokens.claims()?.preferred_username, 'ada');
    assert.equal(typeof tokens.claims()?.auth_time, 'number');
  });

  test('a request and a reference to one do not go together (RFC 9101 section 5)', async () => {
    const { request } = await signedRequest(web);
    await assertToldClient(
      web,
      { request, request_uri: 'urn:ietf:params:oauth:request_uri:x' },
      'invalid_request',
    );
  });

  test('the server may ask every client to sign, and says so (section 10.5)', async () => {
    await using all = await startKeyturnHere({ KEYTURN_REQUESTS_SIGNED_REQUIRED: 'true' });
    const party = await RelyingParty.discover(all, await all.addClient({ scope: 'openid', jwks }));
    await assertToldClient(party, {}, 'invalid_request');
    const document = await fetch(`${all.issuer}/.well-known/openid-configuration`);
    assert.equal(((await document.json()) as Record<string, unknown>).require_signed_request_object, true);
  });

  test('the metadata says what is supported, and that references are not (section 10.5; Discovery section 3)', async () => {
    const document = await fetch(`${keyturn.issuer}/.well-known/openid-configuration`);
    const metadata = (await document.json()) as Record<string, unknown>;
    assert.equal(metadata.request_parameter_supported, true);
    assert.equal(metadata.request_uri_parameter_supported, false);
    assert.equal(metadata.require_signed_request_object, undefined);
    const algorithms = metadata.request_object_signing_alg_values_supported as string[];
    assert.ok(algorithms.includes('ES256') && algorithms.includes('PS256') && !algorithms.includes('none'));
  });

  test('a pushed object is refused at once where it would be refused later (RFC 9126 section 3)', async () => {
    const { parameters } = await signedRequest(strict);
    const push = (fields: Record<string, string>) =>
      fetch(`${keyturn.issuer}/par`, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`${strictAdded.client.clientId}:${strictAdded.secret}`).toString('base64')}`,
        },
        body: new URLSearchParams(fields),
      });
    const forged = await objectOf(strict, parameters, { key: other.privateKey });
    assert.equal((await refusalOf(await push({ request: forged }))).error, 'invalid_request_object');
    assert.equal((await refusalOf(await push(parameters))).error, 'invalid_request');
    const ofAnother = await objectOf(strict, { ...parameters, client_id: idOf(web) });
    assert.equal((await refusalOf(await push({ request: ofAnother }))).error, 'invalid_request_object');
  });
});
