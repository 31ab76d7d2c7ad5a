import { isLoopbackHttpUri } from '#src/clients/redirect-uri.ts';

/**
 * The response types beside `code`: OpenID Connect Core sections 3.2 and 3.3. Each of them puts something into the
 * address of the browser; OAuth 2.1 has left them behind (RFC 9700 section 2.1.2).
 */
export const OTHER_RESPONSE_TYPES = [
  'code id_token',
  'id_token',
  'code token',
  'code id_token token',
  'id_token token',
] as const;

export type OtherResponseType = (typeof OTHER_RESPONSE_TYPES)[number];

/** The grant of whatever an authorization response carries beside a code: OpenID Connect Registration section 2. */
export const IMPLICIT_GRANT = 'implicit';

interface Registered {
  readonly grantTypes: readonly string[];
  readonly applicationType: 'web' | 'native';
  readonly redirectUris: readonly string[];
  readonly metadata: { readonly response_types?: readonly string[] | undefined };
}

/** Which response types a client may ask for: the code, if it may redeem one, unless it says otherwise. */
export function responseTypesOf({ grantTypes, metadata }: Registered): readonly string[] {
  return metadata.response_types ?? (grantTypes.includes('authorization_code') ? ['code'] : []);
}

/** True if these are the same response type, whose words have no order: OAuth 2.0 Multiple Response Types section 3. */
export function isAmongResponseTypes(types: readonly string[], type: string): boolean {
  return types.some((each) => normal(each) === normal(type));
}

/** What is wrong with the response types of a client, given those of the server. */
export function* responseTypeProblemsIn(client: Registered, offered: readonly string[]): Generator<string> {
  const types = responseTypesOf(client);
  const words = new Set(types.flatMap((type) => type.split(' ')));
  const frontChannel = words.has('id_token') || words.has('token');
  if (types.some((type) => !isAmongResponseTypes(offered, type))) {
    yield `metadata.response_types: this server has ${offered.join(', ')} (requests.otherResponseTypes)`;
  }
  if (words.has('code') && !client.grantTypes.includes('authorization_code')) {
    yield 'grantTypes: a code is redeemed by authorization_code';
  }
  if (!words.has('code') && client.grantTypes.includes('authorization_code')) {
    yield 'metadata.response_types: one with code in it goes together with authorization_code (RFC 7591 section 2.1)';
  }
  if (frontChannel !== client.grantTypes.includes(IMPLICIT_GRANT)) {
    yield 'grantTypes: implicit goes together with a response type that has id_token or token in it';
  }
  if (frontChannel && client.applicationType === 'web' && client.redirectUris.some(isLoopbackHttpUri)) {
    yield 'redirectUris: without https, a web application is sent codes alone (OpenID Connect Registration section 2)';
  }
}

const normal = (type: string) => [...new Set(type.split(' '))].sort().join(' ');
