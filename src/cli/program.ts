import { Command, CommanderError } from 'commander';
import { CommandLine, type CommandLineParts, type SharedOptions } from '#src/cli/command-line.ts';
import { accountCommands } from '#src/cli/commands/accounts.ts';
import { backupCommand, restoreCommand } from '#src/cli/commands/backup.ts';
import { clientCommands } from '#src/cli/commands/clients.ts';
import { configCommands } from '#src/cli/commands/config.ts';
import { doctorCommand } from '#src/cli/commands/doctor.ts';
import { formerKeyCommands } from '#src/cli/commands/former-keys.ts';
import { kekCommands } from '#src/cli/commands/kek.ts';
import { keyCommands } from '#src/cli/commands/keys.ts';
import { nodesCommand } from '#src/cli/commands/nodes.ts';
import { registrationTokenCommands } from '#src/cli/commands/registration-tokens.ts';
import { resourceCommands } from '#src/cli/commands/resources.ts';
import { serveCommand } from '#src/cli/commands/serve.ts';
import { sessionCommands } from '#src/cli/commands/sessions.ts';
import { storeCommands } from '#src/cli/commands/store.ts';
import { tokenCommands } from '#src/cli/commands/tokens.ts';
import { tourCommand } from '#src/cli/commands/tour.ts';
import { trustedIssuerCommands } from '#src/cli/commands/trusted-issuers.ts';
import { EXIT, failureDocument, failureOf, failureText } from '#src/cli/failure.ts';
import { shieldIdentifiers } from '#src/cli/operands.ts';
import { type Streams, Terminal } from '#src/cli/terminal.ts';
import { PROGRAM_VERSION } from '#src/version.ts';

/** What the program is given by whoever runs it. */
export interface Host
  extends Pick<CommandLineParts, 'surroundings' | 'env' | 'givenAt' | 'stopSignal' | 'onSignal'> {
  readonly streams: Streams;
}

/** Runs `keyturn ARGS…`. The answer is the exit code; whatever goes wrong has been told by then. */
export async function run(args: readonly string[], { streams, ...rest }: Host): Promise<number> {
  const terminal = new Terminal(streams);
  const program = new Command('keyturn');
  const cli = new CommandLine({ ...rest, terminal, options: () => program.opts<SharedOptions>() });
  assemble(program, cli);
  try {
    await program.parseAsync(shieldIdentifiers(args, program), { from: 'user' });
    return cli.allHeld ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
    // A group of commands without one of them: its help has been told.
    if (error instanceof CommanderError && error.code === 'commander.help') return EXIT.usage;
    const failure = failureOf(error);
    // The options may be what could not be understood, so the arguments themselves are asked.
    if (args.includes('--json')) terminal.tell(JSON.stringify(failureDocument(failure)));
    else terminal.tell(failureText(failure, terminal.asideStyle));
    return failure.exitCode;
  }
}

function assemble(program: Command, cli: CommandLine): void {
  const { terminal } = cli;
  program
    .description('Keyturn, an OAuth 2.1 and OpenID Connect authorization server.')
    .version(PROGRAM_VERSION, '--version', 'print the version')
    .option('--config <file>', 'the settings file (default: what KEYTURN_CONFIG names)')
    .option('--json', 'print one JSON document, for programs')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 refused or failed, 2 a command or settings that cannot be understood.',
    );
  const commands = [
    serveCommand(cli),
    tourCommand(cli),
    configCommands(cli),
    clientCommands(cli),
    registrationTokenCommands(cli),
    resourceCommands(cli),
    accountCommands(cli),
    sessionCommands(cli),
    keyCommands(cli),
    kekCommands(cli),
    storeCommands(cli),
    backupCommand(cli),
    restoreCommand(cli),
    nodesCommand(cli),
    formerKeyCommands(cli),
    tokenCommands(cli),
    trustedIssuerCommands(cli),
    doctorCommand(cli),
  ];
  for (const command of commands) program.addCommand(command);
  configure(program, terminal);
}

/** Settings of the parser, which a command added to another does not take over by itself. */
function configure(command: Command, terminal: Terminal): void {
  command
    .exitOverride()
    .allowExcessArguments(false)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => terminal.print(text.trimEnd()),
      writeErr: (text) => terminal.tell(text.trimEnd()),
      // `run` tells what went wrong.
      outputError: () => {},
      getOutHasColors: () => false,
    });
  for (const each of command.commands) configure(each, terminal);
}
