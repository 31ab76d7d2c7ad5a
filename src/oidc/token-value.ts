/**
 * Introspection and revocation of the library turn every value away that looks like a JWT. Behind the door it travels
 * with tildes in place of its dots, which no base64url text contains, so that nothing can be mistaken for it. A tilde
 * that was there before is doubled, and leaves an empty part that no JWT has: nobody else can write the disguise.
 */
export function carried(value: string): string {
  return value.replaceAll('~', '~~').replaceAll('.', '~');
}

/** The JWT that a value is or, where it has come through that door, carries; `null` for an opaque one. */
export function jwtIn(value: string, route: string): string | null {
  const jwt = DISGUISING.has(route) ? value.replaceAll('~', '.') : value;
  // Three parts, or the five of an encrypted one: whatever has dots is no opaque token of ours.
  return jwt.includes('.') ? jwt : null;
}

/** The library's names for the two. */
const DISGUISING: ReadonlySet<string> = new Set(['introspection', 'revocation']);
