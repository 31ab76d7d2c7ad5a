import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import { protocolAdapter } from '#src/oidc/protocol-adapter.ts';
import { type Authorization, Authorizations } from '#src/tokens/authorization.ts';
import { days, epochSeconds, minutes, seconds } from '#src/units.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

async function openAdapters() {
  const store = await openTemporaryStore();
  const { records, clock } = store;
  const refresh = { idle: days(14), absolute: days(90), grace: seconds(10) };
  const authorizations = new Authorizations({
    records,
    clock,
    lifetimes: { refresh, longestToken: minutes(60) },
  });
  const adapter = protocolAdapter({
    records,
    clock,
    authorizations,
    lifetimes: { interaction: minutes(30) },
  });
  return { adapter, authorizations, clock, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

const authorization: Authorization = {
  subject: 'ada',
  clientId: 'web',
  signedInAt: epochSeconds(1_784_024_130),
  grant: { jti: 'grant', openid: { scope: 'openid' } },
  family: null,
  sessionUid: null,
};

/** What the library keeps of a model; fields that its types do not know stay as well. */
const payload = (more: AdapterPayload = {}): AdapterPayload => ({
  kind: 'Model',
  jti: 'id',
  'x-unknown': ['ü'],
  ...more,
});

/** Every model of the library that is stored by us, an unknown one among them. */
const MODELS = [
  'AccessToken',
  'AuthorizationCode',
  'ClientCredentials',
  'Interaction',
  'PushedAuthorizationRequest',
  'Session',
  'SomethingOfTomorrow',
];

describe('a stored model of the library', () => {
  test('comes back as it was until its last second, and never after', async () => {
    await using store = await openAdapters();
    for (const model of MODELS.filter((each) => each !== 'PushedAuthorizationRequest')) {
      const adapter = store.adapter(model);
      await adapter.upsert('id', payload(), 60);
      store.clock.move(seconds(59));
      assert.deepEqual(await adapter.find('id'), payload(), model);
      store.clock.move(seconds(1));
      assert.equal(await adapter.find('id'), undefined, model);
    }
  });

  test('is known as used for as long as an interaction may still use it, if it was pushed (RFC 9126 section 4)', async () => {
    await using store = await openAdapters();
    const adapter = store.adapter('PushedAuthorizationRequest');
    await adapter.upsert('id', payload(), 60);
    await adapter.consume('id');
    store.clock.move(seconds(60 + minutes(30) - 1));
    await assert.rejects(adapter.consume('id'), { error: 'invalid_grant' });
    store.clock.move(seconds(1));
    assert.equal(await adapter.find('id'), undefined);
  });

  test('without a lifetime stays until it is destroyed', async () => {
    await using store = await openAdapters();
    const adapter = store.adapter('Session');
    await adapter.upsert('id', payload(), undefined as never);
    store.clock.move(days(3650));
    assert.deepEqual(await adapter.find('id'), payload());
    await adapter.destroy('id');
    assert.equal(await adapter.find('id'), undefined);
    await adapter.destroy('id');
  });

  test('is replaced whole', async () => {
    await using store = await openAdapters();
    const adapter = store.adapter('Interaction');
    await adapter.upsert('id', payload({ uid: 'uid', params: { state: 'a' } }), 60);
    await adapter.upsert('id', payload({ uid: 'other' }), 120);
    assert.deepEqual(await adapter.find('id'), payload({ uid: 'other' }));
    assert.equal(await adapter.findByUid('uid'), undefined);
    store.clock.move(seconds(119));
    assert.notEqual(await adapter.findByUid('other'), undefined);
  });

  test('never meets one of another model under the same identifier', async () => {
    await using store = await openAdapters();
    await Promise.all(MODELS.map((model) => store.adapter(model).upsert('id', payload({ kind: model }), 60)));
    for (const model of MODELS) assert.equal((await store.adapter(model).find('id'))?.kind, model);
    for (const model of MODELS) {
      await store.adapter(model).destroy('id');
      assert.equal(await store.adapter(model).find('id'), undefined);
    }
    assert.equal(await store.adapter('Session').find('SomethingOfTomorrow:id'), undefined);
  });

  test('is found by its uid while it is there', async () => {
    await using store = await openAdapters();
    const adapter = store.adapter('Session');
    await adapter.upsert('id', payload({ uid: 'uid' }), 60);
    assert.deepEqual(await adapter.findByUid('uid'), payload({ uid: 'uid' }));
    assert.equal(await adapter.findByUid('code'), undefined);
    assert.equal(await store.adapter('Interaction').findByUid('uid'), undefined);
    await adapter.destroy('id');
    assert.equal(await adapter.findByUid('uid'), undefined);
  });
});

const refused = (error: unknown) => error instanceof errors.InvalidGrant;

describe('consuming a code (RFC 6749 section 4.1.2)', () => {
  test('fifty times at once succeeds once, and for the others the grant is refused', async () => {
    await using store = await openAdapters();
    const [one, other] = [store.adapter('AuthorizationCode'), store.adapter('AuthorizationCode')];
    await one.upsert('id', payload(), 60);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 50 }, (_, index) => (index % 2 ? one : other).consume('id')),
    );
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    assert.ok(outcomes.every((outcome) => outcome.status === 'fulfilled' || refused(outcome.reason)));
  });

  test('leaves it to be found as consumed, since when', async () => {
    await using store = await openAdapters();
    const adapter = store.adapter('AuthorizationCode');
    await adapter.upsert('id', payload(), 60);
    store.clock.move(seconds(5));
    await adapter.consume('id');
    assert.deepEqual(await adapter.find('id'), { ...payload(), consumed: store.clock.now() });
  });

  test('that was never there, or has expired, is refused', async () => {
    await using store = await openAdapters();
    const adapter = store.adapter('AuthorizationCode');
    await assert.rejects(adapter.consume('id'), refused);
    await adapter.upsert('id', payload(), 60);
    store.clock.move(seconds(60));
    await assert.rejects(adapter.consume('id'), refused);
  });
});

