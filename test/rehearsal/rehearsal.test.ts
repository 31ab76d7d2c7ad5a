import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { JwksReaders } from '#src/jwks-readers/jwks-readers.ts';
import { systemRandom } from '#src/random.ts';
import { CanaryMint } from '#src/rehearsal/canary-mint.ts';
import { type Progress, Rehearsal, type RehearsalPolicy } from '#src/rehearsal/rehearsal.ts';
import { type Answer, judge } from '#src/rehearsal/trial.ts';
import { ownKeys } from '#src/signing/algorithm.ts';
import { parseJwt, verifyJwt } from '#src/signing/jws.ts';
import { KeyHolder } from '#src/signing/key-holder.ts';
import { publishedKeys, stateOf } from '#src/signing/key-ring.ts';
import { signerOf } from '#src/signing/key-view.ts';
import { KeyRotation } from '#src/signing/rotation.ts';
import { hours, minutes, type Seconds, seconds } from '#src/units.ts';
import { resourcesOn } from '#test/resources/resources-on.ts';
import { POLICY as RING_POLICY } from '#test/signing/policy.ts';
import { openTemporaryStore } from '#test/support/temporary-store.ts';

const ISSUER = 'https://id.example.com';
const POLICY: RehearsalPolicy = {
  patience: minutes(10),
  retryEvery: seconds(15),
  parallel: 2,
  servedWithin: seconds(10),
  writtenWithin: seconds(6),
};

const OK: Answer = { outcome: 'answered', status: 200, ms: 1 };
const NO: Answer = { outcome: 'answered', status: 401, ms: 1 };

type Called = { readonly kid: string; readonly genuine: boolean; readonly at: number };

/** How a resource server answers a token: by its key, by whether the signature is genuine, and when. */
type Behaviour = (called: Called & { readonly rehearsed: boolean }) => Answer;

