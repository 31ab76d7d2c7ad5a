import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLocalJWKSet, exportJWK, jwtVerify } from 'jose';
import { SigningSlot } from '#src/oidc/signing-slot.ts';
import type { KeyHolder } from '#src/signing/key-holder.ts';
import { seconds } from '#src/units.ts';
import { POLICY } from '#test/signing/policy.ts';
import { deploy } from '#test/signing/signing-nodes.ts';

const QUICK = { ...POLICY, algorithms: ['ES256', 'EdDSA'] } as const;

/** What the library does: writes the header at once, and asks for the signature later. */
function begin(slot: SigningSlot) {
  const header = Buffer.from(JSON.stringify({ alg: slot.alg, kid: slot.kid })).toString('base64url');
  const input = `${header}.${Buffer.from('{}').toString('base64url')}`;
  return async () => {
    const signature = await slot.sign(new TextEncoder().encode(input));
    return `${input}.${Buffer.from(signature).toString('base64url')}`;
  };
}

const keySetOf = (holder: KeyHolder) => createLocalJWKSet(JSON.parse(holder.jwks().body.toString()));

describe('a signing slot', () => {
  test('signs with the active key of its algorithm, for anyone who has the JWK Set', async () => {
    await using deployment = await deploy();
    const { holder } = await deployment.startNode(QUICK);
    for (const alg of QUICK.algorithms) {
      const { protectedHeader } = await jwtVerify(
        await begin(new SigningSlot(alg, holder))(),
        keySetOf(holder),
      );
      assert.deepEqual(protectedHeader, { alg, kid: holder.signer(alg).kid });
    }
  });

  test('turns with the ring, and has the public key of the kid that it names', async () => {
    await using deployment = await deploy();
    const { holder, rotation } = await deployment.startNode(QUICK);
    const slot = new SigningSlot('ES256', holder);
    const kids = new Set<string>();
    for (let turn = 0; turn < 3; turn += 1) {
      kids.add(slot.kid);
      assert.equal(slot.kid, holder.signer('ES256').kid);
      const published = JSON.parse(holder.jwks().body.toString()).keys as { kid: string; x: string }[];
      const { x } = await exportJWK(slot.keyObject());
      assert.equal(x, published.find(({ kid }) => kid === slot.kid)?.x);
      deployment.clock.move(POLICY.rotateEvery);
      await rotation.maintain();
    }
    assert.equal(kids.size, 3);
  });

  test('signs with the key that the header names, though another one has become active in between', async () => {
    await using deployment = await deploy();
    const { holder } = await deployment.startNode(QUICK);
    const slot = new SigningSlot('ES256', holder);
    deployment.clock.move(seconds(POLICY.rotateEvery - 1));
    const [before, keySet] = [slot.kid, keySetOf(holder)];
    const finish = begin(slot);
    deployment.clock.move(seconds(1));
    const after = await begin(slot)();
    const late = await finish();
    assert.equal((await jwtVerify(late, keySet)).protectedHeader.kid, before);
    assert.notEqual((await jwtVerify(after, keySet)).protectedHeader.kid, before);
  });

  test('never signs under a kid with the key of another, however the ring turns meanwhile', async () => {
    await using deployment = await deploy();
    const { holder, rotation } = await deployment.startNode(QUICK);
    const slot = new SigningSlot('ES256', holder);
    const kids = new Set<unknown>();
    for (let round = 0; round < 5; round += 1) {
      const begun = Array.from({ length: 5 }, () => begin(slot));
      await rotation.rotate({ alg: 'ES256' });
      deployment.clock.move(seconds(POLICY.jwksMaxAge + 60));
      begun.push(...Array.from({ length: 5 }, () => begin(slot)));
      for (const token of await Promise.all(begun.map((finish) => finish()))) {
        kids.add((await jwtVerify(token, keySetOf(holder))).protectedHeader.kid);
      }
    }
    assert.equal(kids.size, 6);
  });

  test('refuses a header whose key neither signs nor did so just before', async () => {
    await using deployment = await deploy();
    const { holder } = await deployment.startNode(QUICK);
    const slot = new SigningSlot('ES256', holder);
    const header = Buffer.from('{"alg":"ES256","kid":"unknown"}').toString('base64url');
    await assert.rejects(slot.sign(Buffer.from(`${header}.e30`)), /unknown no longer signs/);
  });

  test('signs what a view into a larger buffer shows, and nothing around it', async () => {
    await using deployment = await deploy();
    const { holder } = await deployment.startNode(QUICK);
    const slot = new SigningSlot('EdDSA', holder);
    const input = `${Buffer.from(JSON.stringify({ alg: 'EdDSA', kid: slot.kid })).toString('base64url')}.e30`;
    const around = Buffer.from(`noise.${input}.noise`);
    const view = new Uint8Array(around.buffer, around.byteOffset + 6, input.length);
    const signature = Buffer.from(await slot.sign(view)).toString('base64url');
    await jwtVerify(`${input}.${signature}`, keySetOf(holder));
  });
});
