import { readFileSync } from 'node:fs';
import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { askedSecret, pipedText } from '#src/cli/input.ts';
import { distance, moment } from '#src/cli/layout.ts';
import { type Report, snakeCase } from '#src/cli/report.ts';
import type { Style, Terminal } from '#src/cli/terminal.ts';
import { describeFileFault } from '#src/config/file-fault.ts';
import { Secret } from '#src/secret.ts';
import type { Services } from '#src/services.ts';
import type { GeneratedKey } from '#src/signing/algorithm.ts';
import { isEncrypted, readPrivateKey } from '#src/signing/imported-key.ts';
import type { RotationOutcome } from '#src/signing/rotation.ts';
import type { EpochSeconds } from '#src/units.ts';

export interface ImportKeyOptions {
  readonly alg?: string;
  readonly kid?: string;
  readonly passphraseFile?: string;
}

/** `keyturn keys import`: a key that was made elsewhere becomes the next one to sign. */
export async function importKey(
  { terminal, surroundings }: CommandLine,
  { rotation, config }: Services,
  file: string,
  options: ImportKeyOptions,
): Promise<Report> {
  const { alg, kid } = options;
  const text = file === '-' ? new Secret(await pipedText(terminal)) : readSecret('FILE', file);
  const passphrase = isEncrypted(text) ? await passphraseFor(terminal, file, options) : undefined;
  const key = await readPrivateKey(text, { alg, kid, passphrase, algorithms: config.keys.algorithms });
  const outcome = await rotation.import(key);
  return importedReport(key, outcome, surroundings.clock.now(), file === '-' ? null : file);
}

async function passphraseFor(
  terminal: Terminal,
  file: string,
  { passphraseFile }: ImportKeyOptions,
): Promise<Secret> {
  if (passphraseFile !== undefined) return readSecret('--passphrase-file', passphraseFile);
  if (terminal.interactive && file !== '-') return askedSecret(terminal, 'Passphrase of the key: ');
  throw new UsageFault('the key is encrypted', 'give its passphrase by --passphrase-file');
}

/** A key is shorter, and what is longer is some other file. In characters. */
const SECRET_CHARS_MAX = 64 * 1024;

/** What stands in a file, without the line break at its end. */
function readSecret(name: string, file: string): Secret {
  try {
    const text = readFileSync(file, 'utf8');
    if (text.length <= SECRET_CHARS_MAX) return new Secret(text.replace(/\r?\n$/, ''));
  } catch (error) {
    throw new UsageFault(`${name}: ${file} ${describeFileFault(error)}`);
  }
  throw new UsageFault(`${name}: ${file} holds more than ${SECRET_CHARS_MAX / 1024} KiB`);
}

function importedReport(
  { alg, kid }: GeneratedKey,
  { outcome, signsFrom }: RotationOutcome,
  now: EpochSeconds,
  file: string | null,
): Report {
  return {
    document: { outcome: snakeCase(outcome), alg, kid, signs_from: signsFrom },
    text: (style) =>
      [...importedLines(alg, kid, signsFrom, now, style), ...removalLines(file, style)].join('\n'),
  };
}

function importedLines(
  alg: string,
  kid: string,
  signsFrom: EpochSeconds,
  now: EpochSeconds,
  style: Style,
): string[] {
  const when = `${moment(signsFrom)} (${distance(signsFrom, now)})`;
  return [
    `${style('good', 'Imported')} the ${alg} key ${kid}. It is published now, and the next to sign: from ${when}.`,
    'Until then nothing is signed with it, and no token that is out is touched by it, then or now.',
    `To have it sign as soon as everyone has it: keyturn keys rotate --alg ${alg}`,
  ];
}

const removalLines = (file: string | null, style: Style): string[] =>
  file === null
    ? []
    : [style('notable', `The store has it now, sealed. Remove ${file}, and every copy of it.`)];
