import { Command } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { listAlgorithms } from '#src/cli/keys/algorithms.ts';
import { keyHistory } from '#src/cli/keys/happened.ts';
import { type ImportKeyOptions, importKey } from '#src/cli/keys/imported.ts';
import { listKeys } from '#src/cli/keys/listed.ts';
import { type MigrateOptions, migrateAlgorithm, retireAlgorithm } from '#src/cli/keys/migrated.ts';
import { listReaders } from '#src/cli/keys/readers.ts';
import { type RehearsalOptions, rehearseRotation } from '#src/cli/keys/rehearsed.ts';
import { type RevokeOptions, revokeKeys } from '#src/cli/keys/revoked.ts';
import { drawKeys } from '#src/cli/keys/timeline.ts';
import { type RotateOptions, rotateKeys, undoRotation } from '#src/cli/keys/turned.ts';
import { repeatable, YES } from '#src/cli/options.ts';

const ALG = ['--alg <alg>', 'this algorithm only, such as ES256'] as const;

/** `keyturn keys …`: what tokens are signed with. A running server follows every change by itself. */
export function keyCommands(cli: CommandLine): Command {
  const keys = new Command('keys').description('the keys that tokens are signed with');
  const now = () => cli.surroundings.clock.now();
  keys
    .command('list')
    .description('show every key, its state, since when and until when')
    .action(() => cli.report((services) => listKeys(services, now())));
  keys
    .command('readers')
    .description('show who has fetched the published keys, and who of them has the next ones')
    .action(() => cli.report((services) => listReaders(services, now())));
  keys
    .command('rotate')
    .description('let the next key sign as soon as everyone has it; nothing fails meanwhile')
    .option(...ALG)
    .option(
      '--wait [duration]',
      'wait for resource servers that have not fetched the next key; default: keys.readinessWaitMax',
    )
    .option('--anyway', 'do not look who has fetched the next key')
    .option('--break-glass', 'do not wait for those who may have cached the keys without it')
    .option('--reason <text>', 'why the glass was broken, for the record')
    .option(...YES)
    .option(
      '--rehearse',
      'rotate nothing, but try out with their canary URLs whether resource servers would take a new key',
    )
    .option('--patience <duration>', 'how long they are given for it; default: rehearsal.patience')
    .action(({ rehearse, ...options }: RotateOptions & RehearsalOptions & { rehearse?: boolean }) =>
      cli.report((services) =>
        rehearse === true ? rehearseRotation(cli, services, options) : rotateKeys(cli, services, options),
      ),
    );
  keys
    .command('undo')
    .description('let the key that signed before sign again, which everyone still has')
    .option(...ALG)
    .action((options: { alg?: string }) => cli.report((services) => undoRotation(cli, services, options)));
  keys
    .command('revoke [kid]')
    .description('end a key that was stolen, and every token that it signed, at once')
    .option('--all', 'every key, when the store was stolen together with its key-encryption key')
    .requiredOption('--reason <text>', 'why, for the record')
    .option(...YES)
    .action((kid: string | undefined, options: RevokeOptions) =>
      cli.report((services) => revokeKeys(cli, services, kid, options)),
    );
  keys
    .command('import [file]')
    .description('let a private key that was made elsewhere sign next: PEM or a JWK, `-` for stdin')
    .option('--alg <alg>', 'what it is to sign with, where it could sign by several algorithms')
    .option('--kid <kid>', 'what it is to be called (default: as its JWK says, else its thumbprint)')
    .option('--passphrase-file <file>', 'the passphrase of an encrypted key, instead of asking for it')
    .option('--pkcs11 <label>', 'a key pair in the PKCS#11 token of the settings, in place of a file')
    .action((file: string | undefined, options: ImportKeyOptions) =>
      cli.report((services) => importKey(cli, services, file, options)),
    );
  keys
    .command('algorithms')
    .description('show what is signed with, and who asks for which algorithm')
    .action(() => cli.report((services) => listAlgorithms(services, now())));
  keys
    .command('migrate <from> <to>')
    .description('have what is signed by one algorithm for somebody signed by another')
    .addOption(repeatable('--client <client-id>', 'move this client'))
    .addOption(repeatable('--resource <identifier>', 'move this resource server'))
    .option('--all', 'move everybody who is registered for it')
    .option('--dry-run', 'show what would be moved, and change nothing')
    .action((from: string, to: string, options: MigrateOptions) =>
      cli.report((services) => migrateAlgorithm(cli, services, [from, to], options)),
    );
  keys
    .command('retire-algorithm <alg>')
    .description('let nothing sign with an algorithm that the settings do not name any more')
    .action((alg: string) => cli.report((services) => retireAlgorithm(services, alg)));
  keys
    .command('history')
    .description('show what happened to the keys, by the schedule and by hand')
    .option('--limit <count>', 'how many of the latest events', '50')
    .action(({ limit }: { limit: string }) =>
      cli.report(({ rotation }) => keyHistory(rotation, countOf(limit, '--limit'))),
    );
  drawingCommands(keys, cli);
  return keys;
}

const SVG = ['--svg <file>', 'draw it into this file as well, as an SVG'] as const;

/** What an administrator looks at. */
function drawingCommands(keys: Command, cli: CommandLine): void {
  const { surroundings, terminal } = cli;
  keys
    .command('timeline')
    .description('draw what the keys did, and when the next rotations come')
    .option(...SVG)
    .action(({ svg }: { svg?: string }) =>
      cli.report(({ rotation }) =>
        drawKeys(rotation, { now: surroundings.clock.now(), columns: terminal.columns, svg: svg ?? null }),
      ),
    );
  keys
    .command('drill')
    .description('rehearse ten rotations, an undo and a revocation under traffic, on servers made for it')
    .option('--seed <number>', 'play another course of the same events', '1')
    .option(...SVG)
    .action(async ({ seed, svg }: { seed: string; svg?: string }) => {
      // Loaded here, since no other command plays the servers and their clients.
      const { drillKeys } = await import('#src/cli/keys/drilled.ts');
      cli.say(await drillKeys(cli, { seed: countOf(seed, '--seed'), svg: svg ?? null }));
    });
}

function countOf(text: string, option: string): number {
  const count = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (count > 0) return count;
  throw new UsageFault(`${option}: "${text}" is no whole number above 0`);
}
