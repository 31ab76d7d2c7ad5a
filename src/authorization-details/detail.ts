import { isDeepStrictEqual } from 'node:util';

/** One thing that a client asks for, or was allowed: RFC 9396 section 2. Its other members are up to its type. */
export interface AuthorizationDetail extends Readonly<Record<string, unknown>> {
  readonly type: string;
}

/** The members that hold a set of names, of which fewer means less: RFC 9396 section 2.2. */
const NARROWED_BY_LEAVING_OUT = ['locations', 'actions', 'datatypes', 'privileges'] as const;

/**
 * The first of the requested details that goes beyond all that was granted; `null` if none does. What each type makes
 * of its members is not known here, so a detail is within another only if it is the same, or the same but for fewer
 * locations, actions, datatypes or privileges; none at all might mean any. RFC 9396 section 6.1.
 */
export function firstBeyond(
  requested: readonly AuthorizationDetail[],
  granted: readonly AuthorizationDetail[],
): AuthorizationDetail | null {
  return requested.find((detail) => !granted.some((whole) => isWithin(detail, whole))) ?? null;
}

function isWithin(part: AuthorizationDetail, whole: AuthorizationDetail): boolean {
  const names = new Set([...Object.keys(part), ...Object.keys(whole)]);
  return [...names].every((name) => {
    const [less, more] = [part[name], whole[name]];
    if (!Object.hasOwn(part, name) || !Object.hasOwn(whole, name)) return false;
    if (isDeepStrictEqual(less, more)) return true;
    const isSet = (NARROWED_BY_LEAVING_OUT as readonly string[]).includes(name);
    if (!isSet || !Array.isArray(less) || !Array.isArray(more)) return false;
    return less.length > 0 && less.every((each) => more.includes(each));
  });
}
