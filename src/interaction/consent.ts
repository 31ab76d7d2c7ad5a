import { changeRecord } from '#src/record-loops.ts';
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

/** The consents in the store. */
export class Consents {
  readonly #records: Pick<Records, 'find' | 'put'>;

  constructor(records: Pick<Records, 'find' | 'put'>) {
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
      }),
    );
  }
}

const consentId = (subject: string, clientId: string) => JSON.stringify([subject, clientId]);

const union = (some: readonly string[], more: readonly string[]) => [...new Set([...some, ...more])];
