import { domainToASCII } from 'node:url';
import { Refusal } from '#src/fault.ts';

declare const emailAddress: unique symbol;

/** An e-mail address: local part as it was typed (NFC), domain in lower-case ASCII. Compare by `emailKey`. */
export type EmailAddress = string & { readonly [emailAddress]: true };

/** In octets, RFC 5321 section 4.5.3.1.1. */
const LOCAL_PART_OCTETS_MAX = 64;

/** In octets: a path of 256 (RFC 5321 section 4.5.3.1.3) less its two angle brackets. */
export const EMAIL_OCTETS_MAX = 254;

/** In octets: names of RFC 1035 section 2.3.4, in dotted form without the root. */
const DOMAIN_OCTETS_MAX = 253;

/**
 * RFC 5322 section 3.2.3 `dot-atom`, with the letters that RFC 6531 section 3.3 adds. Quoted local parts are
 * not taken.
 */
const BEYOND_ASCII = String.raw`[[\p{L}\p{M}\p{N}]--\p{Default_Ignorable_Code_Point}--\p{ASCII}]`;
const ATOM = String.raw`[A-Za-z0-9!#$%&'*+\/=?^_\`\{\|\}~\-${BEYOND_ASCII}]+`;
const LOCAL_PART = new RegExp(`^${ATOM}(?:\\.${ATOM})*$`, 'v');

/**
 * What a domain may be typed with. Checked first, because the URL rules that follow also undo
 * percent-encoding.
 */
const TYPED_DOMAIN = /^[\p{L}\p{M}\p{N}.-]+$/u;

/** RFC 1123 section 2.1; the last label is never a number, so that no IPv4 address passes for a domain. */
const ASCII_DOMAIN =
  /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*(?!\d+$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * Reads an e-mail address, or answers `null` for what cannot be one. Surrounding white space does not count.
 */
export function readEmailAddress(text: string): EmailAddress | null {
  const trimmed = text.trim();
  if (trimmed.length > EMAIL_OCTETS_MAX) return null;
  const at = trimmed.lastIndexOf('@');
  if (at < 0) return null;
  const local = trimmed.slice(0, at).normalize('NFC');
  if (Buffer.byteLength(local) > LOCAL_PART_OCTETS_MAX || !LOCAL_PART.test(local)) return null;
  const domain = asciiDomain(trimmed.slice(at + 1));
  if (domain === null || Buffer.byteLength(local) + 1 + domain.length > EMAIL_OCTETS_MAX) return null;
  return `${local}@${domain}` as EmailAddress;
}

/**
 * Reads an e-mail address that somebody wants to have.
 * @throws Refusal `email_invalid`
 */
export function parseEmailAddress(text: string): EmailAddress {
  const parsed = readEmailAddress(text);
  if (parsed !== null) return parsed;
  throw new Refusal('email_invalid', 'This is not an e-mail address, such as ada@example.com.');
}

/**
 * What makes two addresses the same. RFC 5321 section 2.4 lets a host tell "Ada" from "ada"; hardly any does,
 * and people who type either mean one mailbox, so two accounts must not differ in that alone.
 */
export function emailKey(address: EmailAddress): string {
  const at = address.lastIndexOf('@');
  const local = address.slice(0, at).toUpperCase().toLowerCase().normalize('NFC');
  return local + address.slice(at);
}

function asciiDomain(typed: string): string | null {
  if (!TYPED_DOMAIN.test(typed)) return null;
  const domain = domainToASCII(typed);
  return domain.length <= DOMAIN_OCTETS_MAX && ASCII_DOMAIN.test(domain) ? domain : null;
}
