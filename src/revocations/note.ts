import type { LogName, LogNote, RecordKind } from '#src/records.ts';
import type { EpochSeconds } from '#src/units.ts';

/**
 * The log of all that ended tokens before their time, from which those who cannot ask about each token learn of it. An
 * entry is written with the very change that it tells of, by whoever makes that change, and matters until the last
 * token concerned has expired.
 */
export const REVOCATIONS = 'revocations';

/** What is noted in the log. Authorizations and clients that end are noted by the store, as they were. */
export type RevocationNote =
  | { readonly what: 'token'; readonly jti: string; readonly audience: string | readonly string[] }
  | { readonly what: 'sign-ins'; readonly subject: string; readonly before: EpochSeconds | null }
  | { readonly what: 'client'; readonly clientId: string; readonly before: EpochSeconds }
  | { readonly what: 'key'; readonly kid: string };

/** One access token was revoked: RFC 7009. */
export function tokenRevoked(token: {
  readonly jti: string;
  readonly aud: string | readonly string[];
  readonly exp: EpochSeconds;
}): LogNote<RevocationNote> {
  return note({ what: 'token', jti: token.jti, audience: token.aud }, token.exp);
}

/**
 * From now on what rests on sign-ins of an account before that time has ended; `null`: on any. The latest note of an
 * account counts, so one may take back another.
 */
export function signInsEnded(
  subject: string,
  before: EpochSeconds | null,
  until: EpochSeconds,
): LogNote<RevocationNote> {
  return note({ what: 'sign-ins', subject, before }, until);
}

/** A client was registered, maybe under the identifier of one that was removed, whose tokens are not its own. */
export function clientRegistered(
  clientId: string,
  at: EpochSeconds,
  until: EpochSeconds,
): LogNote<RevocationNote> {
  return note({ what: 'client', clientId, before: at }, until);
}

/** A key was revoked, and with it all that it signed. */
export function keyRevoked(kid: string, until: EpochSeconds): LogNote<RevocationNote> {
  return note({ what: 'key', kid }, until);
}

/** Where the store notes a record whose removal ends tokens. */
export function removalNoted<Kind extends RecordKind & ('authorization' | 'client')>(
  kind: Kind,
  until: EpochSeconds,
): LogName & { readonly kind: Kind } {
  return { log: REVOCATIONS, kind, until };
}

function note(entry: RevocationNote, until: EpochSeconds): LogNote<RevocationNote> {
  return { log: REVOCATIONS, entry, until };
}
