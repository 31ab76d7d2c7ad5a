import type { AccountValue } from '#src/accounts/account-record.ts';
import type { Client } from '#src/clients/client.ts';
import type { Consent } from '#src/interaction/consent.ts';
import type { StoredReaders } from '#src/jwks-readers/jwks-readers.ts';
import type { Delivery } from '#src/outbox/delivery.ts';
import type { RecordKind } from '#src/records.ts';
import type { KeptToken } from '#src/registration/initial-access-token.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';
import type { ResealProgress } from '#src/sealing/resealing.ts';
import type { KeyRing } from '#src/signing/key-ring.ts';
import type { Authorization } from '#src/tokens/authorization.ts';

/**
 * How programs of different releases share a store. What a record holds has a schema, a number that is written with it.
 * The number of a kind grows only where a program that does not know the new one would do harm with the record: then it
 * refuses the record, which is a fault of the store, and whoever asked is told to try again. A member that may be missing
 * is added without a new number: a program that does not know it goes on without it, and keeps it when it replaces the
 * record (`MEMBERS`). So what older servers may not lose stands at the top of a value, and not within its members.
 *
 * Kinds that are not named here are at 1. A new number comes at least one release after the program that reads it, so
 * that servers of two releases in a row always read each other's records.
 */
const SCHEMAS: Readonly<Partial<Record<RecordKind | 'log', number>>> = {};

/** The schema that this program writes, and the latest that it reads, of a kind or of what is in logs. */
export const schemaOf = (kind: RecordKind | 'log'): number => SCHEMAS[kind] ?? 1;

/** The kinds that servers change by replacing what they have read, if it is still there. */
interface Replaced {
  readonly account: AccountValue;
  readonly authorization: Authorization;
  readonly client: Client;
  readonly consent: Consent;
  readonly delivery: Delivery;
  readonly 'jwks-reader': StoredReaders;
  readonly 'key-ring': KeyRing;
  readonly 'registration-token': KeptToken;
  readonly resealing: ResealProgress;
  readonly 'resource-server': ResourceServer;
}

/** Each member of each state that a value can be in. */
type MembersOf<T> = { readonly [Name in T extends unknown ? keyof T : never]: true };

/**
 * Every member of a value that this program knows; the compiler sees to it that none is missing. What else it finds has
 * been added by a newer one.
 */
const MEMBERS: { readonly [Kind in keyof Replaced]: MembersOf<Replaced[Kind]> } = {
  account: {
    ...{ state: true, subject: true, createdAt: true, updatedAt: true, lockedAt: true, deletedAt: true },
    ...{ username: true, email: true, emailVerified: true, displayName: true, groups: true, roles: true },
    ...{ passwordHash: true, passwordChangedAt: true, signedOutBefore: true },
  },
  authorization: {
    ...{ subject: true, clientId: true, signedInAt: true, grant: true, claims: true, family: true },
    sessionUid: true,
  },
  client: {
    ...{ clientId: true, name: true, applicationType: true, authenticationMethod: true, redirectUris: true },
    ...{ postLogoutRedirectUris: true, grantTypes: true, scope: true, defaultScope: true, requirePkce: true },
    ...{ idTokenSignedResponseAlg: true, clientUri: true, jwksUri: true, jwks: true, profile: true },
    ...{ tokenExchange: true, jwtBearer: true, metadata: true, secrets: true, registeredBy: true },
    ...{ createdAt: true, updatedAt: true },
  },
  consent: { scope: true, resources: true, claims: true },
  delivery: {
    ...{ topic: true, recipient: true, destination: true, content: true, postedAt: true, attempts: true },
    dueAt: true,
  },
  'jwks-reader': { who: true, clientId: true, proven: true, said: true, readers: true },
  'key-ring': { createdAt: true, keys: true, turns: true },
  'registration-token': { token: true, digest: true },
  resealing: {
    ...{ kekId: true, startedAt: true, finishedAt: true, looked: true, resealed: true, unreadable: true },
    ...{ after: true, by: true, byUntil: true },
  },
  'resource-server': {
    ...{ identifier: true, name: true, audience: true, scope: true, scopeMeanings: true, tokenFormat: true },
    ...{ signingAlgorithm: true, accessTokenLifetime: true, claims: true, statusList: true, jwks: true },
    ...{ jwksUri: true, introspection: true, canaryUrl: true, openToRegistration: true, clientId: true },
    ...{ secrets: true, createdAt: true, updatedAt: true },
  },
};

const KNOWN = new Map<string, ReadonlySet<string>>(
  Object.entries(MEMBERS).map(([kind, members]) => [kind, new Set(Object.keys(members))]),
);

/** What a newer program has added to the value of a record; `null` for nothing. */
export function addedMembers(kind: RecordKind, value: unknown): Readonly<Record<string, unknown>> | null {
  const known = KNOWN.get(kind);
  if (known === undefined || typeof value !== 'object' || value === null) return null;
  const added = Object.entries(value).filter(([name]) => !known.has(name));
  return added.length === 0 ? null : Object.fromEntries(added);
}
