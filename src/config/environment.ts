import { SETTINGS, variableFor } from '#src/config/catalogue.ts';
import { describeFileFault } from '#src/config/file-fault.ts';
import { nearestName } from '#src/config/nearest-name.ts';
import type { GivenValue } from '#src/config/read-values.ts';
import type { SettingProblem } from '#src/config/settings-fault.ts';

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What the environment gives, by the names of the settings, and what is wrong with it. */
export interface EnvironmentContent {
  readonly values: ReadonlyMap<string, GivenValue>;
  readonly problems: readonly SettingProblem[];
}

/** Names the settings file, so it cannot be a setting in it. */
export const CONFIG_VARIABLE = 'KEYTURN_CONFIG';

/**
 * Reads every variable that begins with `KEYTURN_`. Empty ones count as not there. A secret may come from the file
 * that its `_FILE` variable names, without the line break at its end; from both places at once it is a problem.
 */
export function readEnvironment(env: Environment, readFile: (path: string) => string): EnvironmentContent {
  const values = new Map<string, GivenValue>();
  const problems: SettingProblem[] = [];
  const present = Object.entries(env).filter(([variable, text]) => text && !isOfKubernetes(variable, text));
  for (const [variable, text = ''] of present) {
    const setting = BY_VARIABLE.get(variable);
    const secret = BY_FILE_VARIABLE.get(variable);
    if (setting !== undefined) {
      values.set(setting.name, { raw: text, place: variable });
    } else if (secret === undefined) {
      if (isUnknown(variable)) problems.push(unknownVariable(variable));
    } else if (env[secret.variable]) {
      const message = `${secret.variable} is set too; keep one of them`;
      problems.push({ setting: secret.name, place: variable, message });
    } else {
      const content = readSecretFile(text, readFile);
      if ('raw' in content) values.set(secret.name, { ...content, place: variable });
      else problems.push({ setting: secret.name, place: variable, message: content.wrong });
    }
  }
  return { values, problems };
}

const SETTING_NAMES = SETTINGS.map(({ name }) => name);

const BY_VARIABLE = new Map(SETTINGS.map((setting) => [setting.variable, setting]));

const BY_FILE_VARIABLE = new Map(
  SETTINGS.filter(({ about }) => about.secret).map((setting) => [`${setting.variable}_FILE`, setting]),
);

/** `KEYTURN_TEST_` is left to those who test the server, which inherits their variables. */
function isUnknown(variable: string): boolean {
  return /^KEYTURN_(?!TEST_)/.test(variable) && variable !== CONFIG_VARIABLE;
}

function readSecretFile(
  path: string,
  readFile: (path: string) => string,
): { raw: string } | { wrong: string } {
  try {
    return { raw: readFile(path).replace(/\r?\n$/, '') };
  } catch (error) {
    return { wrong: `${JSON.stringify(path)} ${describeFileFault(error)}` };
  }
}

/**
 * Kubernetes describes every service of the namespace to every container in variables that begin with the service's
 * name. For one that is called `keyturn` they look like settings, `KEYTURN_PORT=tcp://10.0.0.1:3000` among them.
 */
function isOfKubernetes(variable: string, text: string): boolean {
  if (variable === 'KEYTURN_PORT') return /^(?:tcp|udp|sctp):\/\//.test(text);
  return /^KEYTURN_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)$/.test(variable);
}

function unknownVariable(variable: string): SettingProblem {
  return { setting: variable, place: variable, message: `there is no such variable${hintFor(variable)}` };
}

function hintFor(variable: string): string {
  const plain = BY_VARIABLE.get(variable.replace(/_FILE$/, ''));
  if (plain !== undefined) return `; only secrets are read from files, so set ${plain.variable}`;
  const nearest = nearestName(variable.slice('KEYTURN_'.length), SETTING_NAMES);
  return nearest === null ? '' : `; did you mean ${variableFor(nearest.split('.'))}?`;
}
