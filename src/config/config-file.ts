import { createRequire } from 'node:module';
import type { Document, YAMLError } from 'yaml';
import { GROUPS, SETTINGS } from '#src/config/catalogue.ts';
import { describeFileFault } from '#src/config/file-fault.ts';
import { nearestName } from '#src/config/nearest-name.ts';
import type { GivenValue } from '#src/config/read-values.ts';
import type { SettingProblem } from '#src/config/settings-fault.ts';

/** What a settings file gives, by the names of the settings, and what is wrong with the file. */
export interface FileContent {
  readonly values: ReadonlyMap<string, GivenValue>;
  readonly problems: readonly SettingProblem[];
  /** False when nothing could be taken from the file, so that what it was to say is not known. */
  readonly readable: boolean;
}

const require = createRequire(import.meta.url);

/** The parser, loaded where there is something to parse: most servers are set by variables alone. */
const yaml = () => require('yaml') as typeof import('yaml');

const GROUP_KEYS = new Set(GROUPS.flatMap(({ key }) => (key === null ? [] : [key])));
const SETTING_NAMES = new Set(SETTINGS.map(({ name }) => name));
const KNOWN_NAMES = [...SETTING_NAMES, ...GROUP_KEYS];

/** What a name in an error may look like. Anything else could be a value that slipped out of its place. */
const NAME = /^[A-Za-z][\w.-]{0,63}$/;

/**
 * Reads a settings file, YAML 1.2 or JSON as the end of its name says. Keys without a value count as not
 * there. Problems carry line numbers and never repeat a part of the text, which may hold secrets.
 */
export function readConfigFile(name: string, readFile: (path: string) => string): FileContent {
  let text: string;
  try {
    text = readFile(name);
  } catch (error) {
    return wrongFile(name, describeFileFault(error));
  }
  const ending = /\.(ya?ml|json)$/i.exec(name)?.[1]?.toLowerCase();
  if (ending === undefined) {
    return wrongFile(name, 'is not the name of a settings file, which ends in .yaml, .yml or .json');
  }
  const { LineCounter, parseDocument } = yaml();
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const errors: YAMLError[] = [...document.errors, ...document.warnings];
  if (errors.length > 0) {
    const problems = errors.map((error) => ({
      setting: name,
      place: `${name}:${lines.linePos(error.pos[0]).line}`,
      message: `is not ${ending === 'json' ? 'JSON' : 'YAML'} here: ${withoutSource(error)}`,
    }));
    return { values: new Map(), problems, readable: false };
  }
  if (ending === 'json' && !isJson(text)) {
    return wrongFile(name, 'is YAML, but not JSON: give it a name that ends in .yaml, or write strict JSON');
  }
  const root = withoutAliases(document);
  if (root === undefined) return wrongFile(name, 'uses aliases of YAML in a way that cannot be followed');
  return collect(root, name, (path) => {
    const offset = offsetOf(document.getIn(path, true));
    return offset === null ? name : `${name}:${lines.linePos(offset).line}`;
  });
}

function collect(root: unknown, file: string, placeOf: (path: readonly string[]) => string): FileContent {
  const values = new Map<string, GivenValue>();
  const problems: SettingProblem[] = [];
  const visit = (node: unknown, path: readonly string[]): void => {
    if (node === null || node === undefined) return;
    if (!isMapping(node)) {
      const message = 'is a single value or a list, where settings with their names belong';
      problems.push({ setting: path.join('.') || file, place: placeOf(path), message });
      return;
    }
    for (const [key, raw] of Object.entries(node)) {
      const inner = [...path, key];
      const name = inner.join('.');
      if (inner.length === 1 && GROUP_KEYS.has(key)) visit(raw, inner);
      else if (!SETTING_NAMES.has(name) || key.includes('.')) problems.push(unknownKey(name, placeOf(inner)));
      else if (raw !== null && raw !== undefined) values.set(name, { raw, place: placeOf(inner) });
    }
  };
  visit(root, []);
  return { values, problems, readable: true };
}

function unknownKey(name: string, place: string): SettingProblem {
  if (!NAME.test(name)) return { setting: 'a key', place, message: 'is not the name of a setting' };
  const nearest = nearestName(name, KNOWN_NAMES);
  let message = 'there is no such setting';
  if (nearest === name) message += `; groups are nested: write ${name.replace('.', ': { ')}: … }`;
  else if (nearest !== null) message += `; did you mean ${nearest}?`;
  return { setting: name, place, message };
}

function wrongFile(name: string, message: string): FileContent {
  return { values: new Map(), problems: [{ setting: name, place: name, message }], readable: false };
}

/** What the parser says, up to where it begins to repeat what it read. */
function withoutSource(error: YAMLError): string {
  return error.message.split(/[:\\"'`]|character /, 1)[0]?.trim() ?? error.code;
}

/** The document as plain values; `undefined` when its aliases lead nowhere or grow beyond bounds. */
function withoutAliases(document: Document.Parsed): unknown {
  try {
    return document.toJS();
  } catch (error) {
    if (error instanceof ReferenceError) return undefined;
    throw error;
  }
}

/** A document of its own, whose problems say where and never repeat a part of the text. */
export function readYaml(text: string): { readonly content: unknown } | { readonly wrong: string } {
  const { LineCounter, parseDocument } = yaml();
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined)
    return { wrong: `is not YAML in line ${lines.linePos(problem.pos[0]).line}: ${withoutSource(problem)}` };
  const content = withoutAliases(document);
  return content === undefined ? { wrong: 'uses aliases in a way that cannot be followed' } : { content };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    // The parser's own message repeats the text around the mistake, and that may be a secret.
    return false;
  }
}

function isMapping(node: unknown): node is Record<string, unknown> {
  return typeof node === 'object' && node !== null && Object.getPrototypeOf(node) === Object.prototype;
}

/** Where a node of the document begins in the text. */
function offsetOf(node: unknown): number | null {
  return yaml().isNode(node) ? (node.range?.[0] ?? null) : null;
}
