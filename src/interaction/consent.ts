import type { Records } from '#src/records.ts';

/**
 * What a person has agreed that a client may do, at any time so far. It outlives tokens, sessions and authorizations,
 * so that a client which revokes its tokens at sign-out need not ask again.
 */
export interface Consent {
  /** Scopes of OpenID Connect. */
  readonly scope: readonly string[];
  /** Single claims, asked for by the `claims` parameter. */
  readonly claims: readonly string[];
  /** Scopes of resource servers, by their identifier. */
  readonly resources: Readonly<Record<string, readonly string[]>>;
}

export const NO_CONSENT: Consent = { scope: [], claims: [], resources: {} };

/** What was agreed before together with what is agreed now. */
export function joinConsents(before: Consent, now: Consent): Consent {
  const identifiers = new Set([...Object.keys(before.resources), ...Object.keys(now.resources)]);
  return {
    scope: union(before.scope, now.scope),
    claims: union(before.claims, now.claims),
    resources: Object.fromEntries(
      [...identifiers].map((identifier) => [
        identifier,
        union(before.resources[identifier] ?? [], now.resources[identifier] ?? []),
      ]),
    ),
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
    return record?.value ?? null;
  }

  /** Remembers what a person agrees to, beside what they agreed to before. */
  async remember(subject: string, clientId: string, agreed: Consent): Promise<void> {
    const id = consentId(subject, clientId);
    for (;;) {
      const record = await this.#records.find<Consent>('consent', id);
      const { outcome } = await this.#records.put<Consent>({
        kind: 'consent',
        id,
        value: joinConsents(record?.value ?? NO_CONSENT, agreed),
        expiresAt: null,
        onlyIf: record === null ? 'absent' : { version: record.version },
      });
      if (outcome === 'stored') return;
    }
  }
}

const consentId = (subject: string, clientId: string) => JSON.stringify([subject, clientId]);

const union = (some: readonly string[], more: readonly string[]) => [...new Set([...some, ...more])];
