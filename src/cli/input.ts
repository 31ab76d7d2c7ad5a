import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { Interrupted, UsageFault } from '#src/cli/failure.ts';
import type { Terminal } from '#src/cli/terminal.ts';
import { Refusal } from '#src/fault.ts';
import { Secret } from '#src/secret.ts';

/** More than any password or token; whoever sends more has mixed up their pipes. In bytes. */
const PIPED_BYTES_MAX = 64 * 1024;

/**
 * A new password: from stdin when the command says so, else asked twice on the terminal, without showing it.
 * @throws UsageFault when nobody is there to ask, Refusal `passwords_differ`.
 */
export async function newPassword(
  terminal: Terminal,
  { passwordStdin }: { passwordStdin?: boolean },
): Promise<Secret> {
  if (passwordStdin === true) return new Secret(await pipedText(terminal));
  if (!terminal.interactive) {
    throw new UsageFault(
      'there is no terminal to ask for the password on',
      'pipe the password in, and say so by --password-stdin',
    );
  }
  const [first, second] = await ask(terminal, ['New password: ', 'Once more: '], { hidden: true });
  if (first !== second)
    throw new Refusal('passwords_differ', 'The two passwords differ. Nothing was changed.');
  return new Secret(first ?? '');
}

/** A secret that there is already, asked for once and without showing it. The terminal must be interactive. */
export async function askedSecret(terminal: Terminal, question: string): Promise<Secret> {
  const [answer = ''] = await ask(terminal, [question], { hidden: true });
  return new Secret(answer);
}

/**
 * Asks before something is lost; where nobody is there to answer, being told to is enough.
 * @throws Refusal `not_confirmed`
 */
export async function confirm(
  terminal: Terminal,
  question: string,
  { yes }: { yes?: boolean },
): Promise<void> {
  if (yes === true || !terminal.interactive) return;
  const [answer = ''] = await ask(terminal, [`${question} [y/N] `], { hidden: false });
  if (!/^y(es)?$/i.test(answer.trim())) throw new Refusal('not_confirmed', 'Nothing was changed.');
}

/** All that is piped in, without the line break at its end. @throws UsageFault if there is nothing, or far too much. */
export async function pipedText({ streams: { stdin } }: Terminal): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > PIPED_BYTES_MAX) throw new UsageFault(`stdin holds more than ${PIPED_BYTES_MAX / 1024} KiB`);
    chunks.push(bytes);
  }
  const text = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '');
  if (text === '') throw new UsageFault('stdin is empty');
  return text;
}

/**
 * One typed line for each question. The questions go to stderr, so that stdout keeps to the answer of the command.
 * @throws Interrupted when there is none.
 */
async function ask(
  { streams }: Terminal,
  questions: readonly string[],
  { hidden }: { hidden: boolean },
): Promise<readonly string[]> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  // One reader for all questions, as one that is closed takes along what was typed ahead.
  const reader = createInterface({
    input: streams.stdin,
    output: hidden ? nowhere : streams.stderr,
    terminal: true,
    historySize: 0,
  });
  reader.once('SIGINT', () => reader.close());
  try {
    const lines = reader[Symbol.asyncIterator]();
    const answers: string[] = [];
    for (const question of questions) {
      if (hidden) streams.stderr.write(question);
      reader.setPrompt(question);
      reader.prompt();
      const { value, done } = await lines.next();
      if (hidden || done === true) streams.stderr.write('\n');
      if (done === true) throw new Interrupted();
      answers.push(value);
    }
    return answers;
  } finally {
    reader.close();
  }
}
