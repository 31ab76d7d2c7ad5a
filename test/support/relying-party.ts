import assert from 'node:assert/strict';
import * as oauth from 'openid-client';
import type { Client } from '#src/clients/client.ts';
import { CALLBACK, type Keyturn } from '#test/support/keyturn.ts';
import type { Person } from '#test/support/person.ts';

export type Tokens = Awaited<ReturnType<typeof oauth.authorizationCodeGrant>>;

/** A client as its developers would write it, on openid-client. */
export class RelyingParty {
  readonly configuration: oauth.Configuration;

  private constructor(configuration: oauth.Configuration) {
    this.configuration = configuration;
  }

  static async discover(
    { issuer }: Pick<Keyturn, 'issuer'>,
    { client, secret }: { client: Pick<Client, 'clientId' | 'authenticationMethod'>; secret: string },
    metadata: Partial<oauth.ClientMetadata> = {},
  ): Promise<RelyingParty> {
    const ownKeys = () => assert.fail('a client with keys of its own configures itself');
    const methods = {
      none: oauth.None,
      client_secret_basic: oauth.ClientSecretBasic,
      client_secret_post: oauth.ClientSecretPost,
      client_secret_jwt: oauth.ClientSecretJwt,
      private_key_jwt: ownKeys,
      tls_client_auth: ownKeys,
      self_signed_tls_client_auth: ownKeys,
      attest_jwt_client_auth: ownKeys,
      attest_jwt_client_auth_dpop: ownKeys,
    };
    const authentication = methods[client.authenticationMethod](secret);
    const configuration = await oauth.discovery(
      new URL(issuer),
      client.clientId,
      { id_token_signed_response_alg: 'ES256', ...metadata },
      authentication,
      { execute: [oauth.allowInsecureRequests] },
    );
    return new RelyingParty(configuration);
  }

  /** A resource server, which introspects by credentials of its own. */
  static discoverApi(
    keyturn: Pick<Keyturn, 'issuer'>,
    { resourceServer: { clientId }, secret }: Awaited<ReturnType<Keyturn['addResourceServer']>>,
  ): Promise<RelyingParty> {
    const client = { clientId, authenticationMethod: 'client_secret_basic' } as const;
    return RelyingParty.discover(keyturn, { client, secret });
  }

  /** An authorization request with PKCE, state and nonce, and what is needed to check its answer. */
  async request(parameters: Record<string, string> = {}): Promise<AuthorizationRequest> {
    const verifier = oauth.randomPKCECodeVerifier();
    const checks = {
      pkceCodeVerifier: verifier,
      expectedState: oauth.randomState(),
      expectedNonce: oauth.randomNonce(),
    };
    const openid = (parameters.scope ?? 'openid').split(' ').includes('openid');
    const url = oauth.buildAuthorizationUrl(this.configuration, {
      redirect_uri: CALLBACK,
      scope: 'openid',
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state: checks.expectedState,
      ...(openid ? { nonce: checks.expectedNonce } : undefined),
      ...parameters,
    });
    if (openid) return { url, checks };
    return { url, checks: { pkceCodeVerifier: verifier, expectedState: checks.expectedState } };
  }

  redeem(
    callback: URL,
    checks: AuthorizationRequest['checks'],
    parameters?: Record<string, string>,
  ): Promise<Tokens> {
    return oauth.authorizationCodeGrant(this.configuration, callback, checks, parameters);
  }

  /** The whole code flow with a person who signs in and agrees. */
  async signIn(
    person: Person,
    credentials: { login: string; password: string },
    parameters: Record<string, string> = {},
    tokenParameters?: Record<string, string>,
  ): Promise<Tokens> {
    const { url, checks } = await this.request(parameters);
    return this.redeem(await person.authorize(url, credentials), checks, tokenParameters);
  }

  refresh(token: string, parameters?: Record<string, string>): Promise<Tokens> {
    return oauth.refreshTokenGrant(this.configuration, token, parameters);
  }

  introspect(token: string): Promise<oauth.IntrospectionResponse> {
    return oauth.tokenIntrospection(this.configuration, token);
  }

  revoke(token: string): Promise<void> {
    return oauth.tokenRevocation(this.configuration, token);
  }
}

export interface AuthorizationRequest {
  readonly url: URL;
  readonly checks: { pkceCodeVerifier: string; expectedState: string; expectedNonce?: string };
}
