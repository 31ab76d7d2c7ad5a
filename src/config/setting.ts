import { z } from 'zod';
import type { Format } from '#src/config/format.ts';

/** What the reference and the errors say about one setting. */
export interface AboutSetting {
  /** One sentence. */
  readonly meaning: string;
  /** What to write, in words. */
  readonly expects: string;
  /** For a default that depends on something: what it is, in words. */
  readonly derived?: string;
  /** Never shown, and may also stand in a file that a `_FILE` variable names. */
  readonly secret: boolean;
}

export const aboutSettings = z.registry<AboutSetting>();

/** A setting with a default that is the same everywhere. */
export function setting<T>(format: Format<T>, byDefault: NoInfer<T>, meaning: string): z.ZodType<T> {
  const { codec, expects, secret } = format;
  // The cast drops `undefined` from what zod's default would take, which does not occur among the formats.
  const schema = codec.default(() => byDefault as z.util.NoUndefined<T>) as z.ZodType<T>;
  return schema.register(aboutSettings, { meaning, expects, secret });
}

/** A setting whose default depends on other settings or on the machine; loading supplies it. */
export function derived<T>(format: Format<T>, byDefault: string, meaning: string): z.ZodType<T> {
  const { codec, expects, secret } = format;
  // A copy, for a format may serve several settings.
  return codec.clone().register(aboutSettings, { meaning, expects, secret, derived: byDefault });
}

/** A setting that may be left out, which is `null`. */
export function unlessSet<T>(format: Format<T>, meaning: string): z.ZodType<T | null> {
  const { codec, expects, secret } = format;
  return codec.nullable().default(null).register(aboutSettings, { meaning, expects, secret });
}

/** Settings that stand together under one key of the file. */
export function group<const Shape extends Readonly<Record<string, z.ZodType>>>(title: string, shape: Shape) {
  return z.strictObject(shape).readonly().meta({ title });
}
