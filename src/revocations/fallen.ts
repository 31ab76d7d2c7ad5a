import type { Revocation } from '#src/revocations/revocation.ts';
import type { AccessTokenClaims } from '#src/tokens/access-token.ts';
import type { EpochSeconds } from '#src/units.ts';

/** What tells whether a token falls, unless it was exchanged for others. `sub` is the account's own subject. */
export type Fallible = { readonly kid: string } & Pick<
  AccessTokenClaims,
  'jti' | 'sub' | 'client_id' | 'iat' | 'grant_id' | 'auth_time'
>;

/** All revocations that still matter, so that one token after another can be told to stand or not, without a store. */
export class Fallen {
  readonly #tokens = new Map<string, EpochSeconds>();
  readonly #authorizations = new Map<string, EpochSeconds>();
  readonly #keys = new Map<string, EpochSeconds>();
  readonly #subjects = new Map<string, Until>();
  readonly #clients = new Map<string, Until>();
  #changes = 0;

  /** Grows whenever a token that stood may have fallen, or one that had fallen may stand again. */
  get changes(): number {
    return this.#changes;
  }

  add(revocation: Revocation): void {
    this.#changes += 1;
    const { until } = revocation;
    switch (revocation.what) {
      case 'token':
        this.#tokens.set(revocation.jti, until);
        return;
      case 'authorization':
        this.#authorizations.set(revocation.id, until);
        return;
      case 'key':
        this.#keys.set(revocation.kid, until);
        return;
      case 'sign-ins':
        this.#subjects.set(revocation.subject, revocation);
        return;
      case 'client':
        this.#clients.set(revocation.clientId, revocation);
    }
  }

  has({ kid, jti, client_id, iat, grant_id, sub, auth_time }: Fallible): boolean {
    if (this.#keys.has(kid) || this.#tokens.has(jti)) return true;
    if (iat < this.#endOf(this.#clients, client_id)) return true;
    if (grant_id === undefined) return false;
    return this.#authorizations.has(grant_id) || (auth_time ?? iat) < this.#endOf(this.#subjects, sub);
  }

  #endOf(ended: ReadonlyMap<string, Until>, name: string): number {
    return ended.get(name)?.before ?? 0;
  }

  /** Lets go of what no longer matters. */
  forget(now: EpochSeconds): void {
    for (const entries of [this.#tokens, this.#authorizations, this.#keys])
      for (const [name, until] of entries) if (until <= now) entries.delete(name);
    for (const entries of [this.#subjects, this.#clients])
      for (const [name, { until }] of entries) if (until <= now) entries.delete(name);
  }

  clear(): void {
    this.#changes += 1;
    for (const entries of [this.#tokens, this.#authorizations, this.#keys, this.#subjects, this.#clients])
      entries.clear();
  }
}

interface Until {
  readonly until: EpochSeconds;
  readonly before: EpochSeconds;
}
