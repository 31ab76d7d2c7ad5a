import { Command } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { confirm } from '#src/cli/input.ts';
import { facts, moment, table } from '#src/cli/layout.ts';
import { inOptionWords } from '#src/cli/option-words.ts';
import { YES } from '#src/cli/options.ts';
import type { Report } from '#src/cli/report.ts';
import {
  describedByOptions,
  describesResourceServer,
  RESOURCE_OPTION_WORDS,
  type ResourceOptions,
  takesBack,
} from '#src/cli/resource-options.ts';
import { documentOf, factsOf } from '#src/cli/resource-report.ts';
import { retiredSecret, rolledSecret, secretDocument } from '#src/cli/rolled-secret.ts';
import { formatScope } from '#src/clients/scope.ts';
import { Refusal } from '#src/fault.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';
import type { Services } from '#src/services.ts';

type Resources = Services['resources'];

/** `keyturn resources …`: the APIs that accept access tokens. */
export function resourceCommands(cli: CommandLine): Command {
  const resources = new Command('resources').description(
    'resource servers: the APIs that accept access tokens',
  );
  addCommand(resources, cli);
  updateCommand(resources, cli);
  resources
    .command('list')
    .description('show every resource server')
    .action(() => cli.report(({ resources }) => listResources(resources)));
  resources
    .command('show <identifier>')
    .description('show what is registered of one resource server')
    .action((identifier) => cli.report(({ resources }) => showResource(resources, identifier)));
  resources
    .command('remove <identifier>')
    .description('remove a resource server; tokens for it are issued no more')
    .option(...YES)
    .action((identifier, options) =>
      cli.report(({ resources }) => removeResource(cli, resources, identifier, options)),
    );
  resources
    .command('roll-secret <identifier>')
    .description('give it a new secret for introspection; the one before it stays valid until the next roll')
    .option(
      '--retire-old',
      'make no new secret, but end the older one, once the new one is in use everywhere',
    )
    .action((identifier, options) =>
      cli.report(({ resources }) => rollSecret(resources, identifier, options)),
    );
  return resources;
}

function addCommand(resources: Command, cli: CommandLine): void {
  const add = resources
    .command('add')
    .description('register a resource server; its secret for introspection is shown this once')
    .requiredOption('--identifier <uri>', 'how clients name it in "resource" (RFC 8707)')
    .option('--name <name>', 'how people know it; default: the identifier')
    .option('--audience <text>', 'what stands in "aud" of its tokens; default: the identifier');
  describesResourceServer(add).action((options: ResourceOptions) =>
    cli.report(({ resources }) => addResource(resources, options)),
  );
}

function updateCommand(resources: Command, cli: CommandLine): void {
  const update = resources
    .command('update <identifier>')
    .description('change what is registered of a resource server; what is not named stays as it is')
    .option('--name <name>', 'how people know it');
  takesBack(describesResourceServer(update))
    .addHelpText('after', '\nA list is replaced as a whole. Identifier and audience are in tokens, and stay.')
    .action((identifier: string, options: ResourceOptions) =>
      cli.report(({ resources }) => updateResource(resources, identifier, options)),
    );
}

async function addResource(resources: Resources, options: ResourceOptions): Promise<Report> {
  const { resourceServer, secret } = await inOptionWords(RESOURCE_OPTION_WORDS, async () =>
    resources.add(describedByOptions(options)),
  );
  return {
    document: { ...documentOf(resourceServer), ...secretDocument(secret) },
    text: (style) =>
      [
        `${style('good', 'Registered')} the resource server ${style('strong', resourceServer.name)}.`,
        '',
        facts({ ...factsOf(resourceServer), client_secret: secret.reveal() }, style),
        '',
        style(
          'notable',
          'client_id and client_secret are its credentials for introspection. The secret is shown this once.',
        ),
      ].join('\n'),
  };
}

async function updateResource(
  resources: Resources,
  named: string,
  options: ResourceOptions,
): Promise<Report> {
  const patch = describedByOptions(options);
  if (Object.keys(patch).length === 0)
    throw new UsageFault('nothing is said that is to change', 'see: keyturn resources update --help');
  const { identifier } = await findResource(resources, named);
  const changed = await inOptionWords(RESOURCE_OPTION_WORDS, () => resources.update(identifier, patch));
  return {
    document: documentOf(changed),
    text: (style) =>
      [
        `${style('good', 'Changed')} the resource server ${style('strong', changed.name)}.`,
        '',
        facts(factsOf(changed), style),
      ].join('\n'),
  };
}

async function listResources(resources: Resources): Promise<Report> {
  const all = await Array.fromAsync(resources.list());
  const row = ({ identifier, name, tokenFormat, scope }: ResourceServer) => [
    identifier,
    name,
    tokenFormat,
    formatScope(scope),
  ];
  return {
    document: all.map(documentOf),
    text: (style) =>
      all.length === 0
        ? 'No resource server is registered. Add one: keyturn resources add --help'
        : table(['IDENTIFIER', 'NAME', 'TOKENS', 'SCOPE'], all.map(row), style),
  };
}

async function showResource(resources: Resources, named: string): Promise<Report> {
  const resourceServer = await findResource(resources, named);
  const { secrets, createdAt, updatedAt } = resourceServer;
  return {
    document: documentOf(resourceServer),
    text: (style) =>
      facts(
        {
          ...factsOf(resourceServer),
          live_secrets: secrets.map((secret) => `${secret.id}, made ${moment(secret.createdAt)}`),
          registered: moment(createdAt),
          changed: updatedAt === createdAt ? undefined : moment(updatedAt),
        },
        style,
      ),
  };
}

async function removeResource(
  { terminal }: CommandLine,
  resources: Resources,
  named: string,
  options: { yes?: boolean },
): Promise<Report> {
  const { identifier, name } = await findResource(resources, named);
  await confirm(terminal, `Remove the resource server ${name}?`, options);
  if (!(await resources.remove(identifier))) throw notFound(named);
  return {
    document: { identifier, removed: true },
    text: (style) => `${style('good', 'Removed')} the resource server ${style('strong', name)}.`,
  };
}

async function rollSecret(
  resources: Resources,
  named: string,
  { retireOld }: { retireOld?: boolean },
): Promise<Report> {
  const { identifier, name } = await findResource(resources, named);
  if (retireOld === true) {
    return retiredSecret({ name, document: documentOf(await resources.retireOldSecret(identifier)) });
  }
  const { resourceServer, secret } = await resources.rollSecret(identifier);
  const { clientId } = resourceServer;
  return rolledSecret(
    { what: 'the resource server', name, clientId, document: documentOf(resourceServer) },
    secret,
  );
}

/** By its identifier, with or without the empty path, or by the client identifier that it authenticates under. */
async function findResource(resources: Resources, named: string): Promise<ResourceServer> {
  const found = (await resources.findByIndicator(named)) ?? (await resources.findByClientId(named))?.value;
  if (found === undefined) throw notFound(named);
  return found;
}

const notFound = (named: string) => new Refusal('resource_server_not_found', `no resource server ${named}`);
