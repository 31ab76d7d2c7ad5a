import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { confirm } from '#src/cli/input.ts';
import { facts, moment, table } from '#src/cli/layout.ts';
import { inOptionWords } from '#src/cli/option-words.ts';
import { repeatable, YES } from '#src/cli/options.ts';
import type { Report } from '#src/cli/report.ts';
import { retiredSecret, rolledSecret, secretDocument } from '#src/cli/rolled-secret.ts';
import { CLIENT_AUTHENTICATION_METHODS, type Client, GRANT_TYPES } from '#src/clients/client.ts';
import { PROFILE_NAMES } from '#src/clients/profile.ts';
import { formatScope } from '#src/clients/scope.ts';
import { Refusal } from '#src/fault.ts';
import type { Services } from '#src/services.ts';

/** `keyturn clients …`: the applications that may ask for tokens. */
export function clientCommands(cli: CommandLine): Command {
  const clients = new Command('clients').description('applications that ask for tokens');
  addCommand(clients, cli);
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

interface AddOptions {
  readonly name: string;
  readonly clientId?: string;
  readonly redirectUri?: readonly string[];
  readonly postLogoutRedirectUri?: readonly string[];
  readonly grant?: readonly string[];
  readonly scope?: readonly string[];
  readonly defaultScope?: readonly string[];
  readonly public?: boolean;
  readonly authMethod?: string;
  readonly pkce: boolean;
  readonly idTokenAlg?: string;
  readonly applicationType?: string;
  readonly clientUri?: string;
  readonly jwks?: string;
  readonly jwksUri?: string;
  readonly profile?: string;
  readonly metadata?: string;
}

/** Which option says what a registration calls by another name. */
const OPTIONS = {
  clientId: '--client-id',
  name: '--name',
  applicationType: '--application-type',
  authenticationMethod: '--auth-method',
  redirectUris: '--redirect-uri',
  postLogoutRedirectUris: '--post-logout-redirect-uri',
  grantTypes: '--grant',
  scope: '--scope',
  defaultScope: '--default-scope',
  requirePkce: '--no-pkce',
  idTokenSignedResponseAlg: '--id-token-alg',
  clientUri: '--client-uri',
  jwks: '--jwks',
  jwksUri: '--jwks-uri',
  profile: '--profile',
  metadata: '--metadata',
};

function addCommand(clients: Command, cli: CommandLine): void {
  clients
    .command('add')
    .description('register a client; its secret is shown this once')
    .requiredOption('--name <name>', 'how people know it, when they are asked for their consent')
    .option('--client-id <id>', 'its identifier (default: a random one)')
    .addOption(repeatable('--redirect-uri <uri>', 'where people are sent back to; compared exactly'))
    .addOption(repeatable('--post-logout-redirect-uri <uri>', 'where people may be sent after signing out'))
    .addOption(repeatable('--grant <type>', `one of ${GRANT_TYPES.join(', ')}; default: authorization_code`))
    .addOption(repeatable('--scope <scopes>', 'what it may ask for, separated by spaces'))
    .addOption(repeatable('--default-scope <scopes>', 'what a request that names no scope asks for'))
    .option('--public', 'it cannot keep a secret, as an app or a page cannot: the same as --auth-method none')
    .addOption(
      new Option('--auth-method <method>', 'how it proves who it is; default: client_secret_basic')
        .choices(CLIENT_AUTHENTICATION_METHODS)
        .conflicts('public'),
    )
    .option('--jwks <file>', 'its public keys, for private_key_jwt: a file with a JWK Set')
    .option('--jwks-uri <uri>', 'where it publishes its public keys, for private_key_jwt')
    .option('--no-pkce', 'let it go without PKCE where it sends a nonce; confidential clients only')
    .option('--id-token-alg <alg>', 'how its ID tokens are signed; default: the first of keys.algorithms')
    .addOption(new Option('--application-type <type>', 'what it is').choices(['web', 'native']))
    .option('--client-uri <uri>', 'its home page')
    .addOption(new Option('--profile <name>', 'the rules that it keeps').choices(PROFILE_NAMES))
    .option('--metadata <file>', 'what else RFC 7591 and its kin define: a file with a JSON object')
    .action((options: AddOptions) => cli.report(({ clients }) => addClient(clients, options)));
}

async function addClient(clients: Services['clients'], options: AddOptions): Promise<Report> {
  const { client, secret } = await inOptionWords(OPTIONS, () => clients.add(registrationOf(options)));
  return {
    document: { ...documentOf(client), ...secretDocument(secret) },
    text: (style) =>
      [
        `${style('good', 'Registered')} the client ${style('strong', client.name)}.`,
        '',
        facts({ client_id: client.clientId, client_secret: secret?.reveal(), ...restOf(client) }, style),
        ...(secret === null
          ? []
          : ['', style('notable', 'The secret is shown this once. Keep it where the client finds it.')]),
      ].join('\n'),
  };
}

function registrationOf(options: AddOptions): object {
  const { jwks, metadata } = options;
  const given = {
    clientId: options.clientId,
    name: options.name,
    applicationType: options.applicationType,
    authenticationMethod: options.public === true ? 'none' : options.authMethod,
    redirectUris: options.redirectUri,
    postLogoutRedirectUris: options.postLogoutRedirectUri,
    grantTypes: options.grant,
    scope: options.scope?.join(' '),
    defaultScope: options.defaultScope?.join(' '),
    requirePkce: options.pkce,
    idTokenSignedResponseAlg: options.idTokenAlg,
    clientUri: options.clientUri,
    jwksUri: options.jwksUri,
    jwks: jwks === undefined ? undefined : readJson('--jwks', jwks),
    profile: options.profile,
    metadata: metadata === undefined ? undefined : readJson('--metadata', metadata),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function readJson(option: string, file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const why =
      error instanceof SyntaxError
        ? 'is not JSON'
        : `cannot be read (${(error as NodeJS.ErrnoException).code})`;
    throw new UsageFault(`${option}: ${file} ${why}`);
  }
}

async function listClients({ clients }: Services): Promise<Report> {
  const all = await Array.fromAsync(clients.list());
  const row = (client: Client) => [
    client.clientId,
    client.name,
    client.authenticationMethod,
    client.grantTypes.join(' '),
  ];
  return {
    document: all.map(documentOf),
    text: (style) =>
      all.length === 0
        ? 'No client is registered. Add one: keyturn clients add --help'
        : table(['CLIENT ID', 'NAME', 'AUTHENTICATION', 'GRANTS'], all.map(row), style),
  };
}

async function showClient(clients: Services['clients'], clientId: string): Promise<Report> {
  const client = await findClient(clients, clientId);
  return {
    document: documentOf(client),
    text: (style) =>
      facts(
        { client_id: client.clientId, client_name: client.name, ...restOf(client), ...secretsOf(client) },
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

/** The metadata of RFC 7591 section 2, and beside it what only this server knows: `default_scope`, `require_pkce`. */
function documentOf(client: Client): object {
  return {
    response_types: client.grantTypes.includes('authorization_code') ? ['code'] : [],
    ...client.metadata,
    client_id: client.clientId,
    client_id_issued_at: client.createdAt,
    client_name: client.name,
    application_type: client.applicationType,
    token_endpoint_auth_method: client.authenticationMethod,
    grant_types: client.grantTypes,
    redirect_uris: client.redirectUris,
    post_logout_redirect_uris: client.postLogoutRedirectUris,
    scope: formatScope(client.scope),
    default_scope: formatScope(client.defaultScope),
    require_pkce: client.requirePkce,
    ...(client.profile === null ? undefined : { profile: client.profile }),
    id_token_signed_response_alg: client.idTokenSignedResponseAlg,
    ...(client.clientUri === null ? undefined : { client_uri: client.clientUri }),
    ...(client.jwksUri === null ? undefined : { jwks_uri: client.jwksUri }),
    ...(client.jwks === null ? undefined : { jwks: client.jwks }),
    live_secrets: client.secrets.map(({ id, createdAt }) => ({ id, created_at: createdAt })),
    updated_at: client.updatedAt,
  };
}

function restOf(client: Client) {
  return {
    application_type: client.applicationType,
    token_endpoint_auth_method: client.authenticationMethod,
    grant_types: client.grantTypes.join(' '),
    redirect_uris: client.redirectUris,
    post_logout_redirect_uris:
      client.postLogoutRedirectUris.length === 0 ? undefined : client.postLogoutRedirectUris,
    scope: formatScope(client.scope),
    default_scope: formatScope(client.defaultScope),
    require_pkce: client.requirePkce ? 'yes' : 'no',
    id_token_signed_response_alg: client.idTokenSignedResponseAlg,
    profile: client.profile ?? undefined,
    client_uri: client.clientUri ?? undefined,
    jwks_uri: client.jwksUri ?? undefined,
    jwks: client.jwks === null ? undefined : `${client.jwks.keys.length} keys`,
    ...Object.fromEntries(
      Object.entries(client.metadata).map(([name, value]) => [
        name,
        Array.isArray(value) ? value.join(' ') : String(value),
      ]),
    ),
  };
}

function secretsOf({ secrets, createdAt, updatedAt }: Client) {
  return {
    live_secrets:
      secrets.length === 0
        ? undefined
        : secrets.map((secret) => `${secret.id}, made ${moment(secret.createdAt)}`),
    registered: moment(createdAt),
    changed: updatedAt === createdAt ? undefined : moment(updatedAt),
  };
}
