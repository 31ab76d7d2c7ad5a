import { readFileSync } from 'node:fs';
import type { KeyName } from '#src/storage/redis/keys.ts';

/** One operation of the backend: which keys it touches, and the text that Redis runs with them. */
export interface Script {
  readonly keys: readonly KeyName[];
  readonly lua: string;
}

type ScriptFlag = 'no-writes' | 'allow-oom';

/** The text of a script: its flags, the names of its keys, the parts that it shares with others, and its own. */
function script(
  name: string,
  { keys, parts = [], flag }: { keys: readonly KeyName[]; parts?: readonly string[]; flag?: ScriptFlag },
): Script {
  const head = flag === undefined ? '#!lua' : `#!lua flags=${flag}`;
  const names = `local ${keys.join(', ')} = unpack(KEYS)`;
  return { keys, lua: [head, names, ...parts.map(textOf), textOf(name)].join('\n') };
}

const textOf = (name: string): string => readFileSync(new URL(`lua/${name}.lua`, import.meta.url), 'utf8');

const LINKED_RECORD = ['records', 'kinds', 'expiries', 'aliases', 'groups', 'owners'] as const;
const LOG = ['log_entries', 'log_order', 'log_expiries', 'position'] as const;

/**
 * What takes more than one command. Redis runs one script at a time, so each is one atomic step. What takes something
 * away from somebody may run when the memory is used up (`allow-oom`): a full store must not keep a token alive.
 */
export const SCRIPTS = {
  put: script('put', {
    keys: [...LINKED_RECORD, 'ended_groups', 'last_version', ...LOG, 'seal'],
    parts: ['sequence', 'record', 'links', 'note', 'seal'],
  }),
  findByAlias: script('find-by-alias', { keys: ['aliases', 'records'], flag: 'no-writes' }),
  consume: script('consume', { keys: ['records'], parts: ['record'], flag: 'allow-oom' }),
  remove: script('remove', {
    keys: [...LINKED_RECORD, ...LOG],
    parts: ['sequence', 'record', 'links', 'note'],
    flag: 'allow-oom',
  }),
  endGroup: script('end-group', {
    keys: [...LINKED_RECORD, 'ended_groups', ...LOG],
    parts: ['sequence', 'record', 'links', 'note'],
    flag: 'allow-oom',
  }),
  list: script('list', { keys: ['kinds', 'owners', 'records'], parts: ['record'], flag: 'no-writes' }),
  revoke: script('revoke', {
    keys: ['revoked', ...LOG, 'seal'],
    parts: ['sequence', 'note', 'seal'],
    flag: 'allow-oom',
  }),
  append: script('append', { keys: [...LOG, 'seal'], parts: ['sequence', 'note', 'seal'] }),
  readLog: script('read-log', { keys: LOG, flag: 'no-writes' }),
  hit: script('hit', { keys: ['counters', 'counter_expiries'], parts: ['sequence'] }),
  resetCounter: script('reset-counter', { keys: ['counters', 'counter_expiries'], flag: 'allow-oom' }),
  sweep: script('sweep', {
    keys: [...LINKED_RECORD, 'ended_groups', 'revoked', ...LOG, 'counters', 'counter_expiries'],
    parts: ['sequence', 'record', 'links'],
    flag: 'allow-oom',
  }),
  census: script('census', {
    keys: ['kinds', 'counter_expiries', 'ended_groups', 'log_order', 'revoked'],
    flag: 'no-writes',
  }),
  settle: script('settle', { keys: ['pinged'], flag: 'allow-oom' }),
  walk: script('walk', {
    keys: ['kinds', 'records', 'log_order', 'log_entries'],
    parts: ['record', 'seal', 'bodies'],
    flag: 'no-writes',
  }),
  replaceBodies: script('replace-bodies', {
    keys: ['records', 'log_entries', 'seal'],
    parts: ['sequence', 'record', 'seal', 'bodies'],
  }),
  entries: script('entries', {
    keys: ['kinds', 'records', 'aliases', 'log_order', 'log_entries'],
    parts: ['record'],
    flag: 'no-writes',
  }),
  timedEntries: script('timed-entries', {
    keys: ['ended_groups', 'revoked', 'counters', 'counter_expiries'],
    flag: 'no-writes',
  }),
  fill: script('fill', {
    keys: [
      ...LINKED_RECORD,
      'ended_groups',
      'last_version',
      'revoked',
      ...LOG,
      'seal',
      'counters',
      'counter_expiries',
    ],
    parts: ['sequence', 'record', 'links'],
  }),
} as const satisfies Readonly<Record<string, Script>>;

export type ScriptName = keyof typeof SCRIPTS;
