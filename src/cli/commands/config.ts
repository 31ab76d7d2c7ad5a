import { Command } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { describeConfig, settingsTable } from '#src/config/describe.ts';

/** `keyturn config …`: the settings as the server would see them. */
export function configCommands(cli: CommandLine): Command {
  const config = new Command('config').description('the settings');
  config
    .command('check')
    .description('check the settings without starting, and show each with where it came from')
    .action(() => {
      const settings = describeConfig(cli.settings());
      cli.say({
        document: settings,
        text: (style) => `${settingsTable(settings)}\n\n${style('good', 'The settings are fine.')}`,
      });
    });
  return config;
}
