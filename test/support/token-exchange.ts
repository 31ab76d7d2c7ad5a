import assert from 'node:assert/strict';
import { type Keyturn, startKeyturnHere, stopFaultless } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { refusalOf } from '#test/support/refused.ts';
import { RelyingParty, type Tokens } from '#test/support/relying-party.ts';

export const API = 'https://api.example.com';
export const ORDERS = 'https://orders.example.com';
export const ORDERS_AUDIENCE = 'urn:orders';
/** Its tokens are opaque. */
export const VAULT = 'https://vault.example.com';

export const TOKEN_EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
/** What the names of token types begin with: RFC 8693 section 3. */
export const TYPE = 'urn:ietf:params:oauth:token-type:';

export type Added = Awaited<ReturnType<Keyturn['addClient']>>;
export type Fields = Record<string, string | string[] | undefined>;

/** A token response: RFC 8693 section 2.2.1. */
export interface Exchanged {
  readonly access_token: string;
  readonly issued_token_type: string;
  readonly token_type: string;
  readonly expires_in: number;
  readonly scope?: string;
  readonly refresh_token?: string;
}

/** A Keyturn with an application, an API that is its audience, and APIs behind that one. */
export class ExchangeHouse implements AsyncDisposable {
  readonly keyturn: Keyturn;
  readonly web: RelyingParty;
  readonly webClient: Added;
  /** Stands for the API, and acts for whoever calls it. */
  readonly gateway: Added;
  readonly ada = { login: 'ada', password: '' };
  readonly bob = { login: 'bob', password: '' };

  private constructor(keyturn: Keyturn, web: RelyingParty, clients: { webClient: Added; gateway: Added }) {
    this.keyturn = keyturn;
    this.web = web;
    this.webClient = clients.webClient;
    this.gateway = clients.gateway;
  }

  static async open(env: Record<string, string> = {}): Promise<ExchangeHouse> {
    const keyturn = await startKeyturnHere(env);
    await keyturn.addResourceServer({ identifier: API, scope: ['read', 'write'] });
    await keyturn.addResourceServer({
      identifier: ORDERS,
      audience: ORDERS_AUDIENCE,
      scope: ['read', 'ship'],
      accessTokenLifetimeSeconds: 600,
    });
    await keyturn.addResourceServer({ identifier: VAULT, scope: ['read'], tokenFormat: 'opaque' });
    const webClient = await keyturn.addClient({ scope: 'openid offline_access read write' });
    const gateway = await keyturn.addClient({
      name: 'Gateway',
      redirectUris: [],
      grantTypes: ['client_credentials', TOKEN_EXCHANGE],
      scope: 'read ship write',
      tokenExchange: { from: [API, VAULT], to: [ORDERS, VAULT] },
    });
    const web = await RelyingParty.discover(keyturn, webClient);
    const house = new ExchangeHouse(keyturn, web, { webClient, gateway });
    for (const who of [house.ada, house.bob]) who.password = (await keyturn.addAccount(who.login)).password;
    return house;
  }

  /** What the application has once ada, or whoever else, has signed in: a token for the API among it. */
  signIn(who = this.ada, parameters: Record<string, string> = {}, person = new Person()): Promise<Tokens> {
    const asked = { scope: 'openid read write', resource: API, ...parameters };
    return this.web.signIn(person, who, asked, { resource: asked.resource });
  }

  /** An exchange of an access token for one for the orders, with anything about it changed. */
  fields(subjectToken: string, changes: Fields = {}): Fields {
    return {
      grant_type: TOKEN_EXCHANGE,
      subject_token: subjectToken,
      subject_token_type: `${TYPE}access_token`,
      resource: ORDERS,
      ...changes,
    };
  }

  post(by: Added, fields: Fields, headers: Record<string, string> = {}, path = '/token'): Promise<Response> {
    const body = new URLSearchParams();
    for (const [name, value] of Object.entries(fields))
      for (const each of [value ?? []].flat()) body.append(name, each);
    const credentials = Buffer.from(`${by.client.clientId}:${by.secret}`).toString('base64');
    return fetch(`${this.keyturn.issuer}${path}`, {
      method: 'POST',
      headers: { authorization: `Basic ${credentials}`, ...headers },
      body,
    });
  }

  /** The answer to a request that is served. */
  async served(by: Added, fields: Fields, headers?: Record<string, string>): Promise<Exchanged> {
    const response = await this.post(by, fields, headers);
    assert.equal(response.status, 200, await response.clone().text());
    assert.match(response.headers.get('cache-control') ?? '', /no-store/);
    return (await response.json()) as Exchanged;
  }

  /** The error of a request that is refused. */
  async refused(by: Added, fields: Fields, headers?: Record<string, string>): Promise<string> {
    const { status, error } = await refusalOf(await this.post(by, fields, headers));
    assert.equal(status, 400);
    return error;
  }

  async introspect(by: Added, token: string): Promise<Record<string, unknown>> {
    return (await (await this.post(by, { token }, {}, '/introspect')).json()) as Record<string, unknown>;
  }

  async isActive(by: Added, token: string): Promise<boolean> {
    return (await this.introspect(by, token)).active === true;
  }

  /** Closes the house, and fails if anything in it went wrong without anyone noticing. */
  [Symbol.asyncDispose](): Promise<void> {
    return stopFaultless(this.keyturn);
  }
}
