/** The part of a header that is worth reading; the rest is whatever a sender likes. */
const USER_AGENT_LENGTH_MAX = 300;
const NAME_LENGTH_MAX = 40;

/** In the order in which they are looked for, since browsers name those that they descend from as well. */
const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/\bEdgA?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\bFirefox\//, 'Firefox'],
  [/\b(?:Chrome|CriOS)\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
];

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\bWindows\b/, 'Windows'],
  [/\bAndroid\b/, 'Android'],
  [/\b(?:iPhone|iPad|iPod)\b/, 'iOS'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
];

/**
 * What a program calls itself, in a few words that a person knows: a browser and its system, or the name that comes
 * first. `null` where it says nothing of use. Anyone can claim to be anything: RFC 9110 section 10.1.5.
 */
export function programName(userAgent: string): string | null {
  const text = userAgent.slice(0, USER_AGENT_LENGTH_MAX);
  const system = nameIn(SYSTEMS, text);
  if (!text.startsWith('Mozilla/')) {
    const [product = ''] = /^[\w.+/-]+/.exec(text) ?? [];
    return product === '' ? null : product.slice(0, NAME_LENGTH_MAX);
  }
  const names = [nameIn(BROWSERS, text), system].filter((name) => name !== null);
  return names.length === 0 ? null : names.join(', ');
}

function nameIn(names: readonly (readonly [RegExp, string])[], text: string): string | null {
  return names.find(([pattern]) => pattern.test(text))?.[1] ?? null;
}
