import assert from 'node:assert/strict';
import type { StoredRecord } from '#src/records.ts';
import type { SessionRecord } from '#src/sessions/session.ts';
import { sessionGroup } from '#src/tokens/authorization.ts';
import { epochSeconds, type Seconds } from '#src/units.ts';
import type { Keyturn } from '#test/support/keyturn.ts';

export type StoredSession = StoredRecord<SessionRecord>;

/** The sessions in the store, whether or not somebody is signed in in them; a test has fewer than a page of them. */
export async function storedSessions({ services }: Keyturn): Promise<readonly StoredSession[]> {
  const { records, next } = await services.store.records.list<SessionRecord>('session', { limit: 500 });
  assert.equal(next, null);
  return records;
}

/** Lets the sign-in of a session have been so much earlier than it was. */
export async function ageSession(keyturn: Keyturn, session: StoredSession, by: Seconds): Promise<void> {
  const { value } = session;
  assert.ok(value.loginTs !== undefined, 'nobody is signed in in it');
  await writeSession(keyturn, { ...session, value: { ...value, loginTs: epochSeconds(value.loginTs - by) } });
}

/** Replaces what is stored of a session in which somebody is signed in. */
export async function writeSession(
  { services }: Keyturn,
  { id, value, expiresAt }: Pick<StoredSession, 'id' | 'value' | 'expiresAt'>,
): Promise<void> {
  assert.ok(value.accountId !== undefined, 'nobody is signed in in it');
  const { outcome } = await services.store.records.put({
    kind: 'session',
    id,
    value,
    expiresAt,
    aliases: [`uid:${value.uid}`],
    owner: value.accountId,
    group: sessionGroup(value.uid),
  });
  assert.equal(outcome, 'stored');
}
