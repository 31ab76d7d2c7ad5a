import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { Confirmation, RestsOn } from '#src/tokens/access-token.ts';
import type { Ground } from '#src/tokens/standing.ts';
import type { EpochSeconds } from '#src/units.ts';

/** What is kept of an opaque access token, of a person or of a client that acts for itself. */
export interface OpaqueToken extends Confirmation, Pick<AdapterPayload, 'scope' | 'rar' | 'claims' | 'sid'> {
  readonly clientId: string;
  readonly iat: EpochSeconds;
  readonly exp: EpochSeconds;
  readonly aud: string | readonly string[];
  /** Whose it is, and under which authorization; absent where a client acts for itself. */
  readonly accountId?: string;
  readonly grantId?: string;
  /** What it says beside what every token says. */
  readonly extra?: Readonly<Record<string, unknown>> & { readonly rests_on?: RestsOn };
}

/** The library's opaque access tokens for whoever reads them without it: the same records, by the same adapter. */
export class OpaqueTokens {
  readonly #ofPeople: Adapter;
  readonly #ofClients: Adapter;

  constructor(adapter: (model: string) => Adapter) {
    this.#ofPeople = adapter('AccessToken');
    this.#ofClients = adapter('ClientCredentials');
  }

  /** The token with this text, unless it has expired or was revoked; what it rests on is not looked at. */
  async find(text: string): Promise<OpaqueToken | null> {
    const found = (await this.#ofPeople.find(text)) ?? (await this.#ofClients.find(text));
    return (found as OpaqueToken | undefined) ?? null;
  }
}

/** What an opaque token rests on: all that its standing depends on, as long as it is in the store. */
export function groundOf({
  clientId,
  grantId: authorizationId,
  iat: issuedAt,
  extra,
}: Pick<OpaqueToken, 'clientId' | 'grantId' | 'iat' | 'extra'>): Ground {
  return { clientId, authorizationId, issuedAt, restsOn: extra?.rests_on };
}