async function openStage(over: Partial<RehearsalPolicy> = {}) {
  await using opened = new AsyncDisposableStack();
  const store = opened.use(await openTemporaryStore());
  const { clock, records } = store;
  const random = systemRandom;
  const { resources } = resourcesOn(store, ISSUER, 'ES256', 'RS256');
  const readers = new JwksReaders({ records, clock, kept: hours(100), othersMax: 1 });
  const source = ownKeys(random);
  const rotation = await KeyRotation.open({
    records,
    clock,
    source,
    policy: RING_POLICY,
    historyKept: hours(1),
  });
  const holder = new KeyHolder({ rotation, clock, onFault: (fault) => assert.fail(String(fault)) });
  const ring = () => rotation.held.ring;
  const mint = new CanaryMint({
    issuer: ISSUER,
    lifetime: minutes(1),
    clock,
    random,
    records,
    signer: (alg) => holder.signer(alg),
    rehearsalSigner: (kid) => {
      const key = publishedKeys(ring(), clock.now()).find((each) => each.kid === kid);
      assert.ok(key);
      return signerOf(key, { outside: null, onSigning: null });
    },
  });
  const behaviours = new Map<string, Behaviour>();
  const calls = new Map<string, (Called & { claims: Readonly<Record<string, unknown>> })[]>();
  const progress: Progress[] = [];
  const ended = new AbortController();
  let atOnce = 0;
  let mostAtOnce = 0;
  const start = clock.now();
  const call = async (url: string, token: string): Promise<Answer> => {
    atOnce += 1;
    mostAtOnce = Math.max(mostAtOnce, atOnce);
    await Promise.resolve();
    const jwt = parseJwt(token);
    assert.ok(jwt?.header.kid);
    const { kid } = jwt.header;
    const called = { kid, genuine: verifyJwt(jwt, (each) => holder.verifier(each)), at: clock.now() - start };
    calls.set(url, [...(calls.get(url) ?? []), { ...called, claims: jwt.claims }]);
    const rehearsed = holder.verifier(kid)?.rehearsed === true;
    atOnce -= 1;
    return behaviours.get(url)?.({ ...called, rehearsed }) ?? assert.fail(url);
  };
  const add = async (name: string, behaviour: Behaviour, more: object = {}) => {
    const canaryUrl = `https://${name}.example.com/canary`;
    behaviours.set(canaryUrl, behaviour);
    return (await resources.add({ identifier: `https://${name}.example.com`, canaryUrl, ...more }))
      .resourceServer;
  };
  const pause = async (length: Seconds, signal: AbortSignal) => {
    signal.throwIfAborted();
    clock.move(length);
  };
  const ports = {
    rotation,
    resources,
    readers,
    mint,
    clock,
    call,
    pause,
    onProgress: (each: Progress) => void progress.push(each),
  };
  const closing = opened.move();
  return {
    clock,
    records,
    rotation,
    resources,
    readers,
    add,
    calls,
    progress,
    ended,
    ring,
    get mostAtOnce() {
      return mostAtOnce;
    },
    rehearse: (only: 'ES256' | 'RS256' | null = null, more: object = {}) =>
      new Rehearsal({ ...ports, policy: { ...POLICY, ...over }, ...more }, ended.signal).run(only),
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}

/** Verifies as it should: takes what is genuine, of keys that it knows. */
const taking =
  (knows: (called: { rehearsed: boolean; at: number }) => boolean): Behaviour =>
  (called) =>
    called.genuine && (!called.rehearsed || knows(called)) ? OK : NO;

const kidsNow = ({ ring, clock }: Pick<Awaited<ReturnType<typeof openStage>>, 'ring' | 'clock'>) =>
  publishedKeys(ring(), clock.now()).map(({ kid }) => kid);

describe('a rehearsal', () => {
  test('tells who takes a new key, who knows only the old one, and whose answers say nothing', async () => {
    await using stage = await openStage();
    await stage.add(
      'refetches',
      taking(() => true),
    );
    await stage.add(
      'caches',
      taking(() => false),
    );
    await stage.add('gullible', () => OK);
    await stage.add('strict', () => NO);
    await stage.add('away', () => ({ outcome: 'failed', why: 'nothing listens there', ms: 1 }));
    const { trials, finished } = await stage.rehearse();
    assert.equal(finished, true);
    assert.deepEqual(
      trials.map((trial) => [
        new URL(trial.resourceServer.identifier).hostname.split('.')[0],
        ...Object.values(judge(trial, true)),
      ]),
      [
        ['away', 'unusable', null],
        ['caches', 'refused', 'only-old'],
        ['gullible', 'unchecked', null],
        ['refetches', 'accepted', 'new'],
        ['strict', 'unusable', 'none'],
      ],
    );
  });

  test('asks with the key in use before the new one is published, so that caches are as they will be', async () => {
    await using stage = await openStage();
    await stage.add(
      'api',
      taking(() => true),
    );
    const before = kidsNow(stage);
    await stage.rehearse();
    const [control, forged, canary] = stage.calls.get('https://api.example.com/canary') ?? [];
    assert.ok(control && forged && canary);
    assert.deepEqual([control.genuine, forged.genuine, canary.genuine], [true, false, true]);
    assert.ok(before.includes(control.kid) && control.kid === forged.kid && !before.includes(canary.kid));
    assert.equal(canary.at, POLICY.servedWithin, 'not before every server serves it');
  });

  test('calls with tokens for that resource server alone, for a minute, about nobody, without a scope', async () => {
    await using stage = await openStage();
    await stage.add(
      'api',
      taking(() => true),
      { audience: 'orders', scope: ['read'] },
    );
    await stage.rehearse();
    const calls = stage.calls.get('https://api.example.com/canary') ?? [];
    assert.equal(new Set(calls.map(({ claims }) => claims.jti)).size, 3);
    for (const { claims } of calls) {
      const { jti, iat, exp, ...rest } = claims;
      assert.equal(Number(exp) - Number(iat), 60);
      assert.deepEqual(rest, {
        iss: ISSUER,
        sub: 'urn:keyturn:canary',
        aud: 'orders',
        client_id: 'urn:keyturn:canary',
        keyturn_canary: true,
      });
    }
  });

  test('gives those time that fetch keys only now and then, ever less often, and no longer than it is patient', async () => {
    await using stage = await openStage({ patience: minutes(2) });
    await stage.add(
      'slow',
      taking(({ at }) => at >= 60),
    );
    await stage.add(
      'never',
      taking(() => false),
    );
    const { trials } = await stage.rehearse();
    const [never, slow] = trials;
    assert.ok(never && slow);
    assert.equal(judge(slow, true).verdict, 'accepted');
    const gaps = (stage.calls.get('https://never.example.com/canary') ?? [])
      .slice(2)
      .map(({ at }, index, all) => at - (all[index - 1]?.at ?? at));
    assert.deepEqual(gaps.slice(0, 6), [0, 1, 2, 4, 8, 15]);
    assert.equal(never.waited, POLICY.servedWithin + 120);
    assert.ok(slow.attempts < never.attempts);
  });

  test('leaves nothing behind: neither the key nor a token that counts', async () => {
    await using stage = await openStage();
    await stage.add(
      'api',
      taking(() => true),
    );
    const before = kidsNow(stage);
    const { keys } = await stage.rehearse();
    assert.equal(keys.length, 1);
    assert.deepEqual(kidsNow(stage), before);
    const [control] = stage.calls.get('https://api.example.com/canary') ?? [];
    assert.equal(await stage.records.anyRevoked([`jti:${control?.claims.jti}`]), true);
  });

  test('signs nothing but canaries with its key, while and after it', async () => {
    await using stage = await openStage();
    const signers = new Set<string>();
    await stage.add('api', () => {
      for (const key of stage.ring().keys)
        if (stateOf(stage.ring(), key, stage.clock.now()) === 'active') signers.add(key.kid);
      return NO;
    });
    const { keys } = await stage.rehearse();
    assert.ok(keys.every(({ kid }) => !signers.has(kid)));
  });

  test('takes everything back when it is interrupted, and says how far it came', async () => {
    await using stage = await openStage();
    await stage.add('never', (called) => {
      if (called.rehearsed && called.at > 30) stage.ended.abort();
      return taking(() => false)(called);
    });
    const before = kidsNow(stage);
    const { trials, finished, keys } = await stage.rehearse();
    assert.equal(finished, false);
    assert.equal(keys.length, 1);
    assert.deepEqual(
      trials.map((trial) => judge(trial, finished).verdict),
      ['unfinished'],
    );
    assert.deepEqual(kidsNow(stage), before);
  });

  test('that is interrupted at its beginning publishes nothing', async () => {
    await using stage = await openStage();
    await stage.add(
      'api',
      taking(() => true),
    );
    stage.ended.abort();
    const { keys, trials, finished } = await stage.rehearse();
    assert.deepEqual([keys, trials, finished], [[], [], false]);
  });

  test('takes everything back when something fails, and lets it be known', async () => {
    await using stage = await openStage();
    await stage.add(
      'api',
      taking(() => true),
    );
    await stage.add(
      'other',
      taking(() => true),
      { signingAlgorithm: 'RS256' },
    );
    const before = kidsNow(stage);
    const failing = { pause: () => Promise.reject(new Error('the clock has stopped')) };
    await assert.rejects(stage.rehearse(null, failing), /stopped/);
    assert.deepEqual(kidsNow(stage), before);
  });

  test('that is killed is ended by the ring, at a time that was set beforehand', async () => {
    await using stage = await openStage();
    await stage.add(
      'api',
      taking(() => true),
    );
    const killed = {
      rotation: { rehearse: stage.rotation.rehearse.bind(stage.rotation), withdraw: async () => {} },
    };
    const before = kidsNow(stage);
    await stage.rehearse('ES256', killed);
    assert.equal(kidsNow(stage).length, before.length + 1);
    stage.clock.move(seconds(POLICY.servedWithin + POLICY.patience + 120));
    assert.deepEqual(kidsNow(stage), before);
  });

  test('asks those that sign with the algorithm in question, or everyone with a key of theirs', async () => {
    await using stage = await openStage();
    await stage.add(
      'es',
      taking(() => true),
    );
    await stage.add(
      'rs',
      taking(() => true),
      { signingAlgorithm: 'RS256' },
    );
    await stage.add(
      'opaque',
      taking(() => true),
      { tokenFormat: 'opaque' },
    );
    await stage.resources.add({ identifier: 'https://silent.example.com' });
    const one = await stage.rehearse('RS256');
    assert.deepEqual(
      one.keys.map(({ alg }) => alg),
      ['RS256'],
    );
    assert.deepEqual(
      one.trials.map(({ resourceServer }) => resourceServer.identifier),
      ['https://rs.example.com'],
    );
    assert.deepEqual(
      one.leftOut.map(({ resourceServer, why }) => [resourceServer.identifier, why]),
      [
        ['https://es.example.com', 'other-algorithm'],
        ['https://opaque.example.com', 'opaque-tokens'],
        ['https://silent.example.com', 'other-algorithm'],
      ],
    );
    const all = await stage.rehearse();
    assert.deepEqual(all.keys.map(({ alg }) => alg).toSorted(), ['ES256', 'RS256']);
    assert.deepEqual(
      all.leftOut.map(({ why }) => why),
      ['opaque-tokens', 'no-canary-url'],
    );
    for (const trial of all.trials) assert.equal(judge(trial, true).verdict, 'accepted');
  });

  test('with nobody to ask is refused, and publishes nothing', async () => {
    await using stage = await openStage();
    await stage.resources.add({ identifier: 'https://silent.example.com' });
    const before = kidsNow(stage);
    await assert.rejects(stage.rehearse(), { code: 'nobody_to_rehearse' });
    assert.deepEqual(kidsNow(stage), before);
    assert.deepEqual(stage.progress, []);
  });

  test('publishes no key where no answer could tell anything', async () => {
    await using stage = await openStage();
    await stage.add('strict', () => NO);
    await stage.add('gullible', () => OK, { signingAlgorithm: 'RS256' });
    const { keys, trials } = await stage.rehearse();
    assert.deepEqual(keys, []);
    assert.deepEqual(
      trials.map((trial) => judge(trial, true).verdict),
      ['unchecked', 'unusable'],
    );
  });

  test('makes no more calls at the same time than the settings say', async () => {
    await using stage = await openStage({ parallel: 3 });
    for (let number = 0; number < 10; number += 1)
      await stage.add(
        `api-${number}`,
        taking(() => true),
      );
    await stage.rehearse();
    assert.equal(stage.mostAtOnce, 3);
  });

  test('tells who has fetched the key meanwhile, once servers have written it down', async () => {
    await using stage = await openStage();
    const fetched = await stage.add(
      'fetched',
      taking(() => true),
    );
    const not = await stage.add(
      'not',
      taking(() => false),
    );
    await stage.add(
      'unknown',
      taking(() => true),
    );
    const sighting = (kids: readonly string[]) => ({
      lastAt: stage.clock.now(),
      keys: Object.fromEntries(kids.map((kid) => [kid, stage.clock.now()])),
      program: null,
      network: null,
    });
    const late = {
      all: async () => {
        const kid = stage.progress.find((each) => 'key' in each)?.key.kid ?? '';
        const written =
          stage.progress.some(({ what }) => what === 'withdrawn') && stage.clock.now() > withdrawnAt + 3;
        return {
          known: new Map([
            [fetched.clientId, { proven: sighting(written ? [kid] : ['old']), said: null }],
            [not.clientId, { proven: null, said: sighting(['old']) }],
          ]),
          named: [],
          anonymous: [],
        };
      },
    };
    let withdrawnAt = Number.POSITIVE_INFINITY;
    const onProgress = (each: Progress) => {
      stage.progress.push(each);
      if (each.what === 'withdrawn') withdrawnAt = stage.clock.now();
    };
    const { trials } = await stage.rehearse(null, { readers: late, onProgress });
    assert.deepEqual(
      trials.map((trial) => trial.fetched),
      [true, false, null],
    );
  });
});
