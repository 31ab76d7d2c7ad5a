import { SETTINGS, type Setting } from '#src/config/catalogue.ts';
import type { SettingProblem } from '#src/config/settings-fault.ts';

/** A value that was given for a setting, not yet read. */
export interface GivenValue {
  readonly raw: unknown;
  /** Where it stands: a variable, or a file and the line. */
  readonly place: string;
}

export interface ReadValue {
  /** As it was given; `undefined` for a default. */
  readonly raw: unknown;
  readonly value: unknown;
}

export interface ReadValues {
  /** By the names of the settings, without those that have a problem. */
  readonly values: ReadonlyMap<string, ReadValue>;
  readonly problems: readonly SettingProblem[];
}

/** Reads each setting on its own, and fills in the defaults. */
export function readValues(given: ReadonlyMap<string, GivenValue>, cores: number): ReadValues {
  const values = new Map<string, ReadValue>();
  const problems: SettingProblem[] = [];
  const read = ({ name, schema }: Setting, raw: unknown): void => {
    const result = schema.safeParse(raw);
    if (result.success) {
      values.set(name, { raw, value: result.data });
      return;
    }
    const place = given.get(name)?.place ?? 'default';
    for (const { message } of result.error.issues) problems.push({ setting: name, place, message });
  };
  const followsOthers = ({ name, about }: Setting): boolean =>
    about.derived !== undefined && !given.has(name);
  for (const setting of SETTINGS) {
    if (!followsOthers(setting)) read(setting, given.get(setting.name)?.raw);
  }
  for (const setting of SETTINGS.filter(followsOthers)) {
    const raw = derivedDefault(setting.name, values, cores);
    if (raw !== null) read(setting, raw);
  }
  return { values, problems };
}

/** The default of a setting that follows from another or from the machine; `null` when that other one has a problem. */
function derivedDefault(name: string, values: ReadonlyMap<string, ReadValue>, cores: number): unknown {
  switch (name) {
    case 'issuer': {
      const port = values.get('port');
      const scheme = (values.get('tls.certificate')?.value ?? null) === null ? 'http' : 'https';
      if (port === undefined) return null;
      return new URL(`${scheme}://localhost:${port.value}`).origin;
    }
    case 'metadataDocuments.policy':
      // MCP authorization 2025-11-25 would have them supported.
      return values.get('profile')?.value === 'mcp' ? 'any' : 'off';
    case 'passwords.hashConcurrency':
      return Math.max(1, cores - 1);
    default:
      throw new TypeError(`nothing says what ${name} follows from`);
  }
}
