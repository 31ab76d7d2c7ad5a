import { REFRESH_ALGORITHM, type SigningAlgorithm } from '#src/signing/algorithm.ts';
import { activeKey, type KeyRing } from '#src/signing/key-ring.ts';
import { type RingPolicy, settlingTime } from '#src/signing/ring-policy.ts';
import { after, type EpochSeconds } from '#src/units.ts';

/**
 * The algorithms that the settings name no longer, and that a key signs with all the same: for those who are registered
 * for them, until an administrator gives them up.
 */
export function leavingAlgorithms(
  ring: KeyRing,
  policy: RingPolicy,
  now: EpochSeconds,
): readonly SigningAlgorithm[] {
  const known = new Set(ring.keys.map(({ alg }) => alg));
  return [...known].filter(
    (alg): alg is SigningAlgorithm =>
      alg !== REFRESH_ALGORITHM && !policy.algorithms.includes(alg) && activeKey(ring, alg, now) !== null,
  );
}

/** From when on every cache has the key that signs with an algorithm; `null` if none does. */
export function knownToAllFrom(
  ring: KeyRing,
  policy: RingPolicy,
  { alg, now }: { readonly alg: SigningAlgorithm; readonly now: EpochSeconds },
): EpochSeconds | null {
  const key = activeKey(ring, alg, now);
  if (key === null) return null;
  // Nobody can hold a copy that is older than the very first ring.
  return key.publishedAt === ring.createdAt
    ? key.publishedAt
    : after(key.publishedAt, settlingTime(policy, 'jwks'));
}
