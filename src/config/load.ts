import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { SETTINGS } from '#src/config/catalogue.ts';
import { readConfigFile } from '#src/config/config-file.ts';
import { DETAIL_TYPES_SETTING, readDetailTypes } from '#src/config/detail-types-file.ts';
import { CONFIG_VARIABLE, type Environment, readEnvironment } from '#src/config/environment.ts';
import { type GivenValue, type ReadValues, readValues } from '#src/config/read-values.ts';
import { brokenRules } from '#src/config/rules.ts';
import { type Config, settingsSchema, WORKERS_MAX } from '#src/config/schema.ts';
import { SettingsFault } from '#src/config/settings-fault.ts';
import { parseStoreLocation, writtenStoreLocation } from '#src/store-location.ts';

/** All that settings depend on. What is left out is taken from the process and the machine. */
export interface SettingSources {
  /** The settings file that the command line names; without it, `KEYTURN_CONFIG` may name one. */
  readonly file?: string | undefined;
  readonly env?: Environment;
  /** The text of a file, by its absolute path. Throws what `readFileSync` throws. */
  readonly readFile?: (path: string) => string;
  /** Where relative paths begin. */
  readonly cwd?: string;
  /** How many processor cores there are to use. */
  readonly cores?: number;
}

/** Where the value of a setting came from. */
export interface SettingOrigin {
  readonly source: 'default' | 'file' | 'environment';
  /** A variable's name, or a file and the line; `null` for a default. */
  readonly place: string | null;
}

/** The settings, and where each of them came from, by its name. */
export interface LoadedSettings {
  readonly config: Config;
  readonly origins: ReadonlyMap<string, SettingOrigin>;
}

/** The settings, complete and checked. Throws `SettingsFault` with every problem there is. */
export function loadConfig(sources: SettingSources = {}): Config {
  return loadSettings(sources).config;
}

/** As `loadConfig`, and tells where each setting came from. The environment beats the file, the file the defaults. */
export function loadSettings({
  file,
  env = process.env,
  readFile = (path) => readFileSync(path, 'utf8'),
  cwd = process.cwd(),
  cores = availableParallelism(),
}: SettingSources = {}): LoadedSettings {
  const readFrom = (path: string): string => readFile(resolve(cwd, path));
  const path = file ?? (env[CONFIG_VARIABLE] || null);
  const fromFile = path === null ? NO_FILE : readConfigFile(path, readFrom);
  const fromEnvironment = readEnvironment(env, readFrom);
  const given = new Map([...fromFile.values, ...fromEnvironment.values]);
  const { values, problems } = readValues(given, cores);
  // Where a file could not be read, nobody knows what it says, and a rule would blame the wrong one.
  const broken = fromFile.readable ? brokenRules(values, given) : [];
  const details = readDetailTypes(values.get(DETAIL_TYPES_SETTING)?.value as string | null, readFrom);
  const all = [
    ...fromFile.problems,
    ...fromEnvironment.problems,
    ...problems,
    ...broken,
    ...details.problems,
  ];
  if (all.length > 0) throw new SettingsFault(all);

  const origins = SETTINGS.map(({ name }): [string, SettingOrigin] => {
    const place = given.get(name)?.place ?? null;
    if (place === null) return [name, { source: 'default', place }];
    return [name, { source: fromEnvironment.values.has(name) ? 'environment' : 'file', place }];
  });
  const config = { ...configOf(values, { cwd, cores }), detailTypes: details.types };
  return { config, origins: new Map(origins) };
}

const NO_FILE = { values: new Map<string, GivenValue>(), problems: [], readable: true };

/** Puts the settings into their groups, makes their paths absolute, and fills in what the machine suggests. */
function configOf(
  values: ReadValues['values'],
  { cwd, cores }: { readonly cwd: string; readonly cores: number },
): Omit<Config, 'detailTypes'> {
  const nested: Record<string, unknown> = {};
  for (const { name, path } of SETTINGS) {
    const [group = '', key] = path;
    const raw = values.get(name)?.raw;
    if (key === undefined) nested[group] = raw;
    else nested[group] = { ...(nested[group] as object | undefined), [key]: raw };
  }
  const config = settingsSchema.parse(nested);
  const { tls, clientAuthentication, pkcs11, requests, workers } = config;
  const path = (given: string | null) => (given === null ? null : resolve(cwd, given));
  return {
    ...config,
    tls: { ...tls, certificate: path(tls.certificate), key: path(tls.key), clientCa: path(tls.clientCa) },
    clientAuthentication: { ...clientAuthentication, attesters: path(clientAuthentication.attesters) },
    pkcs11: { ...pkcs11, module: path(pkcs11.module), pinFile: path(pkcs11.pinFile) },
    keysDir: resolve(cwd, config.keysDir),
    workers: workers === 'auto' ? Math.min(cores, WORKERS_MAX) : workers,
    requests: { ...requests, authorizationDetailsFile: path(requests.authorizationDetailsFile) },
    ...storeOf(config, cwd),
  };
}

/** The location without the password that may be in it, which from here on is a secret by itself. */
function storeOf(
  { store, redis }: Pick<Config, 'store' | 'redis'>,
  cwd: string,
): Pick<Config, 'store' | 'redis'> {
  const location = parseStoreLocation(store);
  if ('wrong' in location) throw new TypeError('a location that has been read is well-formed');
  if (location.engine === 'sqlite') return { store: `sqlite:${resolve(cwd, location.path)}`, redis };
  const path = (given: string | null) => (given === null ? null : resolve(cwd, given));
  const files = { ca: path(redis.ca), certificate: path(redis.certificate), key: path(redis.key) };
  return {
    store: writtenStoreLocation(location),
    redis: { ...redis, ...files, password: redis.password ?? location.password },
  };
}
