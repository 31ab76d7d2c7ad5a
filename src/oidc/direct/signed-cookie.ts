import type { IncomingHttpHeaders } from 'node:http';
import { CookieSignatures } from '#src/http/cookie-signatures.ts';

/** A cookie that the library has signed, read where it is spelt as the library spells it. */
export class SignedCookie {
  readonly #name: string;
  readonly #signatures: CookieSignatures;

  constructor(name: string, keys: readonly string[]) {
    this.#name = name;
    this.#signatures = new CookieSignatures(keys);
  }

  /** Its value; `null` unless it and its signature are there, once each, and that is of the current key. */
  read({ cookie = '' }: IncomingHttpHeaders): string | null {
    const value = onlyOne(cookie, this.#name);
    const signature = value === null ? null : onlyOne(cookie, `${this.#name}.sig`);
    if (value === null || signature === null) return null;
    return this.#signatures.index(`${this.#name}=${value}`, signature) === 0 ? value : null;
  }
}

/** What identifiers and signatures are made of. */
const VALUE = /^[\w-]+$/;

function onlyOne(cookies: string, name: string): string | null {
  const start = `${name}=`;
  const [only, ...more] = cookies.split('; ').filter((each) => each.startsWith(start));
  const value = only?.slice(start.length);
  return value !== undefined && more.length === 0 && VALUE.test(value) ? value : null;
}
