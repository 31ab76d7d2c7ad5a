import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  CompactEncrypt,
  type CryptoKey,
  calculateJwkThumbprint,
  compactDecrypt,
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  jwtVerify,
  SignJWT,
} from 'jose';
import type { ClientRegistration } from '#src/clients/client.ts';
import { CALLBACK, type Keyturn } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import { type AuthorizationRequest, RelyingParty } from '#test/support/relying-party.ts';

type Added = Awaited<ReturnType<Keyturn['addClient']>>;
type Metadata = NonNullable<ClientRegistration['metadata']>;

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** The claims of each response, or `null` where it holds nothing that can be told from another. */
export type ProtectedResponse = 'id_token' | 'userinfo' | 'introspection' | 'authorization';

/** Does what a line of the metadata promises, as a client would that read it there, and fails where it is not kept. */
export class MetadataProofs {
  readonly #keyturn: Keyturn;
  readonly #credentials: { login: string; password: string };
  readonly #pairs = new Map<string, Promise<{ publicKey: CryptoKey; privateKey: CryptoKey }>>();

  constructor(keyturn: Keyturn, credentials: { login: string; password: string }) {
    this.#keyturn = keyturn;
    this.#credentials = credentials;
  }

  /** Registers a client with these members of RFC 7591. */
  add(metadata: Metadata, more: Partial<ClientRegistration> = {}): Promise<Added> {
    return this.#keyturn.addClient({ metadata, ...more });
  }

