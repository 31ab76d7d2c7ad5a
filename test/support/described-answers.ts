import { decodeJwt, decodeProtectedHeader } from 'jose';

export type Fields = Readonly<Record<string, string>>;

/** A field that no endpoint knows. It means nothing (RFC 6749 section 3.2), and no shortcut is taken with it. */
export const MEANINGLESS = { meaningless: 'x' };

/** What differs from one answer to the next, however they are made. */
export const VOLATILE = ['date', 'x-request-id', 'content-length'];

/** What an endpoint answers to a form, with its tokens described: alike for requests that were answered alike. */
export async function askForm(url: string, fields: Fields, headers: Record<string, string>) {
  const response = await fetch(url, { method: 'POST', body: new URLSearchParams(fields), headers });
  const answered = Object.fromEntries(response.headers);
  for (const name of VOLATILE) delete answered[name];
  const { access_token, id_token, refresh_token, request_uri, ...body } = (await response.json()) as Fields;
  const described = {
    access: describedJwt(access_token),
    id: describedJwt(id_token),
    refresh: describedJwt(refresh_token),
    reference: request_uri?.replace(/[\w-]+$/, ({ length }) => `${length} characters`),
  };
  return { status: response.status, headers: answered, body, tokens: described };
}

/** What a token says. Of what is never the same, that it is there. */
export function describedJwt(token: string | undefined) {
  if (!token?.includes('.')) return typeof token;
  const { iat = 0, exp = 0, ...claims } = decodeJwt(token);
  for (const name of ['jti', 'status', 'grant_id', 'sid', 'nonce', 'auth_time'])
    if (name in claims) claims[name] = typeof claims[name];
  return { header: decodeProtectedHeader(token), claims, lifetime: exp - iat };
}
