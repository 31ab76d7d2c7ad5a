import { DEVICE_CODE_GRANT } from '#src/clients/client.ts';
import type { Keyturn } from '#test/support/keyturn.ts';
import type { Person, Visit } from '#test/support/person.ts';

export interface DeviceAuthorization {
  readonly device_code: string;
  readonly user_code: string;
  readonly verification_uri: string;
  readonly verification_uri_complete: string;
  readonly expires_in: number;
  readonly interval: number;
}

/** A device without a browser, which is a public client, and what people do for it at the server. */
export class Device {
  readonly issuer: string;
  readonly clientId: string;

  private constructor(issuer: string, clientId: string) {
    this.issuer = issuer;
    this.clientId = clientId;
  }

  static async register(
    keyturn: Keyturn,
    registration: Parameters<Keyturn['addClient']>[0] = {},
  ): Promise<Device> {
    const { client } = await keyturn.addClient({
      name: 'Television',
      authenticationMethod: 'none',
      redirectUris: [],
      grantTypes: [DEVICE_CODE_GRANT, 'refresh_token'],
      scope: 'openid profile offline_access read write',
      ...registration,
    });
    return new Device(keyturn.issuer, client.clientId);
  }

  /** RFC 8628 section 3.1. */
  ask(fields: Record<string, string> = { scope: 'openid profile' }, headers: Record<string, string> = {}) {
    return this.#post('/device_authorization', fields, headers);
  }

  /** Asks for codes, and fails the test unless they are given. */
  async begin(
    fields?: Record<string, string>,
    headers?: Record<string, string>,
  ): Promise<DeviceAuthorization> {
    const response = await this.ask(fields, headers);
    if (response.status !== 200) throw new Error(await response.text());
    return (await response.json()) as DeviceAuthorization;
  }

  /** RFC 8628 section 3.4. */
  poll(deviceCode: string, fields: Record<string, string> = {}, headers: Record<string, string> = {}) {
    return this.#post('/token', this.tokenRequest(deviceCode, fields), headers);
  }

  tokenRequest(deviceCode: string, fields: Record<string, string> = {}): Record<string, string> {
    return { grant_type: DEVICE_CODE_GRANT, device_code: deviceCode, client_id: this.clientId, ...fields };
  }

  /** The error of a poll; `null` if it was answered with tokens. */
  async pollError(deviceCode: string): Promise<string | null> {
    const response = await this.poll(deviceCode);
    return ((await response.json()) as { error?: string }).error ?? null;
  }

  /** A person opens the page, and types the code. */
  async enter(person: Person, userCode: string): Promise<Visit> {
    return person.submit(await person.visit(`${this.issuer}/device`), '/device', { user_code: userCode });
  }

  /** They confirm the device, sign in and consent, as far as they are asked. Ends at the page that says how it went. */
  async approve(
    person: Person,
    userCode: string,
    credentials: { login: string; password: string },
  ): Promise<Visit> {
    return this.consent(person, await this.confirm(person, userCode), credentials);
  }

  /** They say that it is their device. */
  async confirm(person: Person, userCode: string): Promise<Visit> {
    return person.submit(await this.enter(person, userCode), '/device');
  }

  async consent(
    person: Person,
    asked: Visit,
    credentials: { login: string; password: string },
  ): Promise<Visit> {
    let page = asked;
    if (page.html.includes('/sign-in"')) page = await person.submit(page, '/sign-in', credentials);
    if (page.html.includes('/consent"')) page = await person.submit(page, '/consent');
    return page;
  }

  #post(path: string, fields: Record<string, string>, headers: Record<string, string>): Promise<Response> {
    return fetch(this.issuer + path, {
      method: 'POST',
      body: new URLSearchParams({ client_id: this.clientId, ...fields }),
      headers,
    });
  }
}
