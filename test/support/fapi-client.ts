import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import type { Client, ClientRegistration } from '#src/clients/client.ts';
import { CALLBACK, type Keyturn } from '#test/support/keyturn.ts';
import type { Person } from '#test/support/person.ts';

type KeyPair = Awaited<ReturnType<typeof generateKeyPair>>;
type Says = Readonly<Record<string, unknown>>;

/** What came back from an endpoint. */
export interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly headers: Headers;
}

/** Something to say otherwise than a client of the profile would. `undefined` leaves a member out. */
export interface Odd {
  readonly assertion?: Says;
  readonly assertionHeader?: Says;
  readonly proof?: Says | 'none';
  readonly parameters?: Says;
}

const nowSeconds = () => Math.floor(Date.now() / 1000);

/** Leaves out what is `undefined`. */
const said = (claims: Says) => JSON.parse(JSON.stringify(claims)) as Record<string, unknown>;

/** A client of the FAPI 2.0 Security Profile, of which every message can be made to say something else. */
export class FapiClient {
  readonly client: Client;
  readonly #issuer: string;
  readonly #keys: KeyPair;
  readonly #proofKeys: KeyPair;
  readonly #proofJwk: JWK;
  readonly verifier = randomBytes(32).toString('base64url');
  readonly state = randomUUID();

  private constructor(issuer: string, client: Client, keys: KeyPair, proofKeys: KeyPair, proofJwk: JWK) {
    this.#issuer = issuer;
    this.client = client;
    this.#keys = keys;
    this.#proofKeys = proofKeys;
    this.#proofJwk = proofJwk;
  }

  static async register(
    keyturn: Keyturn,
    registration: Partial<ClientRegistration> = {},
    alg = 'PS256',
    proofAlg = 'ES256',
  ): Promise<FapiClient> {
    const keys = await generateKeyPair(alg, { extractable: true });
    const proofKeys = await generateKeyPair(proofAlg, { extractable: true });
    const { client } = await keyturn.addClient({
      profile: 'fapi-2.0-security',
      applicationType: 'native',
      authenticationMethod: 'private_key_jwt',
      jwks: { keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'own', alg, use: 'sig' }] },
      ...registration,
    });
    const proofJwk = { ...(await exportJWK(proofKeys.publicKey)), alg: proofAlg };
    return new FapiClient(keyturn.issuer, client, keys, proofKeys, proofJwk);
  }

  /** A JWT by the client's own key. */
  async sign(claims: Says, header: Says = {}): Promise<string> {
    const [alg = 'PS256'] = [this.client.jwks?.keys[0]?.alg as string];
    return new SignJWT(said(claims))
      .setProtectedHeader({ alg, kid: 'own', ...header })
      .sign(this.#keys.privateKey);
  }

  async assertion(claims: Says = {}, header: Says = {}): Promise<string> {
    const { clientId } = this.client;
    const now = nowSeconds();
    const usual = {
      iss: clientId,
      sub: clientId,
      aud: this.#issuer,
      jti: randomUUID(),
      iat: now,
      exp: now + 60,
    };
    return this.sign({ ...usual, ...claims }, header);
  }

  /** A DPoP proof for one request. RFC 9449 section 4.2. */
  async proof(htm: string, url: string, claims: Says = {}): Promise<string> {
    const usual = { htm, htu: url, jti: randomUUID(), iat: nowSeconds() };
    return new SignJWT(said({ ...usual, ...claims }))
      .setProtectedHeader({ typ: 'dpop+jwt', alg: this.#proofJwk.alg ?? '', jwk: this.#proofJwk })
      .sign(this.#proofKeys.privateKey);
  }

  async post(path: string, parameters: Says, odd: Odd = {}): Promise<Answer> {
    const url = `${this.#issuer}${path}`;
    const form = said({
      client_id: this.client.clientId,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await this.assertion(odd.assertion, odd.assertionHeader),
      ...parameters,
      ...odd.parameters,
    }) as Record<string, string>;
    const headers = odd.proof === 'none' ? {} : { DPoP: await this.proof('POST', url, odd.proof) };
    const response = await fetch(url, { method: 'POST', headers, body: new URLSearchParams(form) });
    return {
      status: response.status,
      body: (await response.json()) as Record<string, unknown>,
      headers: response.headers,
    };
  }

  /** The parameters of an authorization request. */
  request(): Record<string, unknown> {
    return {
      response_type: 'code',
      client_id: this.client.clientId,
      redirect_uri: CALLBACK,
      scope: 'openid',
      state: this.state,
      code_challenge: createHash('sha256').update(this.verifier).digest('base64url'),
      code_challenge_method: 'S256',
    };
  }

  push(odd: Odd = {}): Promise<Answer> {
    return this.post('/par', this.request(), { proof: 'none', ...odd });
  }

  /** Where the browser is sent once the request has been pushed. */
  authorizationUrl(pushed: Answer, parameters: Says = {}): URL {
    const url = new URL(`${this.#issuer}/authorize`);
    const sent = said({
      client_id: this.client.clientId,
      request_uri: pushed.body.request_uri,
      ...parameters,
    });
    for (const [name, value] of Object.entries(sent)) url.searchParams.set(name, String(value));
    return url;
  }

  async code(
    person: Person,
    credentials: { login: string; password: string },
    odd: Odd = {},
  ): Promise<string> {
    const callback = await person.authorize(this.authorizationUrl(await this.push(odd)), credentials);
    return callback.searchParams.get('code') ?? `none: ${callback.search}`;
  }

  redeem(code: string, odd: Odd = {}): Promise<Answer> {
    return this.post(
      '/token',
      { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: this.verifier },
      odd,
    );
  }

  refresh(token: unknown, odd: Odd = {}): Promise<Answer> {
    return this.post('/token', { grant_type: 'refresh_token', refresh_token: token }, odd);
  }

  /** Asks for userinfo with a token and a proof. */
  async userinfo(token: unknown, claims: Says = {}): Promise<number> {
    const url = `${this.#issuer}/userinfo`;
    const ath = createHash('sha256').update(String(token)).digest('base64url');
    const headers = {
      authorization: `DPoP ${token}`,
      DPoP: await this.proof('GET', url, { ath, ...claims }),
    };
    return (await fetch(url, { headers })).status;
  }
}