  async request(added: Added, parameters: Record<string, string> = {}) {
    const party = await RelyingParty.discover(this.#keyturn, added, {
      id_token_signed_response_alg: added.client.idTokenSignedResponseAlg,
    });
    return { party, ...(await party.request(parameters)) };
  }

  /** What the token endpoint answers to a whole sign-in, unopened. */
  async signIn(added: Added, parameters: Record<string, string> = {}): Promise<Record<string, string>> {
    const { url, checks } = await this.request(added, parameters);
    const callback = await new Person().authorize(url, this.#credentials);
    return this.redeem(added, callback.searchParams.get('code') ?? '', checks);
  }

  async redeem(
    { client, secret }: Added,
    code: string,
    checks: AuthorizationRequest['checks'],
    headers: Record<string, string> = {},
  ): Promise<Record<string, string>> {
    const answer = await fetch(`${this.#keyturn.issuer}/token`, {
      method: 'POST',
      headers: { Authorization: `Basic ${btoa(`${client.clientId}:${secret}`)}`, ...headers },
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code,
        redirect_uri: CALLBACK,
        code_verifier: checks.pkceCodeVerifier,
      }),
    });
    const tokens = (await answer.json()) as Record<string, string>;
    assert.equal(answer.status, 200, JSON.stringify(tokens));
    return tokens;
  }

  /** Has a response of this kind signed by `alg`, and verifies it by the published keys. */
  async assertSigns(response: ProtectedResponse, alg: string): Promise<void> {
    const idToken = response === 'id_token';
    const metadata = idToken ? {} : { [`${response}_signed_response_alg`]: alg };
    const added = await this.add(metadata, idToken ? { idTokenSignedResponseAlg: alg } : {});
    const jwt = await this.#responseOf(response, added);
    assert.equal(decodeProtectedHeader(jwt).alg, alg);
    await this.#verify(jwt, added);
  }

  /** Has a response of this kind encrypted by these, opens it and verifies what is inside. */
  async assertEncrypts(response: ProtectedResponse, alg: string, enc: string): Promise<void> {
    const { key, jwks } = await this.#recipient(alg);
    const metadata = {
      ...(response === 'userinfo' ? { userinfo_signed_response_alg: 'ES256' } : undefined),
      [`${response}_encrypted_response_alg`]: alg,
      [`${response}_encrypted_response_enc`]: enc,
    };
    const added = await this.add(metadata, jwks);
    const jwe = await this.#responseOf(response, added);
    const { plaintext, protectedHeader } = await compactDecrypt(
      jwe,
      key ?? secretKey(added.secret, alg, enc),
    );
    assert.deepEqual([protectedHeader.alg, protectedHeader.enc], [alg, enc]);
    await this.#verify(new TextDecoder().decode(plaintext), added);
  }

  /** Authenticates at an endpoint by an assertion that is signed with `alg`. */
  async assertAuthenticates(endpoint: string, alg: string): Promise<void> {
    const symmetric = alg.startsWith('HS');
    const authenticationMethod = symmetric ? 'client_secret_jwt' : 'private_key_jwt';
    const jwks = symmetric ? {} : { jwks: { keys: [await this.#publicJwk(alg)] } };
    const added = await this.add({}, { authenticationMethod, ...jwks });
    const { clientId } = added.client;
    const assertion = await new SignJWT({ jti: crypto.randomUUID() })
      .setProtectedHeader({ alg })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(this.#keyturn.issuer)
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(symmetric ? Buffer.from(added.secret) : (await this.#pair(alg)).privateKey);
    await this.#assertKnown(
      endpoint,
      {},
      { client_assertion_type: ASSERTION_TYPE, client_assertion: assertion },
    );
  }

  /** Authenticates at an endpoint in the way of `method`, where a secret or a name is enough. */
  async assertAuthenticatesBy(
    endpoint: string,
    method: 'client_secret_basic' | 'client_secret_post' | 'none',
  ) {
    const { client, secret } = await this.add({}, { authenticationMethod: method });
    const { clientId } = client;
    if (method === 'client_secret_basic')
      return this.#assertKnown(endpoint, { Authorization: `Basic ${btoa(`${clientId}:${secret}`)}` }, {});
    const named = { client_id: clientId };
    return this.#assertKnown(endpoint, {}, method === 'none' ? named : { ...named, client_secret: secret });
  }

  /** Asks for a sign-in by a request object that is signed, and maybe encrypted then, and gets one. */
  async assertTakesRequestObject(alg: string, encryption?: { alg: string; enc: string }): Promise<void> {
    const symmetric = alg.startsWith('HS');
    const metadata: Metadata = {
      request_object_signing_alg: alg,
      ...(encryption && {
        request_object_encryption_alg: encryption.alg,
        request_object_encryption_enc: encryption.enc,
      }),
    };
    const jwks = symmetric ? {} : { jwks: { keys: [await this.#publicJwk(alg)] } };
    const added = await this.add(metadata, jwks);
    const { clientId } = added.client;
    const { url } = await this.request(added);
    let request = await new SignJWT(Object.fromEntries(url.searchParams))
      .setProtectedHeader({ alg, typ: 'oauth-authz-req+jwt' })
      .setIssuer(clientId)
      .setAudience(this.#keyturn.issuer)
      .setNotBefore('0s')
      .setExpirationTime('5m')
      .sign(symmetric ? Buffer.from(added.secret) : (await this.#pair(alg)).privateKey);
    if (encryption !== undefined)
      request = await new CompactEncrypt(Buffer.from(request))
        .setProtectedHeader({ ...encryption, cty: 'JWT' })
        .encrypt(
          encryption.alg.startsWith('ECDH-ES')
            ? await importJWK(await this.#publishedKey(), encryption.alg)
            : secretKey(added.secret, encryption.alg, encryption.enc),
        );
    const search = new URLSearchParams({ client_id: clientId, request });
    const callback = await new Person().authorize(
      `${this.#keyturn.issuer}/authorize?${search}`,
      this.#credentials,
    );
    assert.ok(callback.searchParams.get('code'), callback.href);
  }

  /** What the server publishes for others to encrypt to. */
  async #publishedKey(): Promise<JWK> {
    const { keys } = (await (await fetch(`${this.#keyturn.issuer}/jwks`)).json()) as { keys: JWK[] };
    return keys.find(({ use }) => use === 'enc') ?? assert.fail('there is no key to encrypt to');
  }

  /** Gets an access token that is bound to a key by a proof that is signed with `alg`. */
  async assertBindsByProof(alg: string): Promise<void> {
    const added = await this.add({});
    const { url, checks } = await this.request(added);
    const callback = await new Person().authorize(url, this.#credentials);
    const { publicKey, privateKey } = await this.#pair(alg);
    const jwk = await exportJWK(publicKey);
    const DPoP = await new SignJWT({
      htm: 'POST',
      htu: `${this.#keyturn.issuer}/token`,
      jti: crypto.randomUUID(),
    })
      .setProtectedHeader({ alg, typ: 'dpop+jwt', jwk })
      .setIssuedAt()
      .sign(privateKey);
    const tokens = await this.redeem(added, callback.searchParams.get('code') ?? '', checks, { DPoP });
    const { cnf } = decodeJwt<{ cnf: { jkt: string } }>(tokens.access_token ?? '');
    assert.deepEqual(cnf, { jkt: await calculateJwkThumbprint(jwk) });
  }

  /** Sends a request that lacks what the endpoint is for, and sees that not the client is the problem. */
  async #assertKnown(
    endpoint: string,
    headers: Record<string, string>,
    fields: Record<string, string>,
  ): Promise<void> {
    const answer = await fetch(this.#keyturn.issuer + endpoint, {
      method: 'POST',
      headers,
      body: new URLSearchParams({ token: 'unknown', grant_type: 'authorization_code', ...fields }),
    });
    const { error } = (await answer.json()) as { error?: string };
    assert.ok(error === undefined || error === 'invalid_request', `${answer.status} ${error}`);
  }

  async #responseOf(response: ProtectedResponse, added: Added): Promise<string> {
    if (response === 'authorization') {
      const { url } = await this.request(added, { response_mode: 'query.jwt' });
      const callback = await new Person().authorize(url, this.#credentials);
      return callback.searchParams.get('response') ?? '';
    }
    const tokens = await this.signIn(added);
    const token = tokens.access_token ?? '';
    if (response === 'id_token') return tokens.id_token ?? '';
    const answer =
      response === 'userinfo'
        ? await fetch(`${this.#keyturn.issuer}/userinfo`, { headers: { Authorization: `Bearer ${token}` } })
        : await fetch(`${this.#keyturn.issuer}/introspect`, {
            method: 'POST',
            headers: {
              Accept: 'application/token-introspection+jwt',
              Authorization: `Basic ${btoa(`${added.client.clientId}:${added.secret}`)}`,
            },
            body: new URLSearchParams({ token }),
          });
    assert.equal(answer.status, 200);
    return answer.text();
  }

  async #verify(jwt: string, { client }: Added): Promise<void> {
    const keys = createRemoteJWKSet(new URL(`${this.#keyturn.issuer}/jwks`));
    await jwtVerify(jwt, keys, { issuer: this.#keyturn.issuer, audience: client.clientId });
  }

  /** A key for encryption and where it stands in a registration; none where the secret of the client is the key. */
  async #recipient(alg: string) {
    if (!/^(RSA|ECDH)/.test(alg)) return { key: null, jwks: {} };
    const { publicKey, privateKey } = await this.#pair(alg);
    return { key: privateKey, jwks: { jwks: { keys: [{ ...(await exportJWK(publicKey)), use: 'enc' }] } } };
  }

  async #publicJwk(alg: string) {
    return { ...(await exportJWK((await this.#pair(alg)).publicKey)), alg, use: 'sig' };
  }

  #pair(alg: string) {
    const pair = this.#pairs.get(alg) ?? generateKeyPair(alg, { extractable: true });
    this.#pairs.set(alg, pair);
    return pair;
  }
}

/** The key that both sides make of the secret of the client: OpenID Connect Core section 10.2. */
function secretKey(secret: string, alg: string, enc: string): Uint8Array {
  const bits = alg === 'dir' ? (/HS(\d+)$/.exec(enc) ?? /^A(\d+)/.exec(enc))?.[1] : /^A(\d+)/.exec(alg)?.[1];
  const bytes = Number(bits) / 8;
  const digest = createHash(bytes <= 32 ? 'sha256' : 'sha512')
    .update(secret)
    .digest();
  return digest.subarray(0, bytes);
}
