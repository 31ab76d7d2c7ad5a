import type { Environment } from '#src/config/environment.ts';
import { type LoadedSettings, loadSettings } from '#src/config/load.ts';
import { type SettingProblem, SettingsFault } from '#src/config/settings-fault.ts';

/** What a test gives to be loaded: a settings file by its text, other files by their paths, and variables. */
export interface GivenSources {
  readonly yaml?: string;
  readonly json?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Environment;
  readonly cores?: number;
}

/** Loads settings from nothing but what is given, in the folder `/srv`. */
export function load({ yaml, json, files = {}, env = {}, cores = 4 }: GivenSources): LoadedSettings {
  const known: Record<string, string> = { ...files };
  if (yaml !== undefined) known['/srv/keyturn.yaml'] = yaml;
  if (json !== undefined) known['/srv/keyturn.json'] = json;
  const file = yaml !== undefined ? 'keyturn.yaml' : json !== undefined ? 'keyturn.json' : undefined;
  const readFile = (path: string): string => {
    const text = known[path];
    if (text === undefined) throw Object.assign(new Error('not there'), { code: 'ENOENT' });
    return text;
  };
  return loadSettings({ file, env, readFile, cwd: '/srv', cores });
}

/** The problems that loading reports; none when it succeeds. Anything else that it throws is thrown on. */
export function problemsOf(sources: GivenSources): readonly SettingProblem[] {
  try {
    load(sources);
    return [];
  } catch (error) {
    if (error instanceof SettingsFault) return error.problems;
    throw error;
  }
}
