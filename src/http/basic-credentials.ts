/** Whoever authenticates by HTTP Basic, as OAuth clients do. */
export interface BasicCredentials {
  readonly id: string;
  readonly secret: string;
}

const BASIC = /^Basic +([A-Za-z0-9+/]+={0,2}) *$/i;

/** Reads an `Authorization` header; `null` if it holds no such credentials. RFC 6749 section 2.3.1, RFC 7617. */
export function basicCredentials(authorization: string): BasicCredentials | null {
  const [, encoded] = BASIC.exec(authorization) ?? [];
  if (encoded === undefined) return null;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  if (colon < 0) return null;
  try {
    return { id: formDecoded(text.slice(0, colon)), secret: formDecoded(text.slice(colon + 1)) };
  } catch {
    return null;
  }
}

/** Both parts are encoded as in a form. @throws URIError */
const formDecoded = (text: string) => decodeURIComponent(text.replaceAll('+', ' '));
