import { changeRecord, everyOwned } from '#src/record-loops.ts';
import type { Records } from '#src/records.ts';

/**
 * What a person has agreed that a client may do, at any time so far. It outlives tokens, sessions and authorizations,
 * so that a client which revokes its tokens at sign-out need not ask again.
 */
export interface Consent {
  /** Scopes of OpenID Connect. */
  readonly scope: readonly string[];
  /** Scopes of resource servers, by their identifier. */
  readonly resources: Readonly<Record<string, readonly string[]>>;
  /** Claims about the person that no scope has asked for: OpenID Connect Core section 5.5. */
  readonly claims: readonly string[];
}

/** Where nobody has agreed to anything. */
export const NO_CONSENT: Consent = { scope: [], resources: {}, claims: [] };

/** What was agreed before together with what is agreed now. */
export function joinConsents(before: Consent, now: Consent): Consent {
  const resources = new Map(Object.entries(before.resources));
  for (const [identifier, scopes] of Object.entries(now.resources)) {
    resources.set(identifier, union(resources.get(identifier) ?? [], scopes));
  }
  return {
    scope: union(before.scope, now.scope),
    resources: Object.fromEntries(resources),
    claims: union(before.claims, now.claims),
  };
}

/** What consents ask of the store. */
export type ConsentRecords = Pick<Records, 'find' | 'listOwned' | 'put' | 'remove'>;

/** The consents in the store. */
export class Consents {
  readonly #records: ConsentRecords;

  constructor(records: ConsentRecords) {
    this.#records = records;
  }

  async find(subject: string, clientId: string): Promise<Consent | null> {
    const record = await this.#records.find<Consent>('consent', consentId(subject, clientId));
    // One that was given before there were claims to agree to has none.
    return record === null ? null : { ...NO_CONSENT, ...record.value };
  }

  /** Remembers what a person agrees to, beside what they agreed to before. */
  async remember(subject: string, clientId: string, agreed: Consent): Promise<void> {
    await changeRecord<Consent>(
      this.#records,
      { kind: 'consent', id: consentId(subject, clientId) },
      (before) => ({
        value: joinConsents({ ...NO_CONSENT, ...before }, agreed),
        expiresAt: null,
        owner: subject,
      }),
    );
  }

  /** Everything that a person has agreed to, client by client. */
  async *listOf(subject: string): AsyncGenerator<{ clientId: string; consent: Consent }> {
    for await (const { id, value } of everyOwned<Consent>(this.#records, 'consent', subject)) {
      const [, clientId] = JSON.parse(id) as [subject: string, clientId: string];
      yield { clientId, consent: { ...NO_CONSENT, ...value } };
    }
  }

  /** Forgets what a person has agreed to: the client has to ask again. */
  async forget(subject: string, clientId: string): Promise<void> {
    await this.#records.remove('consent', consentId(subject, clientId));
  }

  /** Forgets everything that a person has agreed to. */
  async forgetAllOf(subject: string): Promise<void> {
    for await (const { clientId } of this.listOf(subject)) await this.forget(subject, clientId);
  }
}

const consentId = (subject: string, clientId: string) => JSON.stringify([subject, clientId]);

const union = (some: readonly string[], more: readonly string[]) => [...new Set([...some, ...more])];
