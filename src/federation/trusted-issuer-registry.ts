import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import { newTrustedIssuer, type TrustedIssuer } from '#src/federation/trusted-issuer.ts';
import { everyValue } from '#src/record-loops.ts';
import type { Records } from '#src/records.ts';

/** The issuers in the store whose assertions an administrator trusts. */
export class TrustedIssuerRegistry {
  readonly #records: Pick<Records, 'find' | 'put' | 'remove' | 'list'>;
  readonly #clock: Clock;
  readonly #ownIssuer: string;

  constructor(options: {
    records: Pick<Records, 'find' | 'put' | 'remove' | 'list'>;
    clock: Clock;
    ownIssuer: string;
  }) {
    this.#records = options.records;
    this.#clock = options.clock;
    this.#ownIssuer = options.ownIssuer;
  }

  /** @throws Refusal `invalid_trusted_issuer`, or `issuer_taken`. */
  async add(input: unknown): Promise<TrustedIssuer> {
    const trusted = newTrustedIssuer(input, { ownIssuer: this.#ownIssuer, now: this.#clock.now() });
    const { outcome } = await this.#records.put<TrustedIssuer>({
      kind: 'trusted-issuer',
      id: trusted.issuer,
      value: trusted,
      expiresAt: null,
      onlyIf: 'absent',
    });
    if (outcome !== 'stored') throw new Refusal('issuer_taken', `${trusted.issuer} is trusted already`);
    return trusted;
  }

  async find(issuer: string): Promise<TrustedIssuer | null> {
    return (await this.#records.find<TrustedIssuer>('trusted-issuer', issuer))?.value ?? null;
  }

  list(): AsyncGenerator<TrustedIssuer> {
    return everyValue<TrustedIssuer>(this.#records, 'trusted-issuer');
  }

  /** True if it was trusted. Its assertions are worth nothing any more; tokens that were given for them live on. */
  remove(issuer: string): Promise<boolean> {
    return this.#records.remove('trusted-issuer', issuer);
  }
}
