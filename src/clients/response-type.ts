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
