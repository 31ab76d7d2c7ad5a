import { Command } from 'commander';
import {
  CLIENT_OPTION_WORDS,
  type ClientOptions,
  describedByOptions,
  describesClient,
} from '#src/cli/client-options.ts';
import { documentOf, factsOf, historyOf, registrarOf } from '#src/cli/client-report.ts';
import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { confirm } from '#src/cli/input.ts';
import { facts, table } from '#src/cli/layout.ts';
import { inOptionWords } from '#src/cli/option-words.ts';
import { YES } from '#src/cli/options.ts';
import type { Report } from '#src/cli/report.ts';
import { retiredSecret, rolledSecret, secretDocument } from '#src/cli/rolled-secret.ts';
import type { Client } from '#src/clients/client.ts';
import { Refusal } from '#src/fault.ts';
import type { Services } from '#src/services.ts';

/** `keyturn clients …`: the applications that may ask for tokens. */
export function clientCommands(cli: CommandLine): Command {
  const clients = new Command('clients').description('applications that ask for tokens');
  addCommand(clients, cli);
  updateCommand(clients, cli);
  clients
    .command('list')
    .description('show every client')
    .action(() => cli.report(listClients));
  clients
    .command('show <client-id>')
    .description('show what is registered of one client')
    .action((clientId) => cli.report(({ clients }) => showClient(clients, clientId)));
  clients
    .command('remove <client-id>')
    .description('remove a client; its tokens stop standing at once')
    .option(...YES)
    .action((clientId, options) => cli.report((services) => removeClient(cli, services, clientId, options)));
  clients
    .command('roll-secret <client-id>')
    .description('give a client a new secret; the one before it stays valid until the next roll')
    .option(
      '--retire-old',
      'make no new secret, but end the older one, once the new one is in use everywhere',
    )
    .action((clientId, options) => cli.report(({ clients }) => rollSecret(clients, clientId, options)));
  return clients;
}

function addCommand(clients: Command, cli: CommandLine): void {
  const add = clients
    .command('add')
    .description('register a client; its secret is shown this once')
    .requiredOption('--name <name>', 'how people know it, when they are asked for their consent')
    .option('--client-id <id>', 'its identifier (default: a random one)');
  describesClient(add).action((options: ClientOptions) =>
    cli.report(({ clients }) => addClient(clients, options)),
  );
}

function updateCommand(clients: Command, cli: CommandLine): void {
  const update = clients
    .command('update <client-id>')
    .description('change what is registered of a client; what is not named stays as it is')
    .option('--name <name>', 'how people know it, when they are asked for their consent')
    .option('--pkce', 'have it use PKCE again');
  describesClient(update)
    .addHelpText(
      'after',
      '\nA list is replaced as a whole. In the file of --metadata, null takes away what was registered.',
    )
    .action((clientId: string, options: ClientOptions) =>
      cli.report(({ clients }) => updateClient(clients, clientId, options)),
    );
}

async function addClient(clients: Services['clients'], options: ClientOptions): Promise<Report> {
  const { client, secret } = await inOptionWords(CLIENT_OPTION_WORDS, () =>
    clients.add(describedByOptions(options)),
  );
  return {
    document: { ...documentOf(client), ...secretDocument(secret) },
    text: (style) =>
      [
        `${style('good', 'Registered')} the client ${style('strong', client.name)}.`,
        '',
        facts({ client_id: client.clientId, client_secret: secret?.reveal(), ...factsOf(client) }, style),
        ...(secret === null
          ? []
          : ['', style('notable', 'The secret is shown this once. Keep it where the client finds it.')]),
      ].join('\n'),
  };
}

async function updateClient(
  clients: Services['clients'],
  clientId: string,
  options: ClientOptions,
): Promise<Report> {
  const patch = describedByOptions(options);
  if (Object.keys(patch).length === 0)
    throw new UsageFault('nothing is said that is to change', 'see: keyturn clients update --help');
  const { client, secret } = await inOptionWords(CLIENT_OPTION_WORDS, () => clients.update(clientId, patch));
  return {
    document: { ...documentOf(client), ...secretDocument(secret) },
    text: (style) =>
      [
        `${style('good', 'Changed')} the client ${style('strong', client.name)}.`,
        '',
        facts({ client_id: client.clientId, client_secret: secret?.reveal(), ...factsOf(client) }, style),
        ...(secret === null ? [] : ['', style('notable', 'The secret is new, and shown this once.')]),
      ].join('\n'),
  };
}

async function listClients({ clients }: Services): Promise<Report> {
  const all = await Array.fromAsync(clients.list());
  const row = (client: Client) => [
    client.clientId,
    client.name,
    client.authenticationMethod,
    client.grantTypes.join(' '),
    registrarOf(client.registeredBy),
  ];
  return {
    document: all.map(documentOf),
    text: (style) =>
      all.length === 0
        ? 'No client is registered. Add one: keyturn clients add --help'
        : table(['CLIENT ID', 'NAME', 'AUTHENTICATION', 'GRANTS', 'REGISTERED BY'], all.map(row), style),
  };
}

async function showClient(clients: Services['clients'], clientId: string): Promise<Report> {
  const client = await findClient(clients, clientId);
  return {
    document: documentOf(client),
    text: (style) =>
      facts(
        { client_id: client.clientId, client_name: client.name, ...factsOf(client), ...historyOf(client) },
        style,
      ),
  };
}

async function removeClient(
  { terminal }: CommandLine,
  { clients }: Services,
  clientId: string,
  options: { yes?: boolean },
): Promise<Report> {
  const { name } = await findClient(clients, clientId);
  await confirm(terminal, `Remove the client ${name} (${clientId}) and end its tokens?`, options);
  if (!(await clients.remove(clientId))) throw notFound(clientId);
  return {
    document: { client_id: clientId, removed: true },
    text: (style) => `${style('good', 'Removed')} the client ${style('strong', name)} (${clientId}).`,
  };
}

async function rollSecret(
  clients: Services['clients'],
  clientId: string,
  { retireOld }: { retireOld?: boolean },
): Promise<Report> {
  if (retireOld === true) {
    const client = await clients.retireOldSecret(clientId);
    return retiredSecret({ name: client.name, document: documentOf(client) });
  }
  const { client, secret } = await clients.rollSecret(clientId);
  return rolledSecret(
    { what: 'the client', name: client.name, clientId, document: documentOf(client) },
    secret,
  );
}

async function findClient(clients: Services['clients'], clientId: string): Promise<Client> {
  const record = await clients.find(clientId);
  if (record === null) throw notFound(clientId);
  return record.value;
}

const notFound = (clientId: string) => new Refusal('client_not_found', `no client ${clientId}`);
