import { readFileSync } from 'node:fs';
import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { askedSecret, pipedText } from '#src/cli/input.ts';
import { announce, type Touched, touchedByTurning, touchedOf } from '#src/cli/keys/touched.ts';
import { distance, moment } from '#src/cli/layout.ts';
import { type Report, snakeCase } from '#src/cli/report.ts';
import type { Terminal } from '#src/cli/terminal.ts';
import { describeFileFault } from '#src/config/file-fault.ts';
import { Secret } from '#src/secret.ts';
import type { Services } from '#src/services.ts';
import type { GeneratedKey } from '#src/signing/algorithm.ts';
import { isEncrypted, outsideKey, readPrivateKey } from '#src/signing/imported-key.ts';
import type { RotationOutcome } from '#src/signing/turning.ts';
import type { EpochSeconds } from '#src/units.ts';

export interface ImportKeyOptions {
  readonly alg?: string;
  readonly kid?: string;
  readonly passphraseFile?: string;
  readonly pkcs11?: string;
}

/** `keyturn keys import`: a key that was made elsewhere becomes the next one to sign. */
export async function importKey(
  cli: CommandLine,
  services: Services,
  file: string | undefined,
  options: ImportKeyOptions,
): Promise<Report> {
  const { pkcs11: label } = options;
  if ((file === undefined) === (label === undefined)) {
    throw new UsageFault('name either a file or, by --pkcs11, a key pair in the token');
  }
  const found =
    label === undefined
      ? await keyInFile(cli, services, file ?? '', options)
      : await keyInToken(services, label, options);
  const { clock } = cli.surroundings;
  const touched = await touchedByTurning(services, found.key.alg, clock.now());
  announce(cli, touched);
  const outcome = await services.rotation.import(found.key);
  return importedReport(found, outcome, touched, clock.now());
}

interface FoundKey {
  readonly key: GeneratedKey;
  /** What is left to be done, or to be known, about where it was. */
  readonly notes: readonly string[];
}

async function keyInFile(
  { terminal }: CommandLine,
  { config }: Services,
  file: string,
  options: ImportKeyOptions,
): Promise<FoundKey> {
  const { alg, kid } = options;
  const text = file === '-' ? new Secret(await pipedText(terminal)) : readSecret('FILE', file);
  const passphrase = isEncrypted(text) ? await passphraseFor(terminal, file, options) : undefined;
  const key = await readPrivateKey(text, { alg, kid, passphrase, algorithms: config.keys.algorithms });
  const removal = `The store has it now, sealed. Remove ${file}, and every copy of it.`;
  return { key, notes: file === '-' ? [] : [removal] };
}

async function keyInToken(
  { token, config }: Services,
  label: string,
  { alg, kid }: ImportKeyOptions,
): Promise<FoundKey> {
  if (token === null) {
    throw new UsageFault('the settings name no token', 'set pkcs11.module, pkcs11.token and pkcs11.pinFile');
  }
  const bounds = { alg, kid, algorithms: config.keys.algorithms };
  const { jwk, extractable } = await token.keys.read(label);
  const notes = [
    `It stays in the token ${token.label}, also when it is revoked or removed here: it is yours to destroy.`,
    ...(extractable ? ['Its private part can be taken out of the token by whoever has the PIN.'] : []),
  ];
  return { key: outsideKey(jwk, token.handleOf(label), bounds), notes };
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
  { key: { alg, kid, outside }, notes }: FoundKey,
  { outcome, signsFrom }: RotationOutcome,
  touched: Touched,
  now: EpochSeconds,
): Report {
  const when = `${moment(signsFrom)} (${distance(signsFrom, now)})`;
  return {
    document: {
      outcome: snakeCase(outcome),
      alg,
      kid,
      signs_from: signsFrom,
      outside: outside !== null,
      ...touchedOf(touched, alg),
    },
    text: (style) =>
      [
        `${style('good', 'Imported')} the ${alg} key ${kid}. It is published now, and the next to sign: from ${when}.`,
        'Until then nothing is signed with it, and no token that is out is touched by it, then or now.',
        `To have it sign as soon as everyone has it: keyturn keys rotate --alg ${alg}`,
        ...notes.map((line) => style('notable', line)),
      ].join('\n'),
  };
}
