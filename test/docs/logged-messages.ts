import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseSync, visitorKeys } from 'oxc-parser';
import { ROOT } from '#test/docs/markdown.ts';

type Node = { readonly type: string } & Readonly<Record<string, unknown>>;

const LEVELS: ReadonlySet<unknown> = new Set(['debug', 'info', 'warn', 'error', 'fatal']);

/**
 * Every message that the program logs, as the source has it: the last argument of each call of `log`. Where something is
 * put into it there is an ellipsis; one that comes from elsewhere altogether is a single ellipsis.
 */
export function loggedMessages(): ReadonlySet<string> {
  const messages = new Set<string>();
  for (const path of globSync('src/**/*.ts', { cwd: ROOT })) {
    const { program } = parseSync(path, readFileSync(join(ROOT, path), 'utf8'));
    for (const call of callsOfLog(program as unknown as Node))
      for (const message of textsOf((call.arguments as Node[]).at(-1) as Node)) messages.add(message);
  }
  return messages;
}

function* callsOfLog(node: Node): Generator<Node> {
  if (node.type === 'CallExpression' && isLog(node.callee as Node)) yield node;
  for (const key of visitorKeys[node.type] ?? []) {
    for (const child of [node[key]].flat() as (Node | null)[]) if (child !== null) yield* callsOfLog(child);
  }
}

/** `log.warn`, `options.log.warn`, `log[level]` */
function isLog({ type, object, property, computed }: Node): boolean {
  if (type !== 'MemberExpression') return false;
  const { name, property: last } = object as { name?: unknown; property?: { name?: unknown } };
  if (name !== 'log' && last?.name !== 'log') return false;
  return computed === true || LEVELS.has((property as { name?: unknown }).name);
}

/** What an expression may say. */
function textsOf(node: Node): readonly string[] {
  switch (node.type) {
    case 'Literal':
      return [String(node.value)];
    case 'ConditionalExpression':
      return [...textsOf(node.consequent as Node), ...textsOf(node.alternate as Node)];
    case 'BinaryExpression':
      return textsOf(node.left as Node).flatMap((left) =>
        textsOf(node.right as Node).map((right) => left + right),
      );
    case 'TemplateLiteral':
      return [(node.quasis as { value: { cooked: string } }[]).map(({ value }) => value.cooked).join('…')];
    default:
      return ['…'];
  }
}
