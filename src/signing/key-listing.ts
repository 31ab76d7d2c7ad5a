import type { JwsAlgorithm } from '#src/signing/algorithm.ts';
import {
  endsAt,
  type KeyRing,
  type KeyState,
  retiredAt,
  type SigningKeyRecord,
  signsFrom,
  stateOf,
} from '#src/signing/key-ring.ts';
import type { KeyPurpose } from '#src/signing/ring-policy.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/** A key as the administrator may see it: never its private part. Times to come are those planned now. */
export interface KeyListing {
  readonly kid: string;
  readonly alg: JwsAlgorithm;
  readonly purpose: KeyPurpose;
  readonly state: KeyState;
  readonly publishedAt: EpochSeconds;
  /** From when every cache has it. */
  readonly readyAt: EpochSeconds;
  /** `null` for a key that is only rehearsed, or was revoked before its turn. */
  readonly signsFrom: EpochSeconds | null;
  readonly retiredAt: EpochSeconds | null;
  readonly removedAt: EpochSeconds | null;
  readonly revokedAt: EpochSeconds | null;
  readonly reason: string | null;
  /** True if its private part is not in the ring but with an outside signer. */
  readonly outside: boolean;
}

/** Every key of the ring, in the order of publication. */
export function listings(ring: KeyRing, now: EpochSeconds): readonly KeyListing[] {
  return ring.keys.map((key) => listing(ring, key, now));
}

export function listing(ring: KeyRing, key: SigningKeyRecord, now: EpochSeconds): KeyListing {
  const { kid, alg, purpose, publishedAt, readyAt, revoked, outside } = key;
  return {
    kid,
    alg,
    purpose,
    state: stateOf(ring, key, now),
    publishedAt,
    readyAt,
    signsFrom: signsFrom(ring, key),
    retiredAt: revoked === null ? retiredAt(ring, key) : null,
    removedAt: endsAt(ring, key),
    revokedAt: revoked?.at ?? null,
    reason: revoked?.reason ?? null,
    outside: outside !== null,
  };
}

/** When the next key of an algorithm takes over, as it is planned now; `null` if none is there to. */
export function nextRotation(keys: readonly KeyListing[], alg: JwsAlgorithm): EpochSeconds | null {
  const turns = keys.flatMap((key) =>
    key.alg === alg && key.state === 'next' && key.signsFrom !== null ? key.signsFrom : [],
  );
  return turns.length === 0 ? null : epochSeconds(Math.min(...turns));
}
