/** What a browser says of itself, as far as a person would say it too. The rest would only serve to track it. */
export interface Browser {
  /** Its product name; `null` if it is none that is known here. */
  readonly name: string | null;
  /** What it runs on. */
  readonly system: string | null;
}

/** Browsers name their ancestors as well, so the first that fits is the youngest. RFC 9110 section 10.1.5. */
const NAMES: readonly (readonly [RegExp, string])[] = [
  [/\b(?:Edg|EdgA|EdgiOS)\//, 'Edge'],
  [/\b(?:OPR|OPT)\//, 'Opera'],
  [/\bVivaldi\//, 'Vivaldi'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:Chrome|Chromium|CriOS|HeadlessChrome)\//, 'Chrome'],
  [/\bVersion\/[\d.]+.*\bSafari\//, 'Safari'],
];

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\biPhone\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bMac OS X\b|\bMacintosh\b/, 'macOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bLinux\b|\bX11\b/, 'Linux'],
];

/** Longer than any browser's; what stands behind is not read. */
const USER_AGENT_CHARS_MAX = 512;

/** Reads the header `User-Agent`. */
export function browserOf(userAgent: string): Browser {
  const text = userAgent.slice(0, USER_AGENT_CHARS_MAX);
  const firstIn = (known: typeof NAMES) => known.find(([pattern]) => pattern.test(text))?.[1] ?? null;
  return { name: firstIn(NAMES), system: firstIn(SYSTEMS) };
}
