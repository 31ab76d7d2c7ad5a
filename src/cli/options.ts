import { Option } from 'commander';

/** An option that may be given several times: all of its values, in their order. */
export function repeatable(flags: string, description: string): Option {
  return new Option(flags, `${description} (repeatable)`).argParser(
    (value: string, others: string[] = []) => [...others, value],
  );
}

export const YES = ['-y, --yes', 'do not ask'] as const;

export const PASSWORD_STDIN = [
  '--password-stdin',
  'read the password from stdin instead of asking for it',
] as const;
