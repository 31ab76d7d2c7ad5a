import type { IncomingHttpHeaders } from 'node:http';
import { parseForm } from '#src/http/request-body.ts';

/** A form of which each field came once, and nothing that is none of its fields. */
export type PlainForm = Readonly<Record<string, string | undefined>>;

/** What a client says to be who it is: RFC 6749 section 2.3.1. */
export interface PlainCredentials {
  readonly clientId: string;
  readonly secret: string;
}

/** Headers by which a client asks for more than the plain protocol. */
const PROOFS = ['dpop', 'oauth-client-attestation', 'oauth-client-attestation-pop', 'origin'] as const;

const FORM_TYPE = /^application\/x-www-form-urlencoded(?:; ?charset=utf-8)?$/i;

/** True for a form that is sent without a proof of possession, an attestation, or a page behind it. */
export function isPlain(headers: IncomingHttpHeaders): boolean {
  return FORM_TYPE.test(headers['content-type'] ?? '') && isWithoutProof(headers);
}

const isWithoutProof = (headers: IncomingHttpHeaders) => PROOFS.every((name) => headers[name] === undefined);

/** The letters of our tokens. */
const BEARER = /^Bearer ([\w.-]+)$/i;

/** The token of whoever brings nothing but that; `null` for every other request. RFC 6750 section 2.1. */
export function bearerToken(headers: IncomingHttpHeaders): string | null {
  return isWithoutProof(headers) ? (BEARER.exec(headers.authorization ?? '')?.[1] ?? null) : null;
}

/** The fields of a form; `null` where one came twice, or is none of these. */
export function plainForm(body: Buffer, fields: ReadonlySet<string>): PlainForm | null {
  const form = parseForm(body);
  for (const name in form) if (!fields.has(name) || typeof form[name] !== 'string') return null;
  return form as Record<string, string>;
}

/** The parameters of a query, read as the library reads them; `null` where one came twice, is empty, or is none of these. */
export function plainQuery(query: string, parameters: ReadonlySet<string>): PlainForm | null {
  const read: Record<string, string> = {};
  for (const [name, value] of new URLSearchParams(query)) {
    if (!parameters.has(name) || value === '' || Object.hasOwn(read, name)) return null;
    read[name] = value;
  }
  return read;
}

/** The fields by which a client says who it is. */
export const CREDENTIAL_FIELDS = ['client_id', 'client_secret'] as const;

/** What nobody has to escape: RFC 3986 section 2.3. */
const UNRESERVED = /^[\w.~-]+$/;

/**
 * An identifier and a secret, from the header or from the form, where they are spelt in the plainest way; `null` for
 * every other way to authenticate, and for one that is wrong.
 */
export function plainCredentials(
  { authorization }: IncomingHttpHeaders,
  { client_id, client_secret }: PlainForm,
): PlainCredentials | null {
  const [clientId, secret, ...more] =
    authorization === undefined ? [client_id, client_secret] : basicPair(authorization);
  if (clientId === undefined || secret === undefined || more.length > 0) return null;
  if (!UNRESERVED.test(clientId) || !UNRESERVED.test(secret)) return null;
  if (authorization === undefined) return { clientId, secret };
  const once = client_secret === undefined && (client_id === undefined || client_id === clientId);
  return once ? { clientId, secret } : null;
}

const BASIC = /^Basic ([A-Za-z0-9+/]+={0,2})$/i;

function basicPair(authorization: string): readonly string[] {
  const encoded = BASIC.exec(authorization)?.[1];
  return encoded === undefined || encoded.length % 4 !== 0
    ? []
    : Buffer.from(encoded, 'base64').toString('latin1').split(':').map(unescaped);
}

/** Many clients escape whatever is neither a letter nor a digit: RFC 6749 section 2.3.1 and appendix B. */
const ESCAPED_ASCII = /%([0-7][0-9A-F])/gi;

const unescaped = (text: string): string =>
  text.replace(ESCAPED_ASCII, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
