import { Command, Option } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { confirm } from '#src/cli/input.ts';
import { readJson } from '#src/cli/json-file.ts';
import { facts, moment, table } from '#src/cli/layout.ts';
import { inOptionWords } from '#src/cli/option-words.ts';
import { repeatable, YES } from '#src/cli/options.ts';
import type { Report } from '#src/cli/report.ts';
import { retiredSecret, rolledSecret, secretDocument } from '#src/cli/rolled-secret.ts';
import { formatScope, parseScope } from '#src/clients/scope.ts';
import { formatDuration, parseDuration } from '#src/config/duration.ts';
import { Refusal } from '#src/fault.ts';
import { type ResourceServer, TOKEN_CLAIMS } from '#src/resources/resource-server.ts';
import type { Services } from '#src/services.ts';

type Resources = Services['resources'];

/** `keyturn resources …`: the APIs that accept access tokens. */
export function resourceCommands(cli: CommandLine): Command {
  const resources = new Command('resources').description(
    'resource servers: the APIs that accept access tokens',
  );
  addCommand(resources, cli);
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

interface AddOptions {
  readonly identifier: string;
  readonly name?: string;
  readonly audience?: string;
  readonly scope?: readonly string[];
  readonly scopeMeaning?: readonly string[];
  readonly tokenFormat?: string;
  readonly signingAlgorithm?: string;
  readonly accessTokenLifetime?: string;
  readonly claim?: readonly string[];
  readonly statusList?: boolean;
  readonly introspectionAlg?: string;
  readonly introspectionEncryptionAlg?: string;
  readonly introspectionEncryptionEnc?: string;
  readonly jwks?: string;
  readonly jwksUri?: string;
  readonly openToRegistration?: boolean;
}

/** Which option says what a registration calls by another name. */
const OPTIONS = {
  identifier: '--identifier',
  name: '--name',
  audience: '--audience',
  scope: '--scope',
  scopeMeanings: '--scope-meaning',
  tokenFormat: '--token-format',
  signingAlgorithm: '--signing-algorithm',
  accessTokenLifetimeSeconds: '--access-token-lifetime',
  claims: '--claim',
  statusList: '--status-list',
  'introspection.introspection_signed_response_alg': '--introspection-alg',
  'introspection.introspection_encrypted_response_alg': '--introspection-encryption-alg',
  'introspection.introspection_encrypted_response_enc': '--introspection-encryption-enc',
  jwks: '--jwks',
  jwksUri: '--jwks-uri',
};

function addCommand(resources: Command, cli: CommandLine): void {
  resources
    .command('add')
    .description('register a resource server; its secret for introspection is shown this once')
    .requiredOption('--identifier <uri>', 'how clients name it in "resource" (RFC 8707)')
    .option('--name <name>', 'how people know it; default: the identifier')
    .option('--audience <text>', 'what stands in "aud" of its tokens; default: the identifier')
    .addOption(repeatable('--scope <scopes>', 'what can be allowed there, separated by spaces'))
    .addOption(
      repeatable('--scope-meaning <scope=words>', 'what a scope lets a client do, for the consent page'),
    )
    .addOption(
      new Option(
        '--token-format <format>',
        'tokens that it verifies itself, or that it must ask about; default: jwt',
      ).choices(['jwt', 'opaque']),
    )
    .option('--signing-algorithm <alg>', 'how its tokens are signed; default: the first of keys.algorithms')
    .option(
      '--access-token-lifetime <duration>',
      'how long its tokens live, such as 5m; default: as in the settings',
    )
    .addOption(
      repeatable('--claim <claim>', `what its tokens say of a person: one of ${TOKEN_CLAIMS.join(', ')}`),
    )
    .option(
      '--status-list',
      'its tokens say in which status list they are, so that it need not ask about them',
    )
    .option('--introspection-alg <alg>', 'how introspection answers are signed; default: as its tokens are')
    .option('--introspection-encryption-alg <alg>', 'how they are encrypted to its key, such as ECDH-ES')
    .option('--introspection-encryption-enc <enc>', 'how their content is encrypted; default: A128CBC-HS256')
    .option('--jwks <file>', 'its public keys, for encryption: a file with a JWK Set')
    .option('--jwks-uri <uri>', 'where it publishes its public keys, for encryption')
    .option('--open-to-registration', 'clients that register themselves may ask people for its scopes')
    .action((options: AddOptions) => cli.report(({ resources }) => addResource(resources, options)));
}

async function addResource(resources: Resources, options: AddOptions): Promise<Report> {
  const { resourceServer, secret } = await inOptionWords(OPTIONS, async () =>
    resources.add(registrationOf(options)),
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

function registrationOf(options: AddOptions): object {
  const { scope, scopeMeaning, accessTokenLifetime, claim, jwks, ...others } = options;
  const { introspectionAlg, introspectionEncryptionAlg, introspectionEncryptionEnc, ...rest } = others;
  const introspection = {
    introspection_signed_response_alg: introspectionAlg,
    introspection_encrypted_response_alg: introspectionEncryptionAlg,
    introspection_encrypted_response_enc: introspectionEncryptionEnc,
  };
  const lifetime = accessTokenLifetime === undefined ? undefined : parseDuration(accessTokenLifetime);
  if (lifetime === null) {
    throw new UsageFault(
      `--access-token-lifetime: "${accessTokenLifetime}" is no length of time`,
      'write it like 90s, 5m or 1h',
    );
  }
  return {
    ...rest,
    ...(scope === undefined ? undefined : { scope: parseScope(scope.join(' ')) }),
    ...(scopeMeaning === undefined ? undefined : { scopeMeanings: meaningsOf(scopeMeaning) }),
    ...(lifetime === undefined ? undefined : { accessTokenLifetimeSeconds: lifetime }),
    ...(claim === undefined ? undefined : { claims: claim }),
    introspection: Object.fromEntries(
      Object.entries(introspection).filter(([, value]) => value !== undefined),
    ),
    ...(jwks === undefined ? undefined : { jwks: readJson('--jwks', jwks) }),
  };
}

function meaningsOf(pairs: readonly string[]): Record<string, string> {
  const meanings = pairs.map((pair): [string, string] => {
    const [, scope, words] = /^([^=]+)=(.+)$/s.exec(pair) ?? [];
    if (scope === undefined || words === undefined) {
      throw new UsageFault(
        `--scope-meaning: "${pair}" names no scope and its meaning`,
        "write it like 'read=Read your notes'",
      );
    }
    return [scope, words];
  });
  return Object.fromEntries(meanings);
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

function documentOf(resourceServer: ResourceServer): object {
  return {
    identifier: resourceServer.identifier,
    name: resourceServer.name,
    audience: resourceServer.audience,
    scope: formatScope(resourceServer.scope),
    scope_meanings: resourceServer.scopeMeanings,
    token_format: resourceServer.tokenFormat,
    signing_algorithm: resourceServer.signingAlgorithm,
    access_token_lifetime: resourceServer.accessTokenLifetime,
    claims: resourceServer.claims,
    status_list: resourceServer.statusList,
    ...resourceServer.introspection,
    ...(resourceServer.jwksUri === null ? undefined : { jwks_uri: resourceServer.jwksUri }),
    ...(resourceServer.jwks === null ? undefined : { jwks: resourceServer.jwks }),
    open_to_registration: resourceServer.openToRegistration,
    client_id: resourceServer.clientId,
    live_secrets: resourceServer.secrets.map(({ id, createdAt }) => ({ id, created_at: createdAt })),
    created_at: resourceServer.createdAt,
    updated_at: resourceServer.updatedAt,
  };
}

function factsOf(resourceServer: ResourceServer) {
  const { accessTokenLifetime } = resourceServer;
  return {
    identifier: resourceServer.identifier,
    name: resourceServer.name,
    audience: resourceServer.audience,
    scope: formatScope(resourceServer.scope),
    token_format: resourceServer.tokenFormat,
    signing_algorithm: resourceServer.signingAlgorithm,
    access_token_lifetime:
      accessTokenLifetime === null ? 'as in the settings' : formatDuration(accessTokenLifetime),
    claims: resourceServer.claims.length === 0 ? undefined : resourceServer.claims.join(' '),
    status_list: resourceServer.statusList ? 'in its tokens' : undefined,
    ...resourceServer.introspection,
    jwks_uri: resourceServer.jwksUri ?? undefined,
    jwks: resourceServer.jwks === null ? undefined : `${resourceServer.jwks.keys.length} keys`,
    open_to_registration: resourceServer.openToRegistration ? 'yes' : 'no',
    client_id: resourceServer.clientId,
  };
}
