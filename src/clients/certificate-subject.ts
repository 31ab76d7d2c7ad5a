import type { X509Certificate } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { type DerElement, readDer, readObjectIdentifier, TAGS } from '#src/clients/der.ts';
import {
  areSameName,
  type DistinguishedName,
  parseDistinguishedName,
  readDistinguishedName,
} from '#src/clients/distinguished-name.ts';

/** What a client registers of the certificate that it will show, one of them: RFC 8705 section 2.1.2. */
export const CERTIFICATE_SUBJECTS = [
  'tls_client_auth_subject_dn',
  'tls_client_auth_san_dns',
  'tls_client_auth_san_uri',
  'tls_client_auth_san_ip',
  'tls_client_auth_san_email',
] as const;

export type CertificateSubject = (typeof CERTIFICATE_SUBJECTS)[number];

/** Whom a certificate is about: RFC 5280 sections 4.1.2.6 and 4.2.1.6. */
interface CertificateNames {
  readonly subject: DistinguishedName;
  readonly dns: readonly string[];
  readonly uri: readonly string[];
  readonly ip: readonly string[];
  readonly email: readonly string[];
}

/** True if the certificate is about whom the client has registered. Wildcards stand for themselves alone. */
export function certificateIsAbout(
  certificate: X509Certificate,
  subject: CertificateSubject,
  registered: string,
): boolean {
  const names = namesOf(certificate);
  switch (subject) {
    case 'tls_client_auth_subject_dn':
      return areSameName(names.subject, parseDistinguishedName(registered));
    case 'tls_client_auth_san_dns':
      return names.dns.some((name) => name.toLowerCase() === registered.toLowerCase());
    case 'tls_client_auth_san_uri':
      return names.uri.includes(registered);
    case 'tls_client_auth_san_ip':
      return names.ip.includes(canonicalIp(registered) ?? '');
    case 'tls_client_auth_san_email':
      return names.email.some((address) => mailbox(address) === mailbox(registered));
  }
}

/** What is wrong with what a client registers, in words that continue a sentence about it; `null` if nothing is. */
export function wrongSubject(subject: CertificateSubject, registered: string): string | null {
  if (subject === 'tls_client_auth_san_ip') {
    return canonicalIp(registered) === null ? 'is not an IP address' : null;
  }
  if (subject === 'tls_client_auth_san_uri')
    return URL.canParse(registered) ? null : 'is not an absolute URI';
  if (subject !== 'tls_client_auth_subject_dn') return null;
  try {
    parseDistinguishedName(registered);
    return null;
  } catch (problem) {
    return `is not a distinguished name of RFC 4514: ${(problem as Error).message}`;
  }
}

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';

/** The fields of a certificate before its subject: serial number, signature algorithm, issuer and validity. */
const FIELDS_BEFORE_SUBJECT = 4;

const CONTEXT_VERSION = 0xa0;
const CONTEXT_EXTENSIONS = 0xa3;

function namesOf({ raw }: X509Certificate): CertificateNames {
  const [certificate] = readDer(raw);
  const [signed] = readDer(content(certificate));
  const fields = readDer(content(signed));
  const subject = fields[FIELDS_BEFORE_SUBJECT + (fields[0]?.tag === CONTEXT_VERSION ? 1 : 0)];
  const alternatives = alternativeNames(fields.find(({ tag }) => tag === CONTEXT_EXTENSIONS));
  const texts = (tag: number) =>
    alternatives.filter((name) => name.tag === tag).map((name) => name.content.toString('latin1'));
  return {
    subject: readDistinguishedName({ tag: TAGS.sequence, content: content(subject) }),
    // The choices of GeneralName: RFC 5280 section 4.2.1.6.
    email: texts(0x81),
    dns: texts(0x82),
    uri: texts(0x86),
    ip: alternatives.filter(({ tag }) => tag === 0x87).map((name) => addressOf(name.content)),
  };
}

function alternativeNames(extensions: DerElement | undefined): readonly DerElement[] {
  if (extensions === undefined) return [];
  const [list] = readDer(extensions.content);
  for (const extension of readDer(content(list))) {
    const [identifier, ...rest] = readDer(extension.content);
    if (identifier === undefined || readObjectIdentifier(identifier) !== SUBJECT_ALTERNATIVE_NAME) continue;
    const value = rest.find(({ tag }) => tag === TAGS.octetString);
    return readDer(content(readDer(content(value))[0]));
  }
  return [];
}

function content(element: DerElement | undefined): Buffer {
  if (element === undefined) throw new RangeError('the certificate lacks a field');
  return element.content;
}

/** One spelling for every address, which is that of RFC 5952; `null` for what is none. */
function canonicalIp(text: string): string | null {
  if (isIPv4(text)) return text;
  return isIPv6(text) ? (URL.parse(`http://[${text}]`)?.hostname ?? null) : null;
}

function addressOf(bytes: Buffer): string {
  const text =
    bytes.length === 4
      ? bytes.join('.')
      : (bytes
          .toString('hex')
          .match(/.{1,4}/g)
          ?.join(':') ?? '');
  return canonicalIp(text) ?? '';
}

/** The host of a mailbox is written in any case, its local part is not: RFC 5280 section 7.5. */
function mailbox(address: string): string {
  const at = address.lastIndexOf('@');
  return address.slice(0, at) + address.slice(at).toLowerCase();
}
