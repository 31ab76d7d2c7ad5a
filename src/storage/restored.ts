import type { RecordKind } from '#src/records.ts';
import type { EntryPages } from '#src/storage/mirror.ts';

/**
 * What becomes of each kind when a backup is restored. Since the backup was made, people have signed out, codes have
 * been used and tokens revoked, and the backup knows none of it.
 *
 * `kept`: it comes back as it was. `ended`: it rests on a sign-in, or can be used a number of times; nothing may be used
 * once more, or stand again, because of a backup. `momentary`: it tells what was going on when the backup was made.
 */
const RESTORED: Readonly<Record<RecordKind, 'kept' | 'ended' | 'momentary'>> = {
  account: 'kept',
  'algorithm-use': 'kept',
  authorization: 'ended',
  'authorization-code': 'ended',
  'backchannel-request': 'ended',
  client: 'kept',
  concern: 'kept',
  consent: 'kept',
  delivery: 'ended',
  'device-code': 'ended',
  'former-key': 'kept',
  interaction: 'ended',
  'jwks-reader': 'kept',
  'key-ring': 'kept',
  'key-usage': 'kept',
  'metadata-document': 'kept',
  moved: 'momentary',
  node: 'momentary',
  'opaque-access-token': 'ended',
  'opaque-client-credentials': 'ended',
  'pending-place': 'ended',
  protocol: 'ended',
  'registration-token': 'ended',
  replay: 'kept',
  resealing: 'kept',
  'resource-server': 'kept',
  sector: 'kept',
  session: 'ended',
  'trusted-issuer': 'kept',
};

/** What of a backup is restored; sign-ins and all that rests on them only where they are kept. */
export async function* restoredOf(
  entries: EntryPages,
  { keepSignIns }: { readonly keepSignIns: boolean },
): EntryPages {
  for await (const page of entries) {
    yield page.filter((entry) => entry.sort !== 'record' || isRestored(entry.kind, keepSignIns));
  }
}

/** How many of each kind are left out. */
export function leftOut(
  counts: ReadonlyMap<string, number>,
  { keepSignIns }: { readonly keepSignIns: boolean },
): ReadonlyMap<string, number> {
  return new Map([...counts].filter(([kind]) => !isRestored(kind, keepSignIns)));
}

/** A kind that this program does not know is kept: a newer one has made the backup, and says at its start what it needs. */
function isRestored(kind: string, keepSignIns: boolean): boolean {
  const fate = RESTORED[kind as RecordKind] ?? 'kept';
  return fate === 'kept' || (fate === 'ended' && keepSignIns);
}
