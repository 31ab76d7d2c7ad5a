import { Command, CommanderError } from 'commander';
import { CommandLine, type CommandLineParts, type SharedOptions } from '#src/cli/command-line.ts';
import { EXIT, failureDocument, failureOf, failureText } from '#src/cli/failure.ts';
import { shieldIdentifiers } from '#src/cli/operands.ts';
import { type Streams, Terminal } from '#src/cli/terminal.ts';
import { PROGRAM_VERSION } from '#src/version.ts';

/** What the program is given by whoever runs it. */
export interface Host
  extends Pick<
    CommandLineParts,
    'surroundings' | 'env' | 'givenAt' | 'stopSignal' | 'onSignal' | 'onExit' | 'threadsWanted'
  > {
  readonly streams: Streams;
}

/** Runs `keyturn ARGS…`. The answer is the exit code; whatever goes wrong has been told by then. */
export async function run(args: readonly string[], { streams, ...rest }: Host): Promise<number> {
  const terminal = new Terminal(streams);
  const program = new Command('keyturn');
  const cli = new CommandLine({ ...rest, terminal, options: () => program.opts<SharedOptions>() });
  try {
    await assemble(program, cli, args);
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

/** The commands, by their names, in the order in which help tells of them. One is loaded when it is named. */
const COMMANDS: Readonly<Record<string, (cli: CommandLine) => Promise<Command>>> = {
  serve: async (cli) => (await import('#src/cli/commands/serve.ts')).serveCommand(cli),
  tour: async (cli) => (await import('#src/cli/commands/tour.ts')).tourCommand(cli),
  config: async (cli) => (await import('#src/cli/commands/config.ts')).configCommands(cli),
  clients: async (cli) => (await import('#src/cli/commands/clients.ts')).clientCommands(cli),
  'registration-tokens': async (cli) =>
    (await import('#src/cli/commands/registration-tokens.ts')).registrationTokenCommands(cli),
  resources: async (cli) => (await import('#src/cli/commands/resources.ts')).resourceCommands(cli),
  accounts: async (cli) => (await import('#src/cli/commands/accounts.ts')).accountCommands(cli),
  sessions: async (cli) => (await import('#src/cli/commands/sessions.ts')).sessionCommands(cli),
  keys: async (cli) => (await import('#src/cli/commands/keys.ts')).keyCommands(cli),
  kek: async (cli) => (await import('#src/cli/commands/kek.ts')).kekCommands(cli),
  store: async (cli) => (await import('#src/cli/commands/store.ts')).storeCommands(cli),
  backup: async (cli) => (await import('#src/cli/commands/backup.ts')).backupCommand(cli),
  restore: async (cli) => (await import('#src/cli/commands/backup.ts')).restoreCommand(cli),
  nodes: async (cli) => (await import('#src/cli/commands/nodes.ts')).nodesCommand(cli),
  top: async (cli) => (await import('#src/cli/commands/top.ts')).topCommand(cli),
  'former-keys': async (cli) => (await import('#src/cli/commands/former-keys.ts')).formerKeyCommands(cli),
  tokens: async (cli) => (await import('#src/cli/commands/tokens.ts')).tokenCommands(cli),
  'trusted-issuers': async (cli) =>
    (await import('#src/cli/commands/trusted-issuers.ts')).trustedIssuerCommands(cli),
  doctor: async (cli) => (await import('#src/cli/commands/doctor.ts')).doctorCommand(cli),
};

async function assemble(program: Command, cli: CommandLine, args: readonly string[]): Promise<void> {
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
  configure(program, terminal);
  for (const command of await commandsFor(args, program, cli)) {
    configure(command, terminal);
    program.addCommand(command);
  }
}

/** The command that the arguments name; all of them where they name none, since whoever asks for help is told of all. */
async function commandsFor(
  args: readonly string[],
  program: Command,
  cli: CommandLine,
): Promise<readonly Command[]> {
  const [name = ''] = program.parseOptions([...args]).operands;
  const named = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (named !== undefined) return [await named(cli)];
  return Promise.all(Object.values(COMMANDS).map((load) => load(cli)));
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
