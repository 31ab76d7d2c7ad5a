import { Refusal } from '#src/fault.ts';

/**
 * The scopes that ask the authorization server itself: OpenID Connect Core section 5.4 and section 11; `groups` and
 * `roles`, each for the claim of its name, as many servers have them.
 */
export const OPENID_SCOPES = ['openid', 'profile', 'email', 'groups', 'roles', 'offline_access'] as const;

/** Those of them for any client, however it came. Groups and roles tell how a company is made: an administrator chooses who is told. */
export const SCOPES_FOR_ANYONE = ['openid', 'profile', 'email', 'offline_access'] as const;

const OPENID_SCOPE_SET: ReadonlySet<string> = new Set(OPENID_SCOPES);

export const SCOPE_LENGTH_MAX = 128;
export const SCOPES_MAX = 100;

/** scope-token of RFC 6749 section 3.3. */
export const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** True for a scope of the authorization server, false for one that a resource server has to define. */
export function isOpenIdScope(scope: string): boolean {
  return OPENID_SCOPE_SET.has(scope);
}

/**
 * The scopes of a space-separated list, each once, in their order.
 * @throws Refusal `invalid_scope` for a name that RFC 6749 section 3.3 does not allow.
 */
export function parseScope(text: string): readonly string[] {
  const scopes = [...new Set(text.split(' ').filter((scope) => scope !== ''))];
  if (scopes.length > SCOPES_MAX) throw new Refusal('invalid_scope', `more than ${SCOPES_MAX} scopes`);
  for (const scope of scopes) {
    if (scope.length > SCOPE_LENGTH_MAX || !SCOPE_TOKEN.test(scope)) {
      throw new Refusal('invalid_scope', `${JSON.stringify(scope)} is not a scope (RFC 6749 section 3.3)`);
    }
  }
  return scopes;
}

export function formatScope(scopes: Iterable<string>): string {
  return [...scopes].join(' ');
}
