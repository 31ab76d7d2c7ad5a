import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SetupFault, SigningFault, StorageFault } from '#src/fault.ts';
import { systemRandom } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import { generateKey, type KeySource, publicMembers } from '#src/signing/algorithm.ts';
import { type KeyRotation, keyRevocationEntry } from '#src/signing/rotation.ts';
import { after, hours, minutes } from '#src/units.ts';
import { POLICY } from '#test/signing/policy.ts';
import { deploy } from '#test/signing/signing-nodes.ts';

/** Where keys are made and stay, and which can be away. */
class Vault implements KeySource {
  readonly held = new Set<string>();
  away = false;

  async generate(alg: Parameters<KeySource['generate']>[0]) {
    const key = await generateKey(alg, systemRandom);
    if (alg === 'HS256') return key;
    if (this.away) throw new Error('the vault is away');
    this.held.add(key.kid);
    return { ...key, jwk: publicMembers(key.jwk), outside: key.kid };
  }

  async discard({ outside }: { outside: string | null }): Promise<void> {
    if (this.away) throw new Error('the vault is away');
    this.held.delete(outside ?? '');
  }
}

/** What of the vault the ring rests on. */
const inUse = (rotation: KeyRotation) => {
  const keys = rotation.held.ring.keys.filter(({ outside, revoked }) => outside !== null && revoked === null);
  return new Set(keys.map(({ outside }) => outside));
};

const states = async (rotation: KeyRotation, alg = 'ES256') =>
  (await rotation.list()).filter((key) => key.alg === alg).map(({ state }) => state);

const outside = {
  sign: () => assert.fail('nothing is signed here'),
  ready: () => assert.fail('nobody asks'),
};

const JWT = { typ: 'at+jwt', claims: {} };

async function deployed() {
  const deployment = await deploy();
  const vault = new Vault();
  const { rotation } = await deployment.startNode(POLICY, { source: vault }, outside);
  return { ...deployment, deployment, vault, rotation };
}

describe('while keys cannot be made', () => {
  test('a key is revoked all the same, and its successor has no standby until they can', async () => {
    const { deployment, vault, rotation } = await deployed();
    await using _ = deployment;
    const [active, next] = await rotation.list();
    vault.away = true;
    const revoked = await rotation.revoke(active?.kid ?? '', 'stolen');
    assert.equal(revoked.outcome === 'revoked' && revoked.successor?.kid, next?.kid);
    assert.deepEqual(await states(rotation), ['revoked', 'active']);
    await assert.rejects(rotation.maintain(), /the vault is away/);
    vault.away = false;
    await rotation.maintain();
    assert.deepEqual(await states(rotation), ['revoked', 'active', 'next']);
  });

  test('the schedule goes on with the keys that there are', async () => {
    const { deployment, vault, rotation, clock } = await deployed();
    await using _ = deployment;
    const [, next] = await rotation.list();
    vault.away = true;
    clock.move(POLICY.rotateEvery);
    await assert.rejects(rotation.maintain(), /the vault is away/);
    const [retired, active] = await rotation.list();
    assert.deepEqual([retired?.state, active?.state, active?.kid], ['retired', 'active', next?.kid]);
    // What is due besides is done: the retired key is dropped when its time has come.
    clock.move(hours(2));
    await assert.rejects(rotation.maintain(), /the vault is away/);
    assert.deepEqual(await states(rotation), ['active']);
  });

  test('a server starts', async () => {
    const { deployment, vault, rotation } = await deployed();
    await using _ = deployment;
    vault.away = true;
    await rotation.revoke((await rotation.list())[0]?.kid ?? '', 'stolen');
    const again = await deployment.startNode(POLICY, { source: vault }, outside);
    assert.equal(again.holder.signer('ES256').alg, 'ES256');
  });

  test('no algorithm is left without a key: then that is what fails', async () => {
    const { deployment, vault, rotation } = await deployed();
    await using _ = deployment;
    vault.away = true;
    const kids = (await rotation.list()).filter(({ alg }) => alg === 'ES256').map(({ kid }) => kid);
    await rotation.revoke(kids[0] ?? '', 'stolen');
    await assert.rejects(rotation.revoke(kids[1] ?? '', 'stolen, too'), /inactive now.*the vault is away/);
    assert.deepEqual(await states(rotation), ['revoked', 'active']);
    assert.equal(await deployment.records.anyRevoked([keyRevocationEntry(kids[1] ?? '')]), true);
    vault.away = false;
    await rotation.revoke(kids[1] ?? '', 'stolen, too');
    assert.deepEqual(await states(rotation), ['revoked', 'revoked', 'active', 'next']);
  });
});

