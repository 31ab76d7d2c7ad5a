import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { test } from 'node:test';
import { run } from '#src/cli/program.ts';
import { systemClock } from '#src/clock.ts';
import { systemRandom } from '#src/random.ts';
import { USAGE as BENCH_USAGE } from '#test/bench/options.ts';
import { type ShownCommand, shownCommands } from '#test/docs/commands.ts';
import { everyPage } from '#test/docs/markdown.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

const PASSWORD = 'the quick brown fox of tests';
const API = 'https://api.example.com';

/** Files that commands name, wherever it says that they are. */
const FILES = ['/keyturn.yaml', 'old-key.pem', 'former-jwks.json', 'keyturn.backup'];

/** They run until they are stopped, or against a running server. */
const NOT_RUN = new Set(['serve', 'top', 'tour']);

for (const page of everyPage()) {
  const commands = shownCommands(page);
  if (commands.length === 0) continue;
  test(`every command in ${page.path} does what it is shown for`, async () => {
    await using directory = await makeTemporaryDirectory();
    const keyturn = commandLineIn(directory.path);
    for (const command of commands) {
      const args = await completed(command, keyturn);
      const { code, output } = await keyturn(args);
      // What is inspected here is no token, and that is told by the exit code too.
      const accepted = args[0] === 'tokens' ? [0, 1] : [0];
      assert.ok(accepted.includes(code), `keyturn ${args.join(' ')}\n${output}`);
    }
  });
}

test('every option that a page names belongs to a command', async () => {
  await using directory = await makeTemporaryDirectory();
  const keyturn = commandLineIn(directory.path);
  const commands = [
    '',
    'clients add',
    'clients roll-secret',
    'resources add',
    'restore',
    'store copy',
    'accounts add',
    'accounts update',
    'keys import',
    'keys migrate',
    'keys rotate',
    'kek retire',
    'kek rotate',
    'keys revoke',
    'keys drill',
    'keys timeline',
    'sessions end',
    'top',
    'trusted-issuers add',
  ];
  const helps = await Promise.all(
    commands.map((each) => keyturn([...each.split(' ').filter(Boolean), '--help'])),
  );
  const texts = [...helps.map(({ output }) => output), BENCH_USAGE];
  const options = new Set(texts.flatMap((text) => text.match(/--[\w-]+/g) ?? []));
  for (const { path, inlineCode } of everyPage()) {
    for (const code of inlineCode.filter((each) => each.startsWith('--'))) {
      assert.ok(options.has(code.split(' ')[0] ?? ''), `${path}: ${code}`);
    }
  }
});

interface CommandLine {
  (args: readonly string[]): Promise<{ code: number; output: string }>;
  /** The store of that name. */
  store(name: string): string;
}

/** Runs commands on a store of its own. Whoever asks for a password, or for a token, gets one. */
function commandLineIn(directory: string): CommandLine {
  const store = (name: string) => `sqlite:${join(directory, `${name}.db`)}`;
  const env = {
    KEYTURN_STORE: store('keyturn'),
    KEYTURN_KEYS_DIR: join(directory, 'keys'),
  };
  writeFileSync(join(directory, 'keyturn.yaml'), 'issuer: https://id.example.com\n');
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const former = { ...publicKey.export({ format: 'jwk' }), kid: 'former' };
  writeFileSync(join(directory, 'former-jwks.json'), JSON.stringify({ keys: [former] }));
  writeFileSync(join(directory, 'old-key.pem'), privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const runCommand = async (args: readonly string[]) => {
    const stdout = new PassThrough();
    let output = '';
    stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const code = await run(
      args.map((arg) => (FILES.some((name) => arg.endsWith(name)) ? join(directory, basename(arg)) : arg)),
      {
        streams: { stdin: Readable.from([PASSWORD]), stdout, stderr: stdout },
        surroundings: { clock: systemClock, random: systemRandom },
        // A backup is restored into an empty store.
        env: args[0] === 'restore' ? { ...env, KEYTURN_STORE: store('restored') } : env,
        stopSignal: () => new AbortController().signal,
        onSignal: () => {},
        onExit: () => {},
        threadsWanted: () => {},
      },
    );
    return { code, output };
  };
  return Object.assign(runCommand, { store });
}

/** The command with what it needs: what its placeholders stand for, a password, and what it is about. */
async function completed(
  { args, mentioned }: ShownCommand,
  keyturn: CommandLine,
): Promise<readonly string[]> {
  const words = args.filter((arg, index) => !arg.startsWith('-') && !args[index - 1]?.startsWith('--'));
  const [group = '', action = ''] = words;
  // A rehearsal calls the APIs of whoever reads the page, and a drill takes a minute and has tests of its own.
  if (NOT_RUN.has(group) || args.includes('--rehearse') || action === 'drill') return [...args, '--help'];
  if (words.length === 0) return [...args, '--help'];
  if (mentioned && words.length === args.length && words.length <= 2) return [...args, '--help'];
  if (action === 'add') return group === 'accounts' ? [...args, '--password-stdin'] : args;
  if (args.includes('ada')) await keyturn(['accounts', 'add', '--username', 'ada', '--password-stdin']);
  if (args.includes(API)) await keyturn(['resources', 'add', '--identifier', API]);
  const passwordFrom = action === 'reset-password' ? ['--password-stdin'] : [];
  const replaced = await Promise.all(args.map((arg) => replacement(arg, keyturn)));
  return [...replaced, ...passwordFrom];
}

async function replacement(arg: string, keyturn: CommandLine): Promise<string> {
  if (arg.startsWith('sqlite:')) return keyturn.store('keyturn');
  if (arg.startsWith('redis:')) return keyturn.store('copied');
  if (arg === 'CLIENT_ID') {
    const { output } = await keyturn([
      ...['clients', 'add', '--name', 'Any', '--json'],
      ...['--redirect-uri', 'https://any.example.com/'],
    ]);
    return JSON.parse(output).client_id;
  }
  if (arg === 'TOKEN_ID')
    return JSON.parse((await keyturn(['registration-tokens', 'add', '--json'])).output).id;
  if (arg === 'KEK_ID') {
    const { keks } = JSON.parse((await keyturn(['kek', 'list', '--json'])).output);
    return keks.find(({ state }: { state: string }) => state === 'former').id;
  }
  if (arg === 'KID') return JSON.parse((await keyturn(['keys', 'list', '--json'])).output)[0].kid;
  return arg;
}
