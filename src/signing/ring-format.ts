import type { KeyRing, SigningKeyRecord, Turn } from '#src/signing/key-ring.ts';
import type { EpochSeconds } from '#src/units.ts';

/** A ring as it was stored before keys could be brought back: each key had one turn, in its own record. */
export interface RingOfOneTurn {
  readonly createdAt: EpochSeconds;
  readonly keys: readonly (Omit<SigningKeyRecord, 'rehearsalUntil' | 'outside'> & {
    readonly signsFrom: EpochSeconds;
  })[];
}

/** A stored ring in today's form. */
export function readableRing(stored: KeyRing | RingOfOneTurn): KeyRing {
  if ('turns' in stored) return stored;
  // A key that was revoked before its turn never had one.
  const turns = stored.keys
    .filter(({ revoked, signsFrom }) => revoked === null || revoked.at >= signsFrom)
    .map(({ alg, kid, signsFrom, readyAt, revoked }): Turn => {
      const early = signsFrom < readyAt ? (revoked?.reason ?? 'before turns were written down') : null;
      return { alg, kid, from: signsFrom, breakGlass: early };
    });
  return {
    createdAt: stored.createdAt,
    keys: stored.keys.map(({ signsFrom: _, ...key }) => ({ ...key, rehearsalUntil: null, outside: null })),
    turns: turns.toSorted((one, other) => one.from - other.from),
  };
}
