import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';

/**
 * Tokens that a form carries to show that this server made it for this interaction. Another site can make a browser
 * post, and cannot know the token. OWASP Cross-Site Request Forgery Prevention, signed double-submit pattern.
 */
export class AntiForgery {
  readonly #key: KeyObject;

  constructor(key: Buffer) {
    this.#key = createSecretKey(key);
  }

  tokenFor(uid: string): string {
    return this.#digest(uid).toString('base64url');
  }

  isTokenFor(uid: string, presented: string): boolean {
    const bytes = Buffer.from(presented, 'base64url');
    const expected = this.#digest(uid);
    return bytes.length === expected.length && timingSafeEqual(bytes, expected);
  }

  #digest(uid: string): Buffer {
    return createHmac('sha256', this.#key).update(uid).digest();
  }
}
