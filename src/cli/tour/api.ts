import { createRemoteJWKSet, type JWTVerifyResult, jwtVerify } from 'jose';
import type { ServerMetadata } from '#src/cli/parties/relying-party.ts';
import { type Answer, type Credentials, postForm } from '#src/cli/parties/requests.ts';

/** The resource server: an API that people call with access tokens. */
export class Api {
  readonly #server: ServerMetadata;
  readonly #audience: string;
  readonly #credentials: Credentials;
  readonly #signal: AbortSignal;
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;

  constructor(options: {
    server: ServerMetadata;
    audience: string;
    credentials: Credentials;
    signal: AbortSignal;
  }) {
    this.#server = options.server;
    this.#audience = options.audience;
    this.#credentials = options.credentials;
    this.#signal = options.signal;
    this.#keys = createRemoteJWKSet(new URL(options.server.jwks_uri));
  }

  /**
   * Checks an access token without asking the server about it: RFC 9068 section 4. This is all that an API needs; the
   * keys are fetched once and kept.
   */
  verify(accessToken: string): Promise<JWTVerifyResult> {
    return jwtVerify(accessToken, this.#keys, {
      issuer: this.#server.issuer,
      audience: this.#audience,
      typ: 'at+jwt',
    });
  }

  /** Asks the server whether a token stands at this moment: RFC 7662 section 2. */
  introspect(token: string): Promise<Answer> {
    const { introspection_endpoint: endpoint } = this.#server;
    return postForm(endpoint, { token }, { credentials: this.#credentials, signal: this.#signal });
  }
}
