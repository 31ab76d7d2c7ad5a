/** One thing that is wrong with what the operator gave. Holds no value of a secret. */
export interface SettingProblem {
  /** The setting as the reference names it, such as `lifetimes.accessToken`; else the unknown name, or the file. */
  readonly setting: string;
  /** Where it came from: a variable's name, a file with its line, or `default`. */
  readonly place: string;
  /** What is wrong, and what is allowed instead. */
  readonly message: string;
}

/** The settings do not stand. Lists every problem that there is, so that one round of editing is enough. */
export class SettingsFault extends Error {
  readonly code = 'invalid_settings';
  readonly problems: readonly SettingProblem[];

  constructor(problems: readonly SettingProblem[]) {
    const lines = problems.map(({ setting, place, message }) =>
      setting === place ? `  ${setting}: ${message}` : `  ${setting} (${place}): ${message}`,
    );
    const count = problems.length === 1 ? 'One setting is' : `${problems.length} settings are`;
    super([`${count} wrong:`, ...lines].join('\n'));
    this.name = 'SettingsFault';
    this.problems = problems;
  }
}
