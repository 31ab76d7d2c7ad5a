import { CIBA_GRANT } from '#src/clients/backchannel-delivery.ts';
import type { Keyturn } from '#test/support/keyturn.ts';

export interface BackchannelAuthentication {
  readonly auth_req_id: string;
  readonly expires_in: number;
  readonly interval: number;
}

/** A client that asks people who are elsewhere: OpenID Connect CIBA. */
export class BackchannelClient {
  readonly issuer: string;
  readonly clientId: string;
  readonly secret: string;
  /** The header by which it authenticates. */
  readonly authentication: Record<string, string>;

  private constructor(issuer: string, { clientId, secret }: { clientId: string; secret: string }) {
    this.issuer = issuer;
    this.clientId = clientId;
    this.secret = secret;
    this.authentication = { authorization: `Basic ${btoa(`${clientId}:${secret}`)}` };
  }

  static async register(
    keyturn: Keyturn,
    registration: Parameters<Keyturn['addClient']>[0] = {},
  ): Promise<BackchannelClient> {
    const { client, secret } = await keyturn.addClient({
      name: 'Bank',
      redirectUris: [],
      grantTypes: [CIBA_GRANT, 'refresh_token'],
      scope: 'openid profile offline_access read',
      ...registration,
    });
    return new BackchannelClient(keyturn.issuer, { clientId: client.clientId, secret });
  }

  /** CIBA section 7.1. */
  ask(fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> {
    return this.#post('/backchannel', fields, headers);
  }

  /** Asks for somebody, and fails the test unless the request is taken. */
  async begin(fields: Record<string, string>): Promise<BackchannelAuthentication> {
    const response = await this.ask({ scope: 'openid', ...fields });
    if (response.status !== 200) throw new Error(await response.text());
    return (await response.json()) as BackchannelAuthentication;
  }

  /** CIBA section 10.1. */
  poll(
    authReqId: string,
    fields: Record<string, string> = {},
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return this.#post('/token', { grant_type: CIBA_GRANT, auth_req_id: authReqId, ...fields }, headers);
  }

  /** The error of a poll; `null` if it was answered with tokens. */
  async pollError(authReqId: string): Promise<string | null> {
    const response = await this.poll(authReqId);
    return ((await response.json()) as { error?: string }).error ?? null;
  }

  #post(path: string, fields: Record<string, string>, headers: Record<string, string>): Promise<Response> {
    return fetch(this.issuer + path, {
      method: 'POST',
      body: new URLSearchParams(fields),
      headers: { ...this.authentication, ...headers },
    });
  }
}
