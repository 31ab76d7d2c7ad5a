import { type Client, errors, type Provider } from 'oidc-provider';
import { currentRequest } from '#src/oidc/library.ts';
import { parseJwt, verifyJwt } from '#src/signing/jws.ts';
import type { KeyHolder } from '#src/signing/key-holder.ts';
import type { Authorizations } from '#src/tokens/authorization.ts';

/** What a client is told that sends an ID token on as it came: it alone has the key. OpenID Connect Core section 3.1.2.1. */
export const ENCRYPTED_HINT = 'id_token_hint is encrypted; send the signed ID token that is inside it';

/** True for a JWE, which has five parts: RFC 7516 section 3.1. */
export function isEncrypted(jwt: string): boolean {
  return /^[\w-]+(?:\.[\w-]*){4}$/.test(jwt);
}

/**
 * Teaches the library to accept an ID token as a hint as long as its key is published, and not only while that key
 * signs: OpenID Connect RP-Initiated Logout section 2. An expired one is still a good hint. And to name in it the
 * authorization that it was issued under, so that it can be exchanged for as long as that stands (RFC 8693).
 */
export function teachIdTokens(
  provider: Provider,
  {
    issuer,
    keys,
    authorizations,
  }: { issuer: string; keys: KeyHolder; authorizations: Pick<Authorizations, 'find'> },
): void {
  const IdTokens = provider.IdToken as unknown as {
    validate(jwt: string, client: Client): Promise<{ header: object; payload: object }>;
    prototype: {
      scope: string | undefined;
      issue(options: { use: string }): Promise<string>;
      set(claim: string, value: unknown): void;
    };
  };
  /** CIBA takes `sub` for the account's own; a pairwise one does not lead back to it, but the authorization does. */
  async function withAccount(claims: Readonly<Record<string, unknown>>): Promise<object> {
    const { grant_id: id, sub } = claims;
    const authorization = typeof id === 'string' ? await authorizations.find(id) : null;
    return { ...claims, sub: authorization?.subject ?? sub };
  }
  const { issue } = IdTokens.prototype;
  IdTokens.prototype.issue = function issueIdToken(options) {
    if (options.use === 'idtoken') {
      const { grant, params, route } = currentRequest().oidc;
      this.set('grant_id', grant?.jti);
      // What travels through the browser says no more than it has to, if the rest can be fetched: Core section 5.4.
      if (route !== 'token' && params?.response_type !== 'id_token') this.scope = 'openid';
    }
    return issue.call(this, options);
  };
  IdTokens.validate = async (jwt, client) => {
    if (isEncrypted(jwt)) throw new errors.InvalidRequest(ENCRYPTED_HINT);
    const parsed = parseJwt(jwt);
    const valid =
      parsed !== null &&
      verifyJwt(parsed, (kid) => liveKey(keys, kid)) &&
      // The key says the algorithm; that of the client may have changed since the token was signed.
      // ID tokens have no type; whatever has one is another kind of token (RFC 8725 section 3.11).
      parsed.header.typ === undefined &&
      parsed.claims.iss === issuer &&
      typeof parsed.claims.sub === 'string' &&
      [parsed.claims.aud].flat().includes(client.clientId);
    if (!valid) throw new errors.InvalidRequest('could not validate id_token_hint');
    const { oidc } = currentRequest();
    const named = oidc.route === 'backchannel_authentication' && client.subjectType === 'pairwise';
    return { header: parsed.header, payload: named ? await withAccount(parsed.claims) : parsed.claims };
  };
}

/** A key that is only published to be tried out signs no ID token. */
function liveKey(keys: KeyHolder, kid: string) {
  const key = keys.verifier(kid);
  return key === null || key.rehearsed ? null : key;
}
