import { browserOf } from '#src/sessions/browser.ts';

const NAME_LENGTH_MAX = 40;

/**
 * What a program calls itself, in a few words that a person knows: a browser and its system, or the name that another
 * program begins with. `null` where it says nothing of use. Anyone can claim to be anything: RFC 9110 section 10.1.5.
 */
export function programName(userAgent: string): string | null {
  if (!userAgent.startsWith('Mozilla/')) {
    const [product = ''] = /^[\w.+/-]+/.exec(userAgent) ?? [];
    return product === '' ? null : product.slice(0, NAME_LENGTH_MAX);
  }
  const { name, system } = browserOf(userAgent);
  const words = [name, system].filter((word) => word !== null);
  return words.length === 0 ? null : words.join(', ');
}
