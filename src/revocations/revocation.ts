import type { LogEntry } from '#src/records.ts';
import type { RevocationNote } from '#src/revocations/note.ts';
import type { Authorization } from '#src/tokens/authorization.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/** Something that ended tokens before their time, and until when that matters. */
export type Revocation = { readonly position: number; readonly until: EpochSeconds } & (
  | { readonly what: 'token'; readonly jti: string; readonly audiences: readonly string[] }
  | { readonly what: 'authorization'; readonly id: string; readonly resources: readonly string[] }
  /** The latest of a subject, or of a client, takes the place of those before. */
  | { readonly what: 'sign-ins'; readonly subject: string; readonly before: EpochSeconds }
  | { readonly what: 'client'; readonly clientId: string; readonly before: EpochSeconds }
  | { readonly what: 'key'; readonly kid: string }
);

/** What an entry of the log tells. */
export function readRevocation({ position, until, entry, removed }: LogEntry<RevocationNote>): Revocation {
  const common = { position, until };
  if (removed?.kind === 'authorization') {
    const { grant } = removed.value as Authorization;
    return { ...common, what: 'authorization', id: removed.id, resources: resourcesOf(grant) };
  }
  // While it matters, nothing is issued later than that.
  if (removed !== null) return { ...common, what: 'client', clientId: removed.id, before: afterAll(until) };
  switch (entry.what) {
    case 'token':
      return { ...common, what: 'token', jti: entry.jti, audiences: [entry.audience].flat() };
    case 'sign-ins':
      return { ...common, ...entry, before: entry.before ?? afterAll(until) };
    case 'client':
    case 'key':
      return { ...common, ...entry };
  }
}

/** The resource servers that an authorization was for, as the client named them. */
export function resourcesOf(grant: Authorization['grant']): readonly string[] {
  return Object.keys((grant.resources as object | undefined) ?? {});
}

/** The name of the event that tells of a revocation, and what it says: claims of the tokens that have ended. */
export function eventOf(revocation: Revocation): { readonly name: string; readonly says: object } {
  const { until } = revocation;
  switch (revocation.what) {
    case 'token':
      return { name: 'token_revoked', says: { jti: revocation.jti, until } };
    case 'authorization':
      return { name: 'authorization_ended', says: { grant_id: revocation.id, until } };
    case 'sign-ins':
      return {
        name: 'signed_out',
        says: { sub: revocation.subject, auth_time_before: revocation.before, until },
      };
    case 'client':
      return {
        name: 'client_removed',
        says: { client_id: revocation.clientId, iat_before: revocation.before, until },
      };
    case 'key':
      return { name: 'key_revoked', says: { kid: revocation.kid, until } };
  }
}

const afterAll = (until: EpochSeconds): EpochSeconds => epochSeconds(until + 1);
