import { createRequire } from 'node:module';
import type { ValidateFunction } from 'ajv/dist/2020.js';
import { z } from 'zod';
import type { AuthorizationDetail } from '#src/authorization-details/detail.ts';
import { Refusal } from '#src/fault.ts';

/** A kind of authorization details that clients may ask for: RFC 9396 section 2. */
export interface DetailType {
  /** What stands in `type`: RFC 9396 section 2.1. */
  readonly type: string;
  /** What it is called on the consent page, by language. */
  readonly name: InLanguages<string>;
  /** What it lets a client do, in sentences with `{member.of.it}` where a value goes, by language. */
  readonly sentences: InLanguages<readonly string[]>;
  /** The resource servers that understand it, by their identifiers. Not empty. */
  readonly resources: readonly string[];
  /** The clients that may ask for it, if not all that have registered it: RFC 9396 section 10. */
  readonly clients: readonly string[] | null;
  /** The clients that may have it for themselves, with nobody to ask: RFC 6749 section 4.4. */
  readonly clientCredentials: readonly string[];
  /** What is wrong with one of this type, in words for the client; `null` if it is as the type says. */
  problemWith(detail: AuthorizationDetail): string | null;
}

/** Texts by BCP 47 tag, at least one. */
export type InLanguages<Text> = ReadonlyMap<string, Text>;

/** The types of this server, by their name. */
export type DetailTypes = ReadonlyMap<string, DetailType>;

const require = createRequire(import.meta.url);

/** The compiler, loaded where a type is declared: most servers have none. */
const ajv = () => require('ajv/dist/2020.js') as typeof import('ajv/dist/2020.js');

const TYPES_MAX = 100;

const visibleText = z
  .string()
  .trim()
  .min(1)
  .max(500)
  .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u, 'must not contain control or invisible characters');

const languageTag = z
  .string()
  .regex(/^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*$/, 'must be a language tag (BCP 47)');

function inLanguages<Text>(text: z.ZodType<Text>) {
  return z
    .record(languageTag, text)
    .refine((texts) => Object.keys(texts).length > 0, 'must have a text in at least one language')
    .transform((texts): InLanguages<Text> => new Map(Object.entries(texts)));
}

const sentence = visibleText.refine(
  (text) => /^(?:[^{}]|\{[^{}\s]+\})*$/.test(text),
  'must have a path of members between each { and }',
);

const identifier = z
  .string()
  .max(512)
  .regex(/^[\x21-\x7e]+$/, 'must be the identifier of a resource server')
  .refine((text) => URL.canParse(text), 'must be an absolute URI (RFC 8707 section 2)');

const declaration = z.strictObject({
  name: inLanguages(visibleText),
  sentences: inLanguages(z.union([sentence.transform((one) => [one]), z.array(sentence).min(1).max(20)])),
  resources: z.array(identifier).min(1).max(20),
  clients: z.array(z.string()).nullable().default(null),
  clientCredentials: z.array(z.string()).default([]),
  schema: z.record(z.string(), z.unknown()),
});

/** Errors name types, and `error_description` has neither quotes nor backslashes: RFC 6749 section 5.2. */
const typeName = z
  .string()
  .max(256)
  .regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/, 'a type is named without spaces, quotes and backslashes')
  .refine((name) => name !== '__proto__');

const declarations = z
  .record(typeName, declaration)
  .refine((types) => Object.keys(types).length <= TYPES_MAX, `at most ${TYPES_MAX} types`);

const holds = (schema: z.ZodType) => (text: string) => schema.safeParse(text).success;

/** The formats that a schema may ask for: JSON Schema Validation (draft 2020-12) section 7.3. */
const FORMATS = {
  date: holds(z.iso.date()),
  'date-time': holds(z.iso.datetime({ offset: true })),
  email: holds(z.email()),
  uri: holds(
    z
      .string()
      .regex(/^[\w.~:/?#[\]@!$&'()*+,;=%-]+$/)
      .refine((text) => URL.canParse(text)),
  ),
  uuid: holds(z.uuid()),
} as const;

/**
 * The types that a settings file declares. Their JSON Schemas, of draft 2020-12, are compiled here, once.
 * @throws Refusal `invalid_detail_types`, with everything that is wrong, each with its place.
 */
export function parseDetailTypes(input: unknown): DetailTypes {
  const parsed = declarations.safeParse(input ?? {});
  if (!parsed.success) {
    throw refuse(parsed.error.issues.map((issue) => `${issue.path.join('.') || 'types'}: ${saidOf(issue)}`));
  }
  const problems: string[] = [];
  const types = Object.entries(parsed.data).map(([type, { schema, ...rest }]): [string, DetailType] => {
    const validate = compiled(schema, (message) => problems.push(`${type}.schema: ${message}`));
    return [type, { ...rest, type, problemWith: (detail) => problemOf(validate, detail) }];
  });
  if (problems.length > 0) throw refuse(problems);
  return new Map(types);
}

const refuse = (problems: readonly string[]) =>
  new Refusal('invalid_detail_types', problems.join('; '), { problems });

/** Of the name of a type it is said what is wrong with it, and not only that something is. */
function saidOf(issue: z.core.$ZodIssue): string {
  return (issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined) ?? issue.message;
}

function compiled(schema: object, onProblem: (message: string) => void): ValidateFunction | null {
  try {
    const { Ajv2020 } = ajv();
    // Strict: a keyword that is misspelt is a mistake here and not a rule that silently never holds.
    return new Ajv2020({ strict: true, formats: FORMATS }).compile(schema);
  } catch (problem) {
    onProblem(inOurWords((problem as Error).message));
    return null;
  }
}

/** The library says that it ignores a format that it does not know, which being strict it does not. */
function inOurWords(message: string): string {
  const [, format, path] = /^unknown format "(.*)" ignored in schema at path "(.*)"$/.exec(message) ?? [];
  if (format === undefined) return message;
  return `${path}: there is no format ${format}, but ${Object.keys(FORMATS).join(', ')}`;
}

function problemOf(validate: ValidateFunction | null, detail: AuthorizationDetail): string | null {
  if (validate === null) throw new Error('a type whose schema is wrong is never used');
  if (validate(detail)) return null;
  const { instancePath = '', message = 'is not as its type says' } = validate.errors?.[0] ?? {};
  return `${instancePath === '' ? 'it' : instancePath} ${message}`;
}
