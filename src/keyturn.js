#!/usr/bin/env node
/**
 * The command `keyturn`. The program is TypeScript that Node 24 runs as it stands; this file is plain JavaScript,
 * so that an older Node can read it, find the pinned one that `npm ci` has brought, and hand over to it.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

/** The first major version that strips types and has every built-in module that the program uses. */
const NODE_MAJOR_MIN = 24;

/** What asks a process to end. */
const PASSED_ON = ['SIGTERM', 'SIGINT', 'SIGHUP'];

const main = new URL('./main.ts', import.meta.url);

if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR_MIN) {
  // Stripped and compiled code is kept from one start to the next; beside the packages, where whoever may write could
  // change the program itself, and not in a folder that all users share.
  module.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/keyturn', import.meta.url)));
  module.registerHooks({ resolve });
  await import(main.href);
} else {
  handOver(pinnedNode());
}

/**
 * Most imports say as much as a URL: `#src/` what package.json has for it, a path with its ending what stands beside the
 * importing file. Asking the file system about each, as Node does, is a fifth of a start; see docs/performance.md.
 */
function resolve(specifier, context, next) {
  if (specifier.startsWith('#src/')) {
    const { href } = new URL(specifier.slice('#src/'.length), import.meta.url);
    return { url: href, format: 'module-typescript', shortCircuit: true };
  }
  if (context.conditions.includes('import') && /^\.\.?\/.*\.[cm]?js$/.test(specifier)) {
    return { url: new URL(specifier, context.parentURL).href, shortCircuit: true };
  }
  return next(specifier, context);
}

/** The path of the pinned runtime, or the end of the process with a word on how to get it. */
function pinnedNode() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  const path = fileURLToPath(new URL(`../node_modules/node/bin/${name}`, import.meta.url));
  if (existsSync(path)) return path;
  process.stderr.write(
    `keyturn: Node ${NODE_MAJOR_MIN} or later is needed, this is ${process.version}.\n` +
      'Run `npm ci` in the project folder: it brings the right one along.\n',
  );
  process.exit(1);
}

/** Runs the program on another Node, with our arguments and streams, and ends as it ends. */
function handOver(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of PASSED_ON) {
    process.on(signal, () => {
      // Control-C in a terminal reaches the program by itself; told twice, it would think that someone is in a hurry.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on('error', (error) => {
    process.stderr.write(`keyturn: ${node} does not start: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
  });
}