describe('a node that is not told of the outside signer', () => {
  test('does not start, and says what to set', async () => {
    const { deployment, vault } = await deployed();
    await using _ = deployment;
    const { holder } = await deployment.startNode(POLICY, { source: vault });
    assert.throws(
      () => holder.start(),
      (error) => {
        assert.ok(error instanceof SetupFault);
        assert.match(error.hint, /pkcs11\.module/);
        return true;
      },
    );
  });

  test('goes on if it runs already, and fails to sign by that algorithm alone', async () => {
    await using deployment = await deploy();
    const { holder, rotation } = await deployment.startNode();
    const other = await deployment.startNode(POLICY, { source: new Vault() }, outside);
    await other.rotation.rotate({ alg: 'ES256' });
    deployment.clock.move(minutes(11));
    await other.rotation.rotate({ alg: 'ES256' });
    await rotation.refresh();
    const signer = holder.signer('ES256');
    await assert.rejects(async () => signer.sign(Buffer.from('data'), JWT), SigningFault);
    await assert.rejects(holder.assertSigning(), SigningFault);
    assert.ok(holder.jwks().body.includes(signer.kid));
    assert.ok(Buffer.isBuffer(await holder.signer('RS256').sign(Buffer.from('data'), JWT)));
  });
});

describe('a key that nothing rests on any more', () => {
  test('is given back when it is revoked or removed, and no other', async () => {
    const { deployment, vault, rotation, clock } = await deployed();
    await using _ = deployment;
    assert.deepEqual(vault.held, inUse(rotation));
    const [active] = await rotation.list();
    await rotation.revoke(active?.kid ?? '', 'stolen');
    assert.equal(vault.held.has(active?.kid ?? ''), false);
    assert.deepEqual(vault.held, inUse(rotation));
    const before = new Set(vault.held);
    await rotation.rotate({ alg: 'RS256' });
    clock.move(hours(3));
    await rotation.maintain();
    assert.ok(
      [...before].some((kid) => !vault.held.has(kid)),
      'the retired key is gone',
    );
    assert.deepEqual(vault.held, inUse(rotation));
    const { kid } = await rotation.rehearse('ES256', after(clock.now(), minutes(5)));
    assert.ok(vault.held.has(kid));
    await rotation.withdraw(kid);
    assert.deepEqual(vault.held, inUse(rotation));
  });

  test('is given back by every node that made one too many', async () => {
    const { deployment, vault, clock, rotation } = await deployed();
    await using _ = deployment;
    const nodes = await Promise.all(
      [1, 2, 3].map(() => deployment.startNode(POLICY, { source: vault }, outside)),
    );
    clock.move(POLICY.rotateEvery);
    await Promise.all(nodes.map((node) => node.rotation.maintain()));
    await rotation.refresh();
    assert.deepEqual(vault.held, inUse(rotation));
  });

  test('is kept while nobody knows whether the ring was written', async () => {
    const deployment = await deploy();
    await using _ = deployment;
    const vault = new Vault();
    let silent = false;
    const put: Records['put'] = async (record) => {
      const outcome = await deployment.records.put(record);
      // The ring is in the store, and the answer is lost.
      if (silent && record.kind === 'key-ring') throw new StorageFault('the connection broke');
      return outcome;
    };
    const records = new Proxy(deployment.records, {
      get: (target, name: keyof Records) => (name === 'put' ? put : target[name].bind(target)),
    });
    const { rotation } = await deployment.startNode(POLICY, { source: vault, records }, outside);
    deployment.clock.move(POLICY.rotateEvery);
    silent = true;
    await assert.rejects(rotation.maintain(), StorageFault);
    silent = false;
    await rotation.refresh();
    for (const kid of inUse(rotation))
      assert.ok(vault.held.has(kid ?? ''), 'what the ring rests on is there');
  });
});
