/** One instruction of a Dockerfile: `RUN`, and what stands behind it, continued lines joined. */
export interface Instruction {
  readonly keyword: string;
  readonly text: string;
  readonly line: number;
}

/** Takes a Dockerfile apart. Knows comments and continued lines; heredocs and other escape characters it does not. */
export function parseDockerfile(source: string): Instruction[] {
  const instructions: Instruction[] = [];
  let pending = '';
  let start = 0;
  for (const [index, line] of source.split('\n').entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    if (pending === '') start = index + 1;
    pending += line.replace(/\\\s*$/, ' ');
    if (/\\\s*$/.test(line)) continue;
    const [, keyword = '', text = ''] = /^\s*(\w+)\s+(.*?)\s*$/.exec(pending) ?? [];
    instructions.push({ keyword: keyword.toUpperCase(), text, line: start });
    pending = '';
  }
  return instructions;
}

/** Whether a path, given from the context's root, stays out of the image's build. The last pattern that fits decides. */
export function isIgnored(dockerignore: string, path: string): boolean {
  const parts = path.split('/');
  const selfAndParents = parts.map((_, index) => parts.slice(0, index + 1).join('/'));
  let ignored = false;
  for (const line of dockerignore.split('\n')) {
    const pattern = line.trim();
    if (pattern === '' || pattern.startsWith('#')) continue;
    const expression = patternExpression(pattern.replace(/^!/, '').replace(/^\/|\/$/g, ''));
    if (selfAndParents.some((each) => expression.test(each))) ignored = !pattern.startsWith('!');
  }
  return ignored;
}

function patternExpression(pattern: string): RegExp {
  const source = pattern.replaceAll(/\*\*\/|\*\*|\*|\?|[.+^${}()|[\]\\]/g, (sign) => {
    if (sign === '**/') return '(?:.*/)?';
    if (sign === '**') return '.*';
    if (sign === '*') return '[^/]*';
    return sign === '?' ? '[^/]' : `\\${sign}`;
  });
  return new RegExp(`^${source}$`);
}
