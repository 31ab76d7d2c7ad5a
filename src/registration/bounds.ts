import type { GrantType } from '#src/clients/client.ts';
import type { ClientAuthenticationMethod } from '#src/clients/client-authentication.ts';
import type { ProfileName } from '#src/clients/profile.ts';
import { IMPLICIT_GRANT, isAmongResponseTypes } from '#src/clients/response-type.ts';
import { formatScope } from '#src/clients/scope.ts';

/** What a client may make itself at most. */
export interface Bounds {
  readonly grantTypes: readonly GrantType[];
  readonly authenticationMethods: readonly ClientAuthenticationMethod[];
  readonly responseTypes: readonly string[];
  readonly scope: readonly string[];
  /** False if it may go without PKCE where RFC 9700 section 2.1.1 lets it. */
  readonly requirePkce: boolean;
  readonly profile: ProfileName | null;
  /** How ID tokens are signed for a client that does not say: OpenID Connect Dynamic Client Registration section 2. */
  readonly idTokenSignedResponseAlg: string;
}

/** What a client describes, before anything of it is checked. */
export type Described = Readonly<Record<string, unknown>>;

/**
 * A description made to fit. Of a list, what is out of bounds is left out, as RFC 7591 section 3.2.1 allows, and the
 * client reads in the answer what it got. A list of which nothing is left, and a single value out of bounds, are
 * problems: they are reported and left as they are.
 */
export function withinBounds(
  described: Described,
  bounds: Bounds,
): { readonly described: Described; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const metadata = { ...(described.metadata as Described | undefined) };
  const possible = responseTypesWithin(bounds);
  const responseTypes = narrowedBy(metadata.response_types, (type) => isAmongResponseTypes(possible, type));
  if (isEmptied(metadata.response_types, responseTypes))
    problems.push(`metadata.response_types: a client that registers itself may have ${possible.join(', ')}`);
  // Whoever names the implicit grant and gets nothing but codes has no use for it.
  const unused = isCodesAlone(responseTypes) ? IMPLICIT_GRANT : null;
  const grantTypes = narrowedBy(
    described.grantTypes ?? ['authorization_code'],
    (type) => type !== unused && (bounds.grantTypes as readonly string[]).includes(type),
  );
  if (isEmptied(described.grantTypes, grantTypes))
    problems.push(`grantTypes: a client that registers itself may have ${bounds.grantTypes.join(', ')}`);
  const method = described.authenticationMethod ?? defaultMethodOf(bounds);
  if (typeof method === 'string' && !(bounds.authenticationMethods as readonly string[]).includes(method)) {
    const methods = bounds.authenticationMethods.join(', ');
    problems.push(`authenticationMethod: a client that registers itself may use ${methods}`);
  }
  return {
    problems,
    described: {
      idTokenSignedResponseAlg: bounds.idTokenSignedResponseAlg,
      ...described,
      name: described.name ?? hostOf(described) ?? NAMELESS,
      authenticationMethod: method,
      grantTypes,
      scope: scopeWithin(described.scope, grantTypes, bounds.scope),
      requirePkce: bounds.requirePkce || method === 'none',
      profile: bounds.profile,
      metadata: responseTypes === undefined ? metadata : { ...metadata, response_types: responseTypes },
    },
  };
}

/** What people are shown of a client that does not say how it is called, and has no address either. */
const NAMELESS = 'An application without a name';

/** What a client gets from the authorization endpoint beside a code is a grant of its own. */
function responseTypesWithin({ grantTypes, responseTypes }: Bounds): readonly string[] {
  return responseTypes.filter((type) => type === 'code' || grantTypes.includes(IMPLICIT_GRANT));
}

/** What is not a list stays what it is, for whoever checks it. */
function narrowedBy(value: unknown, within: (each: string) => boolean): unknown {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string' && within(each)) : value;
}

function isCodesAlone(responseTypes: unknown): boolean {
  return !Array.isArray(responseTypes) || responseTypes.every((type) => type === 'code');
}

function isEmptied(before: unknown, after: unknown): boolean {
  return Array.isArray(before) && before.length > 0 && Array.isArray(after) && after.length === 0;
}

function defaultMethodOf({ authenticationMethods }: Bounds): string | undefined {
  const byDefault = 'client_secret_basic';
  return authenticationMethods.includes(byDefault) ? byDefault : authenticationMethods[0];
}

/** A client that names no scope may ask people for whatever it could have named. */
function scopeWithin(scope: unknown, grantTypes: unknown, bounds: readonly string[]): unknown {
  if (typeof scope === 'string') return formatScope(scope.split(' ').filter((each) => bounds.includes(each)));
  if (scope !== undefined || !Array.isArray(grantTypes)) return scope;
  const person = grantTypes.some((type) => type !== 'client_credentials' && type !== 'refresh_token');
  // Nobody is asked about what a client does for itself, so that it has to say.
  if (!person) return '';
  const refreshes = grantTypes.includes('refresh_token');
  return formatScope(bounds.filter((each) => refreshes || each !== 'offline_access'));
}

/** Where a client is at home, as far as it says so: a name that stands for something. */
function hostOf({ clientUri, redirectUris }: Described): string | null {
  for (const uri of [clientUri, redirectUris].flat()) {
    const url = typeof uri === 'string' ? URL.parse(uri) : null;
    if (url?.protocol === 'https:') return url.hostname;
  }
  return null;
}
