import assert from 'node:assert/strict';
import { generateKeyPairSync, type JsonWebKey } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify, SignJWT } from 'jose';
import { systemRandom } from '#src/random.ts';
import { generateKey } from '#src/signing/algorithm.ts';
import { hours, seconds } from '#src/units.ts';
import { type Keyturn, startKeyturnHere } from '#test/support/keyturn.ts';
import { RelyingParty } from '#test/support/relying-party.ts';

let keyturn: Keyturn;
let api: RelyingParty;

before(async () => {
  keyturn = await startKeyturnHere();
  const { resourceServer, secret } = await keyturn.addResourceServer();
  const client = { clientId: resourceServer.clientId, authenticationMethod: 'client_secret_basic' } as const;
  api = await RelyingParty.discover(keyturn, { client, secret });
});
after(() => keyturn[Symbol.asyncDispose]());

const former = generateKeyPairSync('rsa', { modulusLength: 2048 });
const KID = 'of-the-former-server';
const published = (jwk: JsonWebKey = former.publicKey.export({ format: 'jwk' }), kid = KID): object => ({
  ...jwk,
  kid,
  alg: 'RS256',
  use: 'sig',
});

const tokenOfFormer = () =>
  new SignJWT({ scope: 'read', client_id: 'somebody' })
    .setProtectedHeader({ alg: 'RS256', kid: KID, typ: 'at+jwt' })
    .setIssuer(keyturn.issuer)
    .setSubject('somebody')
    .setAudience('https://api.example.com')
    .setJti('1')
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(former.privateKey);

async function fetched(): Promise<JSONWebKeySet & { etag: string }> {
  const response = await fetch(`${keyturn.issuer}/jwks`);
  return { ...((await response.json()) as JSONWebKeySet), etag: response.headers.get('etag') ?? '' };
}

const has = async (kid: string) => (await fetched()).keys.some((key) => key.kid === kid);

/** A server looks every second for what another process has changed. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await setTimeout(50);
}

const HOUR = hours(1);

describe('the keys of the server that was here before', () => {
  test('verify what it signed, for those who only verify signatures (RFC 7517 section 5)', async () => {
    const { etag } = await fetched();
    const encryption = { ...published(), kid: 'for-encryption', use: 'enc', alg: 'RSA-OAEP' };
    const { formerKeys } = keyturn.services;
    const outcome = await formerKeys.add({ keys: [published(), encryption] }, HOUR);
    assert.deepEqual(
      outcome.added.map(({ jwk }) => jwk.kid),
      [KID],
    );
    assert.deepEqual(outcome.passedOver, [{ kid: 'for-encryption', why: 'it is not for signatures' }]);
    await until(() => has(KID));
    const jwks = await fetched();
    assert.notEqual(jwks.etag, etag);
    assert.deepEqual(
      jwks.keys.find(({ kid }) => kid === KID),
      published(),
    );
    await jwtVerify(await tokenOfFormer(), createLocalJWKSet(jwks), { issuer: keyturn.issuer });
  });

  test('sign nothing that counts here: introspection and userinfo do not take it', async () => {
    const token = await tokenOfFormer();
    assert.deepEqual(await api.introspect(token), { active: false });
    const userinfo = await fetch(`${keyturn.issuer}/userinfo`, {
      headers: { authorization: `Bearer ${token}` },
    });
    assert.equal(userinfo.status, 401);
  });

  test('are published after a restart, too, until their time is over or they are removed', async () => {
    await keyturn.restart();
    assert.ok(await has(KID));
    const { formerKeys } = keyturn.services;
    await formerKeys.add(published(undefined, 'brief'), seconds(2));
    await until(() => has('brief'));
    await until(async () => !(await has('brief')));
    assert.ok(await has(KID));
    assert.equal(await formerKeys.remove(KID), true);
    assert.equal(await formerKeys.remove(KID), false);
    await until(async () => !(await has(KID)));
  });

  test('are never taken for one of the keys that sign here, and give way to them', async () => {
    const { formerKeys, rotation } = keyturn.services;
    const own = (await fetched()).keys.find(({ alg }) => alg === 'ES256');
    const again = await formerKeys.add({ keys: [own] }, HOUR);
    assert.deepEqual(again.passedOver, [{ kid: own?.kid, why: 'it is one of the keys of this server' }]);
    const posing = published(undefined, own?.kid);
    await assert.rejects(formerKeys.add(posing, HOUR), { code: 'former_key_unfit' });
    const key = await generateKey('ES256', systemRandom);
    const { d: _, ...publicPart } = key.jwk;
    await formerKeys.add({ ...publicPart, kid: 'moved' }, HOUR);
    await until(() => has('moved'));
    await rotation.import({ ...key, kid: 'moved' });
    const shown = (await fetched()).keys.filter(({ kid }) => kid === 'moved');
    assert.deepEqual(
      shown.map(({ alg }) => alg),
      ['ES256'],
    );
  });

  test('are refused all together if one of them could not be published', async () => {
    const { formerKeys } = keyturn.services;
    const before = await formerKeys.list();
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
    const good = published(undefined, 'good');
    for (const [document, code] of [
      [{ keys: [good, former.privateKey.export({ format: 'jwk' })] }, 'former_key_unfit'],
      [
        { keys: [good, { ...former.privateKey.export({ format: 'jwk' }), kid: 'private' }] },
        'former_key_unfit',
      ],
      [{ keys: [good, { kty: 'oct', k: 'AAAA', kid: 'symmetric' }] }, 'former_key_unfit'],
      [{ keys: [good, { kty: 'RSA', kid: 'empty' }] }, 'former_key_unfit'],
      [{ keys: [good, published(short, 'short')] }, 'key_unsuitable'],
      [{ keys: [good, { ...published(), kid: 'a b' }] }, 'former_key_unfit'],
      [
        { keys: Array.from({ length: 21 }, (_, index) => published(undefined, `k${index}`)) },
        'former_key_unfit',
      ],
      [{ keys: [] }, 'former_key_unfit'],
      [{ some: 'thing' }, 'former_key_unfit'],
      [null, 'former_key_unfit'],
    ] as const) {
      await assert.rejects(formerKeys.add(document, HOUR), { code }, JSON.stringify(document));
    }
    assert.deepEqual(await formerKeys.list(), before);
  });
});
