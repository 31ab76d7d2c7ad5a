import { Command, CommanderError } from 'commander';
import { CommandLine, type CommandLineParts, type SharedOptions } from '#src/cli/command-line.ts';
import { accountCommands } from '#src/cli/commands/accounts.ts';
import { clientCommands } from '#src/cli/commands/clients.ts';
import { resourceCommands } from '#src/cli/commands/resources.ts';
import { serveCommand } from '#src/cli/commands/serve.ts';
import { EXIT, failureDocument, failureOf, failureText } from '#src/cli/failure.ts';
import { type Streams, Terminal } from '#src/cli/terminal.ts';

export interface Surroundings extends Pick<CommandLineParts, 'surroundings' | 'stopSignal'> {
  readonly streams: Streams;
}

/** Runs `keyturn ARGS…`. The answer is the exit code; whatever goes wrong has been told by then. */
export async function run(args: readonly string[], { streams, ...rest }: Surroundings): Promise<number> {
  const terminal = new Terminal(streams);
  const program = new Command('keyturn');
  const cli = new CommandLine({ ...rest, terminal, options: () => program.opts<SharedOptions>() });
  assemble(program, cli);
  try {
    await program.parseAsync(args, { from: 'user' });
    return cli.allHeld ? EXIT.ok : EXIT.failed;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT.ok;
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
    .option('--config <file>', 'the settings file (default: what KEYTURN_CONFIG names)')
    .option('--json', 'print one JSON document, for programs')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 refused or failed, 2 a command or settings that cannot be understood.',
    );
  for (const command of [
    serveCommand(cli),
    clientCommands(cli),
    resourceCommands(cli),
    accountCommands(cli),
  ]) {
    program.addCommand(command);
  }
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
      // `run` tells what went wrong, once.
      writeErr: () => {},
      outputError: () => {},
      getOutHasColors: () => false,
    });
  for (const each of command.commands) configure(each, terminal);
}
