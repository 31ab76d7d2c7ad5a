import type { Client } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import { Recent } from '#src/recent.ts';
import type { Records } from '#src/records.ts';
import { after, days, type EpochSeconds, type Seconds } from '#src/units.ts';

/** After that a sector is asked again. */
const CONFIRMED_FOR = days(365);

/** Of what a client was confirmed. */
interface Confirmation {
  readonly id: string;
  readonly confirmedAt: EpochSeconds;
}

/** How many sectors are remembered that could not be confirmed. */
const UNCONFIRMED_MAX = 1000;

/**
 * Sees to it that a sector has confirmed its client: that what `sector_identifier_uri` leads to lists every redirect
 * URI of it, else a client could join a sector to learn whom that one knows (OpenID Connect Core section 8.1). What was
 * confirmed once stays so, as after a registration; what was not is asked for again after a while.
 */
export class SectorIdentifiers {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #retryAfter: Seconds;
  readonly #unconfirmed = new Recent<string, { problem: unknown; until: EpochSeconds }>(UNCONFIRMED_MAX);

  constructor(options: { records: Records; clock: Clock; retryAfter: Seconds }) {
    this.#records = options.records;
    this.#clock = options.clock;
    this.#retryAfter = options.retryAfter;
  }

  /** `ask` fetches the document and throws if it does not list the client. */
  async assertConfirmed(client: Client, ask: () => Promise<void>): Promise<void> {
    const { sectorIdentifierUri, redirectUris = [], jwksUri } = client;
    if (sectorIdentifierUri === undefined) return;
    // One record for each client, else whoever changes its registration again and again would fill the store.
    const { clientId } = client;
    const id = JSON.stringify([sectorIdentifierUri, [...redirectUris].sort(), jwksUri]);
    if ((await this.#records.find<Confirmation>('sector', clientId))?.value.id === id) return;
    const now = this.#clock.now();
    const before = this.#unconfirmed.get(id);
    if (before !== undefined && now < before.until) throw before.problem;
    try {
      await ask();
    } catch (problem) {
      this.#unconfirmed.set(id, { problem, until: after(now, this.#retryAfter) });
      throw problem;
    }
    const value: Confirmation = { id, confirmedAt: now };
    await this.#records.put({ kind: 'sector', id: clientId, value, expiresAt: after(now, CONFIRMED_FOR) });
  }
}
