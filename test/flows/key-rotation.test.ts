import assert from 'node:assert/strict';
import { after, afterEach, before, describe, mock, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import * as oauth from 'openid-client';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { later } from '#test/support/later.ts';
import { Person } from '#test/support/person.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

const HOUR = 3600;
/** jwksMaxAge, ringPoll and clockSkewMax by default, in seconds. */
const SETTLING = 600 + 1 + 30;
const API = 'https://api.example.com';

/** An API that keeps the JWKS for its whole max-age and never asks in between, which is the least that one may do. */
class PatientApi {
  readonly #issuer: string;
  #keys: ReturnType<typeof createLocalJWKSet> | undefined;
  #freshUntil = 0;

  constructor(issuer: string) {
    this.#issuer = issuer;
  }

  async verify(token: string): Promise<void> {
    const now = Date.now() / 1000;
    if (this.#keys === undefined || now >= this.#freshUntil) {
      const response = await fetch(`${this.#issuer}/jwks`);
      const maxAge = /max-age=(\d+)/.exec(response.headers.get('cache-control') ?? '')?.[1];
      this.#freshUntil = now + Number(maxAge);
      this.#keys = createLocalJWKSet((await response.json()) as JSONWebKeySet);
    }
    await jwtVerify(token, this.#keys, { issuer: this.#issuer, currentDate: new Date() });
  }
}

describe('key rotation that nobody notices', () => {
  let keyturn: Keyturn;
  let service: RelyingParty;
  let web: RelyingParty;
  let api: RelyingParty;
  const ada = { login: 'ada', password: '' };

  before(async () => {
    keyturn = await startKeyturnHere({
      KEYTURN_KEYS_ROTATE_EVERY: '1h',
      KEYTURN_LIFETIMES_ACCESS_TOKEN_MAX: '5m',
    });
    const { resourceServer, secret } = await keyturn.addResourceServer();
    api = await RelyingParty.discover(keyturn, {
      client: { clientId: resourceServer.clientId, authenticationMethod: 'client_secret_basic' },
      secret,
    });
    const scope = 'read write';
    service = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ grantTypes: ['client_credentials'], redirectUris: [], scope }),
    );
    ada.password = (await keyturn.addAccount('ada')).password;
    web = await RelyingParty.discover(
      keyturn,
      await keyturn.addClient({ scope: 'openid offline_access', idTokenSignedResponseAlg: 'RS256' }),
      { id_token_signed_response_alg: 'RS256' },
    );
  });
  after(() => keyturn[Symbol.asyncDispose]());
  afterEach(() => mock.timers.reset());

  const accessToken = async () =>
    (await oauth.clientCredentialsGrant(service.configuration, { scope: 'read', resource: API }))
      .access_token;
  const kidOf = (token: string) => decodeProtectedHeader(token).kid as string;
  const publishedKids = async () => {
    const { keys } = (await (await fetch(`${keyturn.issuer}/jwks`)).json()) as { keys: { kid: string }[] };
    return keys.map(({ kid }) => kid);
  };

  test('an API with a cached JWKS verifies every token across stage, promote, retire and remove', async () => {
    const patient = [0, 1, 2].map(() => new PatientApi(keyturn.issuer));
    const signedBy = new Set<string>();
    const everPublished = new Set<string>();
    let alive: { token: string; until: number }[] = [];
    for (let elapsed = 0; elapsed < 5 * HOUR; elapsed += 97) {
      later(97);
      await keyturn.services.rotation.maintain();
      const token = await accessToken();
      signedBy.add(kidOf(token));
      for (const kid of await publishedKids()) everPublished.add(kid);
      alive = [...alive.filter(({ until }) => until > Date.now()), { token, until: Date.now() + 299_000 }];
      for (const [index, each] of patient.entries()) {
        // They begin at different times, so that whenever a key changes their sets are of different ages.
        if (elapsed < index * 200) continue;
        for (const { token } of alive) await each.verify(token);
      }
    }
    assert.ok(signedBy.size >= 5, 'rotated every hour');
    const published = await publishedKids();
    assert.ok(everPublished.size > published.length, 'keys whose last token has expired were removed');
  });

  test('tokens issued in the very moment of a rotation verify, twenty rotations long', async () => {
    let { refresh_token: refreshToken = '' } = await web.signIn(new Person(), ada, { scope: 'openid' });
    for (let round = 0; round < 20; round += 1) {
      // As long as a key must have been published before it may sign.
      later(SETTLING);
      const rotation = keyturn.services.rotation.rotate();
      const batch = Promise.all(Array.from({ length: 10 }, accessToken));
      // openid-client checks the signature of the ID token, whichever key it is by.
      const [tokens, refreshed] = await Promise.all([batch, web.refresh(refreshToken), rotation]);
      refreshToken = refreshed.refresh_token ?? '';
      assert.ok(refreshed.id_token);
      const patient = new PatientApi(keyturn.issuer);
      for (const token of tokens) await patient.verify(token);
    }
  });

  test('an ID token signed by a retired key is still a good hint for signing out', async () => {
    const person = new Person();
    const tokens = await web.signIn(person, ada, { scope: 'openid' });
    await keyturn.services.rotation.rotate({ alg: 'RS256' });
    const page = await person.visit(`${keyturn.issuer}/logout?id_token_hint=${tokens.id_token}`);
    assert.equal(page.response.status, 200);
  });

  test('a revoked key leaves the JWKS, its tokens are inactive at once, and the standby signs', async () => {
    const token = await accessToken();
    assert.equal((await api.introspect(token)).active, true);
    const outcome = await keyturn.services.rotation.revoke(kidOf(token), 'stolen');
    assert.equal(outcome.outcome, 'revoked');
    assert.deepEqual(await api.introspect(token), { active: false });
    assert.ok(!(await publishedKids()).includes(kidOf(token)));
    const next = await accessToken();
    assert.notEqual(kidOf(next), kidOf(token));
    assert.ok((await publishedKids()).includes(kidOf(next)));
    assert.equal((await api.introspect(next)).active, true);
  });
});

test('a server tells the others that it has turned to other keys, long before its next beat', {
  timeout: 50_000,
}, async () => {
  await using keyturn = await startKeyturnHere({ KEYTURN_NODES_HEARTBEAT: '1m' });
  const { fleet, rotation } = keyturn.services;
  await rotation.rotate();
  while ((await fleet.living())[0]?.ring !== rotation.held.version) await pause(20);
});
