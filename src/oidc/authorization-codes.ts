import type { Adapter, AdapterPayload } from 'oidc-provider';
import type { EpochSeconds } from '#src/units.ts';

/** What is kept of an authorization code: RFC 6749 section 4.1.2. */
export interface AuthorizationCodePayload
  extends Pick<AdapterPayload, 'scope' | 'claims' | 'nonce' | 'acr' | 'amr' | 'sid' | 'rar'> {
  readonly clientId: string;
  readonly accountId: string;
  /** The authorization that opened with it. */
  readonly grantId: string;
  readonly exp: EpochSeconds;
  readonly redirectUri?: string;
  readonly codeChallenge?: string;
  readonly codeChallengeMethod?: string;
  readonly resource?: string | readonly string[];
  readonly authTime?: EpochSeconds;
  /** When it was used; absent as long as it was not. */
  readonly consumed?: EpochSeconds;
}

/** The library's authorization codes for whoever comes without it: the same records, by the same adapter. */
export class AuthorizationCodes {
  readonly #codes: Adapter;

  constructor({ adapter }: { adapter: (model: string) => Adapter }) {
    this.#codes = adapter('AuthorizationCode');
  }

  /** The code with this text, used or not, as long as it is in the store. @throws StorageFault */
  async find(text: string): Promise<AuthorizationCodePayload | null> {
    return ((await this.#codes.find(text)) as AuthorizationCodePayload | undefined) ?? null;
  }

  /** Uses a code up, once, however many try. @throws errors.InvalidGrant for whoever comes second, StorageFault */
  async consume(text: string): Promise<void> {
    await this.#codes.consume(text);
  }
}