describe('the end of an authorization', () => {
  const endings: readonly (readonly [how: string, end: (grants: Adapter) => Promise<unknown>])[] = [
    ['as the grant that the library destroys', (grants) => grants.destroy('grant') as Promise<void>],
    ['as the grant that the library revokes', (grants) => grants.revokeByGrantId('grant') as Promise<void>],
  ];
  for (const [how, end] of endings) {
    test(`${how} takes along what was stored under it, and nothing else`, async () => {
      await using store = await openAdapters();
      const { adapter, authorizations } = store;
      await authorizations.open('grant', authorization);
      const [codes, tokens] = [adapter('AuthorizationCode'), adapter('AccessToken')];
      await codes.upsert('code', payload({ grantId: 'grant' }), 60);
      await tokens.upsert('token', payload({ grantId: 'grant' }), 60);
      await tokens.upsert('stranger', payload({ grantId: 'another' }), 60);
      assert.deepEqual(await adapter('Grant').find('grant'), authorization.grant);
      await end(adapter('Grant'));
      assert.equal(await adapter('Grant').find('grant'), undefined);
      assert.equal(await codes.find('code'), undefined);
      assert.equal(await tokens.find('token'), undefined);
      assert.notEqual(await tokens.find('stranger'), undefined);
    });
  }

  test('leaves an interaction alone, whose grant no code has opened', async () => {
    await using store = await openAdapters();
    const interactions = store.adapter('Interaction');
    await interactions.upsert('id', payload({ grantId: 'grant' }), 60);
    await store.authorizations.end('grant');
    assert.notEqual(await interactions.find('id'), undefined);
    await interactions.upsert('id', payload({ grantId: 'grant' }), 60);
  });

  test('refuses what would be stored under it afterwards', async () => {
    await using store = await openAdapters();
    await store.authorizations.open('grant', authorization);
    await store.authorizations.end('grant');
    const tokens = store.adapter('AccessToken');
    await assert.rejects(async () => tokens.upsert('token', payload({ grantId: 'grant' }), 60), refused);
    assert.equal(await tokens.find('token'), undefined);
  });

  test('leaves nothing to be found of what is stored in the same moment', async () => {
    await using store = await openAdapters();
    await store.authorizations.open('grant', authorization);
    const tokens = store.adapter('AccessToken');
    const ids = Array.from({ length: 60 }, (_, index) => `token-${index}`);
    const upsert = async (id: string) => tokens.upsert(id, payload({ grantId: 'grant' }), 60);
    const before = ids.slice(0, 30).map(upsert);
    const ended = store.authorizations.end('grant');
    const after = ids.slice(30).map(upsert);
    const outcomes = await Promise.allSettled([...before, ...after]);
    await ended;
    for (const id of ids) assert.equal(await tokens.find(id), undefined);
    for (const outcome of outcomes) assert.ok(outcome.status === 'fulfilled' || refused(outcome.reason));
  });

  test('is not for the library to undo: it opens no grant by itself', async () => {
    await using store = await openAdapters();
    const grants = store.adapter('Grant');
    for (const call of [
      () => grants.upsert('grant', payload(), 60),
      () => grants.consume('grant'),
      () => grants.findByUid('uid'),
      () => grants.findByUserCode('code'),
    ]) {
      await assert.rejects(async () => call(), /opened by the code/);
    }
    assert.equal(await grants.find('grant'), undefined);
  });
});

describe('a session that has changed its identifier', () => {
  test('stays the one that its uid leads to, when a request that began before saves it under the old one', async () => {
    await using store = await openAdapters();
    const sessions = store.adapter('Session');
    await sessions.upsert('old', payload({ jti: 'old', uid: 'uid' }), 60);
    await sessions.destroy('old');
    await sessions.upsert('new', payload({ jti: 'new', uid: 'uid' }), 60);
    await sessions.upsert('old', payload({ jti: 'old', uid: 'uid' }), 60);
    assert.equal((await sessions.findByUid('uid'))?.jti, 'new');
    assert.equal((await sessions.find('new'))?.jti, 'new');
  });

  test('is the only model whose uid may be taken: elsewhere it is a fault', async () => {
    await using store = await openAdapters();
    const interactions = store.adapter('Interaction');
    await interactions.upsert('one', payload({ uid: 'uid' }), 60);
    await assert.rejects(
      async () => interactions.upsert('other', payload({ uid: 'uid' }), 60),
      /alias-taken/,
    );
    assert.equal(await interactions.find('other'), undefined);
  });
});

describe('a session that its person has signed out of', () => {
  test('stays gone when requests that began before save it, under its identifier or a new one', async () => {
    await using store = await openAdapters();
    const sessions = store.adapter('Session');
    const session = payload({ jti: 'id', uid: 'uid', accountId: 'ada' });
    await sessions.upsert('id', session, 60);
    await sessions.upsert('other', payload({ jti: 'other', uid: 'another', accountId: 'ada' }), 60);
    await store.authorizations.endWithSession('uid');
    assert.equal(await sessions.find('id'), undefined);
    await Promise.all([
      sessions.upsert('id', session, 60),
      sessions.upsert('new', { ...session, jti: 'new' }, 60),
    ]);
    assert.equal(await sessions.find('id'), undefined);
    assert.equal(await sessions.find('new'), undefined);
    assert.equal(await sessions.findByUid('uid'), undefined);
    assert.equal((await sessions.find('other'))?.accountId, 'ada');
  });
});
