/**
 * Every key there is, by the name that the scripts know it by. There are few, and they are always the same: each
 * holds all facts of one sort. So a script can name what it touches before it runs, as a cluster wants it, although it
 * learns only then whose aliases, group and owner a record has.
 */
const KEY_NAMES = [
  'records',
  'kinds',
  'expiries',
  'aliases',
  'groups',
  'owners',
  'ended_groups',
  'last_version',
  'revoked',
  'log_entries',
  'log_order',
  'log_expiries',
  'position',
  'seal',
  'counters',
  'counter_expiries',
  'layout',
  'pinged',
] as const;

export type KeyName = (typeof KEY_NAMES)[number];

/** The keys in Redis, all in the hash slot of their common tag. */
export type Keys = Readonly<Record<KeyName, string>>;

export function keysOf(prefix: string): Keys {
  const keys = KEY_NAMES.map((name) => [name, `{${prefix}}:${name.replaceAll('_', '-')}`]);
  return Object.fromEntries(keys) as Keys;
}
