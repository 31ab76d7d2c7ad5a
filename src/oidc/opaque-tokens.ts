import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { Random } from '#src/random.ts';
import type { Confirmation, RestsOn } from '#src/tokens/access-token.ts';
import type { Ground } from '#src/tokens/standing.ts';
import { between, type EpochSeconds } from '#src/units.ts';

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

/** What says nothing of a person. */
type TokenOfClient = Pick<OpaqueToken, 'clientId' | 'iat' | 'exp' | 'aud' | 'scope'>;

/** The library's opaque access tokens for whoever comes without it: the same records, by the same adapter. */
export class OpaqueTokens {
  readonly #ofPeople: Adapter;
  readonly #ofClients: Adapter;
  readonly #random: Random;

  constructor({ adapter, random }: { adapter: (model: string) => Adapter; random: Random }) {
    this.#ofPeople = adapter('AccessToken');
    this.#ofClients = adapter('ClientCredentials');
    this.#random = random;
  }

  /** Issues a token to a client that acts for itself. Its text is returned once its record is kept. @throws StorageFault */
  async issue(token: TokenOfClient): Promise<string> {
    const text = this.#random.bytes(TEXT_BYTES).toString('base64url');
    const payload = { ...token, kind: 'ClientCredentials', jti: text };
    await this.#ofClients.upsert(text, payload as AdapterPayload, between(token.iat, token.exp));
    return text;
  }

  /** The token with this text, unless it has expired or was revoked; what it rests on is not looked at. */
  async find(text: string): Promise<OpaqueToken | null> {
    const found = (await this.#ofPeople.find(text)) ?? (await this.#ofClients.find(text));
    return (found as OpaqueToken | undefined) ?? null;
  }
}

/** As long as those of the library. */
const TEXT_BYTES = 32;

/** What an opaque token rests on: all that its standing depends on, as long as it is in the store. */
export function groundOf({
  clientId,
  grantId: authorizationId,
  iat: issuedAt,
  extra,
}: Pick<OpaqueToken, 'clientId' | 'grantId' | 'iat' | 'extra'>): Ground {
  return { clientId, authorizationId, issuedAt, restsOn: extra?.rests_on };
}
