import { z } from 'zod';
import type { Written } from '#src/config/format.ts';
import { settingsSchema } from '#src/config/schema.ts';
import { type AboutSetting, aboutSettings } from '#src/config/setting.ts';

/** One setting: its name, the way to it in the file, its variable, and how it is read. */
export interface Setting {
  /** The path with dots: `lifetimes.accessToken`. */
  readonly name: string;
  readonly path: readonly string[];
  readonly variable: string;
  readonly schema: z.ZodType;
  readonly about: AboutSetting;
}

/** Settings that stand together; those at the top of the file have no `key`. */
export interface SettingGroup {
  readonly key: string | null;
  readonly title: string;
  readonly settings: readonly Setting[];
}

/** Every setting there is, in the order of the schema. */
export const GROUPS: readonly SettingGroup[] = readGroups();

export const SETTINGS: readonly Setting[] = GROUPS.flatMap((group) => group.settings);

/**
 * The environment variable of a setting: its path in capitals, with `_` between the parts and before every capital
 * that begins a word, that is, before every capital with a small letter after it.
 */
export function variableFor(path: readonly string[]): string {
  const words = path.map((part) => part.replaceAll(/(?<=.)(?=[A-Z][a-z])/g, '_').toUpperCase());
  return ['KEYTURN', ...words].join('_');
}

/** A value of a setting as it could stand in a file; `null` when it is not set, `[secret]` for a secret. */
export function written({ schema }: Setting, value: unknown): Written | null {
  // Every setting is made of a format, whose codec encodes to nothing else.
  return z.encode(schema, value) as Written | null;
}

function readGroups(): SettingGroup[] {
  const top: Setting[] = [];
  const groups: SettingGroup[] = [];
  for (const [key, node] of Object.entries<z.ZodType>(settingsSchema.shape)) {
    const members = node instanceof z.ZodReadonly ? node.unwrap() : null;
    if (members instanceof z.ZodObject) {
      const leaves = Object.entries<z.ZodType>(members.shape);
      const settings = leaves.map(([name, leaf]) => readSetting([key, name], leaf));
      groups.push({ key, title: node.meta()?.title ?? key, settings });
    } else {
      top.push(readSetting([key], node));
    }
  }
  return [{ key: null, title: 'The server', settings: top }, ...groups];
}

function readSetting(path: readonly string[], schema: z.ZodType): Setting {
  const about = aboutSettings.get(schema);
  if (about === undefined) throw new TypeError(`${path.join('.')} says nothing about itself`);
  return { name: path.join('.'), path, variable: variableFor(path), schema, about };
}
