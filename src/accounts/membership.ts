import { Refusal } from '#src/fault.ts';

declare const membership: unique symbol;

/**
 * The name of a group that an account belongs to, or of a role that it has: text on one line, NFC. What it allows is
 * for clients and resource servers to say. The claims `groups` and `roles` of RFC 9068 section 2.2.3.1.
 */
export type Membership = string & { readonly [membership]: true };

/** Counted in code points. */
const NAME_LENGTH_MAX = 64;

/** Of groups, and of roles. */
const MEMBERSHIPS_MAX = 64;

/** As UTF-8, so that a token that lists them all still fits into the header of a request. */
const MEMBERSHIP_BYTES_MAX = 2048;

/**
 * Reads the groups or the roles of an account, each once, in their order.
 * @throws Refusal `memberships_invalid`
 */
export function parseMemberships(names: readonly string[]): readonly Membership[] {
  const memberships = [...new Set(names.map(parseMembership))];
  const bytes = Buffer.byteLength(memberships.join(''));
  if (memberships.length > MEMBERSHIPS_MAX || bytes > MEMBERSHIP_BYTES_MAX) {
    throw new Refusal(
      'memberships_invalid',
      `An account has at most ${MEMBERSHIPS_MAX} groups and as many roles, of ${MEMBERSHIP_BYTES_MAX} bytes together.`,
    );
  }
  return memberships;
}

function parseMembership(text: string): Membership {
  const name = text.trim().normalize('NFC');
  const { length } = [...name];
  if (length === 0 || length > NAME_LENGTH_MAX || /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(name)) {
    throw new Refusal(
      'memberships_invalid',
      `The name of a group or a role has at most ${NAME_LENGTH_MAX} visible characters, on one line.`,
    );
  }
  return name as Membership;
}
