import { createHash } from 'node:crypto';
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';
import { z } from 'zod';
import {
  type Answer,
  type Credentials,
  getJson,
  parsed,
  postForm,
  UnexpectedAnswer,
} from '#src/cli/parties/requests.ts';
import { newIdentifier, type Random } from '#src/random.ts';

/** What is read of the server's metadata: OpenID Connect Discovery section 3, RFC 8414 section 2. */
const serverMetadata = z.object({
  issuer: z.string(),
  authorization_endpoint: z.url(),
  token_endpoint: z.url(),
  userinfo_endpoint: z.url(),
  introspection_endpoint: z.url(),
  revocation_endpoint: z.url(),
  jwks_uri: z.url(),
});

export type ServerMetadata = z.infer<typeof serverMetadata>;

/** RFC 6749 section 5.1, OpenID Connect Core section 3.1.3.3. */
const tokenResponse = z.object({
  access_token: z.string(),
  id_token: z.string(),
  refresh_token: z.string(),
  expires_in: z.number(),
  scope: z.string(),
});

export type TokenResponse = z.infer<typeof tokenResponse>;

const jwkSet = z.object({ keys: z.array(z.object({ kid: z.string() })) });

/** The metadata of the server that calls itself `issuer`. */
export async function discover(issuer: string, signal: AbortSignal): Promise<ServerMetadata> {
  const { body } = await getJson(`${issuer}/.well-known/openid-configuration`, { signal });
  return parsed(serverMetadata, body, "the server's metadata");
}

/** What the client must remember from sending somebody away until they come back. */
export interface AuthorizationRequest {
  readonly url: URL;
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

/** The application, written out by hand to show what goes over the wire; in earnest, use a library. */
export class RelyingParty {
  readonly server: ServerMetadata;
  readonly #credentials: Credentials;
  readonly #redirectUri: string;
  readonly #random: Random;
  readonly #signal: AbortSignal;

  constructor(options: {
    server: ServerMetadata;
    credentials: Credentials;
    redirectUri: string;
    random: Random;
    signal: AbortSignal;
  }) {
    this.server = options.server;
    this.#credentials = options.credentials;
    this.#redirectUri = options.redirectUri;
    this.#random = options.random;
    this.#signal = options.signal;
  }

  /** An authorization request with PKCE: RFC 6749 section 4.1.1, RFC 7636 section 4, RFC 8707 section 2. */
  authorizationRequest({ scope, resource }: { scope: string; resource: string }): AuthorizationRequest {
    const state = newIdentifier(this.#random);
    const nonce = newIdentifier(this.#random);
    const codeVerifier = this.#random.bytes(32).toString('base64url');
    const url = new URL(this.server.authorization_endpoint);
    url.search = String(
      new URLSearchParams({
        response_type: 'code',
        client_id: this.#credentials.clientId,
        redirect_uri: this.#redirectUri,
        scope,
        resource,
        state,
        nonce,
        code_challenge: createHash('sha256').update(codeVerifier).digest('base64url'),
        code_challenge_method: 'S256',
      }),
    );
    return { url, state, nonce, codeVerifier };
  }

  /** The code of an answer to `request`: RFC 6749 section 4.1.2, RFC 9207 section 2.4. */
  codeOf(callback: URL, request: AuthorizationRequest): string {
    const { searchParams: answer } = callback;
    const error = answer.get('error');
    if (error !== null)
      throw new UnexpectedAnswer(`the server answered ${error}: ${answer.get('error_description')}`);
    if (answer.get('state') !== request.state)
      throw new UnexpectedAnswer('the answer belongs to another request');
    if (answer.get('iss') !== this.server.issuer)
      throw new UnexpectedAnswer('the answer comes from another server');
    return answer.get('code') ?? '';
  }

  /** RFC 6749 section 4.1.3. */
  redeem(code: string, { codeVerifier }: AuthorizationRequest, resource: string): Promise<TokenResponse> {
    return this.#tokens({
      grant_type: 'authorization_code',
      code,
      redirect_uri: this.#redirectUri,
      code_verifier: codeVerifier,
      resource,
    });
  }

  /** RFC 6749 section 6. */
  refresh(refreshToken: string): Promise<TokenResponse> {
    return this.#tokens({ grant_type: 'refresh_token', refresh_token: refreshToken });
  }

  /** The answer to a refresh, whatever it is. */
  tryRefresh(refreshToken: string): Promise<Answer> {
    return this.#post(this.server.token_endpoint, {
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
    });
  }

  /** The claims of an ID token that was issued to us in answer to `request`: OpenID Connect Core section 3.1.3.7. */
  async verifyIdToken(idToken: string, { nonce }: AuthorizationRequest): Promise<JWTPayload> {
    const { payload } = await jwtVerify(idToken, createRemoteJWKSet(new URL(this.server.jwks_uri)), {
      issuer: this.server.issuer,
      audience: this.#credentials.clientId,
    });
    if (payload.nonce !== nonce) throw new UnexpectedAnswer('the ID token was made for another request');
    return payload;
  }

  /** The identifiers of the keys in the server's JWK Set: RFC 7517 section 5. */
  async publishedKeys(): Promise<readonly unknown[]> {
    const { body } = await getJson(this.server.jwks_uri, { signal: this.#signal });
    return parsed(jwkSet, body, 'the JWK Set').keys.map(({ kid }) => kid);
  }

  /** OpenID Connect Core section 5.3. */
  userinfo(accessToken: string): Promise<Answer> {
    return getJson(this.server.userinfo_endpoint, { accessToken, signal: this.#signal });
  }

  /** RFC 7009 section 2.1. */
  revoke(token: string): Promise<Answer> {
    return this.#post(this.server.revocation_endpoint, { token });
  }

  async #tokens(form: Readonly<Record<string, string>>): Promise<TokenResponse> {
    const { status, body } = await this.#post(this.server.token_endpoint, form);
    if (status !== 200)
      throw new UnexpectedAnswer(`the token endpoint answered ${status} ${JSON.stringify(body)}`);
    return parsed(tokenResponse, body, 'the token response');
  }

  #post(url: string, form: Readonly<Record<string, string>>): Promise<Answer> {
    return postForm(url, form, { credentials: this.#credentials, signal: this.#signal });
  }
}
