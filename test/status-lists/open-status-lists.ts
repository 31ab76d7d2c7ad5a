import assert from 'node:assert/strict';
import { inflateSync } from 'node:zlib';
import { systemRandom } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import { RevocationFeed } from '#src/revocations/feed.ts';
import { type GeneratedKey, generateKey, importPrivateKey, signWith } from '#src/signing/algorithm.ts';
import { parseJwt, type Signer } from '#src/signing/jws.ts';
import { StatusAssigner } from '#src/status-lists/assigner.ts';
import { StatusListPublisher } from '#src/status-lists/publisher.ts';
import { ListNames, type StatusReference } from '#src/status-lists/status-list.ts';
import { after, minutes, seconds } from '#src/units.ts';
import type { TemporaryStore } from '#test/support/temporary-store.ts';

export const ISSUER = 'https://login.example.com';

/** A node: what hands places out and what publishes lists. */
export interface Node extends AsyncDisposable {
  /** A place for a new token of a client that acts for itself, which expires in five minutes. */
  place(jti: string): Promise<StatusReference>;
  /** What its list says of a place now; `null` without such a list. */
  statusOf(reference: StatusReference): Promise<number | null>;
  /** The whole list as it is sent. */
  listOf(reference: StatusReference): Promise<string | null>;
}

let generated: GeneratedKey | null = null;

export async function openNode(
  { clock }: Pick<TemporaryStore, 'clock'>,
  records: Records,
  { onFault = () => {} }: { onFault?: (error: unknown) => void } = {},
): Promise<Node> {
  generated ??= await generateKey('ES256', systemRandom);
  const { kid, jwk } = generated;
  const privateKey = importPrivateKey('ES256', jwk);
  const signer: Signer = { kid, alg: 'ES256', sign: (data) => signWith('ES256', privateKey, data) };
  const names = new ListNames(Buffer.alloc(32, 1));
  const feed = new RevocationFeed({ records, clock, pollMs: 250, onFault });
  const assigner = new StatusAssigner({
    issuer: ISSUER,
    records,
    clock,
    random: systemRandom,
    names,
    onFault,
  });
  const publisher = new StatusListPublisher({
    issuer: ISSUER,
    records,
    clock,
    names,
    feed,
    standing: {
      records,
      authorizations: { find: async () => null },
      clientStands: async () => true,
      accountStands: async () => true,
    },
    algorithms: ['ES256'],
    signer: () => signer,
    longestToken: minutes(60),
    clockSkewMax: seconds(30),
    ttl: seconds(30),
    lifetime: minutes(5),
  });
  const listOf = async ({ uri }: StatusReference) =>
    (await publisher.publish(uri.slice(uri.lastIndexOf('/') + 1)))?.body.toString() ?? null;
  return {
    async place(jti) {
      const now = clock.now();
      const exp = after(now, minutes(5));
      return assigner.assign('ES256', exp, (index) => [index, exp, now, kid, jti, 'service', null, null]);
    },
    listOf,
    async statusOf(reference) {
      const list = await listOf(reference);
      if (list === null) return null;
      const { lst } = (parseJwt(list) ?? assert.fail()).claims.status_list as { lst: string };
      const bytes = inflateSync(Buffer.from(lst, 'base64url'));
      return ((bytes[reference.idx >> 3] ?? 0) >> (reference.idx & 7)) & 1;
    },
    async [Symbol.asyncDispose]() {
      await assigner[Symbol.asyncDispose]();
      await feed[Symbol.asyncDispose]();
    },
  };
}
