import type { KoaContextWithOIDC, Provider } from 'oidc-provider';

/** The endpoints that clients call by themselves, as the library calls them; in the metadata each is an `_endpoint`. */
const ALIASED = [
  'token',
  'revocation',
  'introspection',
  'pushed_authorization_request',
  'device_authorization',
  'backchannel_authentication',
  'userinfo',
] as const;

/** What the metadata says of the origin where clients are asked for certificates: RFC 8705 section 5. */
export function endpointAliases(
  document: Readonly<Record<string, unknown>>,
  origin: string,
): Readonly<Record<string, string>> {
  const names = ALIASED.map((endpoint) => `${endpoint}_endpoint`).filter(
    (name) => document[name] !== undefined,
  );
  return Object.fromEntries(names.map((name) => [name, aliasOf(String(document[name]), origin)]));
}

/**
 * Teaches the library that an endpoint has the address under which it was called, so that assertions and proofs may
 * name that one: RFC 9449 section 4.3. The address is one of two; which of them, the client alone is concerned by.
 */
export function teachEndpointAliases(provider: Provider, origin: string): void {
  const contexts = provider.OIDCContext.prototype as unknown as {
    urlFor(
      this: KoaContextWithOIDC['oidc'] & { ctx: KoaContextWithOIDC },
      name: string,
      options?: object,
    ): string;
  };
  const { urlFor } = contexts;
  const { host } = new URL(origin);
  const aliased: ReadonlySet<string> = new Set(ALIASED);
  contexts.urlFor = function urlForCaller(name, options) {
    const url = urlFor.call(this, name, options);
    return aliased.has(name) && this.ctx.get('Host') === host ? aliasOf(url, origin) : url;
  };
}

function aliasOf(url: string, origin: string): string {
  return origin + new URL(url).pathname;
}
