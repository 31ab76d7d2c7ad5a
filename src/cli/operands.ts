import type { Command } from 'commander';

/**
 * Identifiers, key ids and opaque tokens are 16 or 32 random bytes in base64url, so one in 64 begins with a hyphen and
 * would be taken for an option.
 */
const LIKE_AN_OPTION = /^-(?=.*[A-Z0-9_])(?:[\w-]{21}|[\w-]{42})$/;

/** The arguments with such identifiers behind `--`, where whatever stands is no option. */
export function shieldIdentifiers(args: readonly string[], program: Command): string[] {
  const takesValue = new Map(everyOption(program).map((option) => [option.long, option.required]));
  const end = args.includes('--') ? args.indexOf('--') : args.length;
  const shielded = new Set(
    args.keys().filter((place) => {
      const isValue = place > 0 && takesValue.get(args[place - 1]) === true;
      return (
        place < end && !isValue && LIKE_AN_OPTION.test(args[place] ?? '') && !takesValue.has(args[place])
      );
    }),
  );
  if (shielded.size === 0) return [...args];
  const others = args.slice(0, end).filter((_, place) => !shielded.has(place));
  const operands = args.filter((_, place) => shielded.has(place));
  return [...others, '--', ...operands, ...args.slice(end + 1)];
}

function everyOption(command: Command): Command['options'] {
  return [...command.options, ...command.commands.flatMap(everyOption)];
}
