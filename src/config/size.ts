declare const unit: unique symbol;

/** An amount of data in bytes. */
export type Bytes = number & { readonly [unit]: 'bytes' };

/** Powers of 1024, as IEC 80000-13 names them, largest first. */
const UNITS = [
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
] as const;

export const bytes = (count: number): Bytes => count as Bytes;

/** Reads an amount of data: `56KiB`, `1MiB`, or a bare number of bytes. Anything else is `null`; so are `KB` and `k`, which mean two things. */
export function parseSize(text: string): Bytes | null {
  const parts = /^(\d+)(GiB|MiB|KiB)?$/.exec(text);
  if (parts === null) return null;
  const scale = UNITS.find(([name]) => name === parts[2])?.[1] ?? 1;
  const total = Number(parts[1]) * scale;
  return Number.isSafeInteger(total) ? bytes(total) : null;
}

/** Writes an amount of data in the largest unit that divides it, so that `parseSize` reads back the same number. */
export function formatSize(size: Bytes): string {
  for (const [name, scale] of UNITS) {
    if (size >= scale && size % scale === 0) return `${size / scale}${name}`;
  }
  return String(size);
}
