import assert from 'node:assert/strict';
import type { StoredRecord } from '#src/records.ts';
import type { SessionRecord } from '#src/sessions/session.ts';
import { sessionGroup } from '#src/tokens/authorization.ts';
import type { Seconds } from '#src/units.ts';
import type { Keyturn } from '#test/support/keyturn.ts';

export type StoredSession = StoredRecord<SessionRecord>;

/** The sessions in the store, whether or not somebody is signed in in them; a test has fewer than a page of them. */
export async function storedSessions({ services }: Keyturn): Promise<readonly StoredSession[]> {
  const { records, next } = await services.store.records.list<SessionRecord>('session', { limit: 500 });
  assert.equal(next, null);
  return records;
}

/** Lets the sign-in of a session have been so much earlier than it was. */
export async function ageSession(
  { services }: Keyturn,
  { id, value, expiresAt }: StoredSession,
  by: Seconds,
): Promise<void> {
  assert.ok(value.loginTs !== undefined && value.accountId !== undefined, 'nobody is signed in in it');
  const { outcome } = await services.store.records.put({
    kind: 'session',
    id,
    value: { ...value, loginTs: value.loginTs - by },
    expiresAt,
    aliases: [`uid:${value.uid}`],
    owner: value.accountId,
    group: sessionGroup(value.uid),
  });
  assert.equal(outcome, 'stored');
}
