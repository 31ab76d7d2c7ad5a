import { SETTINGS, written } from '#src/config/catalogue.ts';
import type { Written } from '#src/config/format.ts';
import type { LoadedSettings, SettingOrigin } from '#src/config/load.ts';

/** One setting as it stands. Safe to print and to send: a secret is `[secret]`. */
export interface DescribedSetting extends SettingOrigin {
  readonly setting: string;
  readonly variable: string;
  /** As it could stand in a settings file; `null` when it is not set. */
  readonly value: Written | null;
}

/** Every setting with its value and where that came from, in the order of the reference. Good as a JSON document. */
export function describeConfig({ config, origins }: LoadedSettings): readonly DescribedSetting[] {
  return SETTINGS.map((setting) => {
    const { name, path, variable } = setting;
    const origin = origins.get(name) ?? { source: 'default', place: null };
    return { setting: name, variable, value: written(setting, valueAt(config, path)), ...origin };
  });
}

/** The same for people: three columns, one setting a line. */
export function settingsTable(settings: readonly DescribedSetting[]): string {
  const rows = settings.map(({ setting, value, place }) => [setting, shown(value), place ?? 'default']);
  const widthOf = (column: number): number => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const widths = [widthOf(0), widthOf(1)];
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')).join('\n');
}

function shown(value: Written | null): string {
  if (value === null) return '-';
  return Array.isArray(value) ? value.join(', ') : String(value);
}

function valueAt(config: unknown, path: readonly string[]): unknown {
  let node = config;
  for (const key of path) node = (node as Readonly<Record<string, unknown>>)[key];
  return node;
}
