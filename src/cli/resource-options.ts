import { type Command, Option } from 'commander';
import { UsageFault } from '#src/cli/failure.ts';
import { readJson } from '#src/cli/json-file.ts';
import { repeatable } from '#src/cli/options.ts';
import { parseScope } from '#src/clients/scope.ts';
import { parseDuration } from '#src/config/duration.ts';
import { TOKEN_CLAIMS } from '#src/resources/resource-server.ts';

/** What an administrator says of a resource server. `false` takes away what was registered. */
export interface ResourceOptions {
  readonly identifier?: string;
  readonly name?: string;
  readonly audience?: string;
  readonly scope?: readonly string[];
  readonly scopeMeaning?: readonly string[];
  readonly tokenFormat?: string;
  readonly signingAlgorithm?: string;
  readonly accessTokenLifetime?: string | false;
  readonly claim?: readonly string[];
  readonly statusList?: boolean;
  readonly introspectionAlg?: string;
  readonly introspectionEncryptionAlg?: string;
  readonly introspectionEncryptionEnc?: string;
  readonly jwks?: string;
  readonly jwksUri?: string;
  readonly canaryUrl?: string | false;
  readonly openToRegistration?: boolean;
}

/** Which option says what a registration calls by another name. */
export const RESOURCE_OPTION_WORDS = {
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
  canaryUrl: '--canary-url',
};

/** Gives a command the options that describe a resource server, whether it is new or changes. */
export function describesResourceServer(command: Command): Command {
  return command
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
    .option('--canary-url <url>', 'where it answers any token that is good, for rehearsals of a key rotation')
    .option('--open-to-registration', 'clients that register themselves may ask people for its scopes');
}

/** Adds the options that take away what was registered. */
export function takesBack(command: Command): Command {
  return command
    .option('--no-access-token-lifetime', 'its tokens live as long as the settings say')
    .option('--no-status-list', 'its tokens name no status list')
    .option('--no-canary-url', 'it takes part in no rehearsal')
    .option('--no-open-to-registration', 'clients that register themselves may not ask for its scopes');
}

/** The same as a registration, with nothing in it that was not said. @throws UsageFault */
export function describedByOptions(options: ResourceOptions): Record<string, unknown> {
  const { scope, scopeMeaning, accessTokenLifetime, claim, jwks, canaryUrl, ...others } = options;
  const { introspectionAlg, introspectionEncryptionAlg, introspectionEncryptionEnc, ...rest } = others;
  const introspection = {
    introspection_signed_response_alg: introspectionAlg,
    introspection_encrypted_response_alg: introspectionEncryptionAlg,
    introspection_encrypted_response_enc: introspectionEncryptionEnc,
  };
  const said = Object.entries(introspection).filter(([, value]) => value !== undefined);
  return {
    ...rest,
    ...(scope === undefined ? undefined : { scope: parseScope(scope.join(' ')) }),
    ...(scopeMeaning === undefined ? undefined : { scopeMeanings: meaningsOf(scopeMeaning) }),
    ...(accessTokenLifetime === undefined ? undefined : lifetimeOf(accessTokenLifetime)),
    ...(claim === undefined ? undefined : { claims: claim }),
    ...(said.length === 0 ? undefined : { introspection: Object.fromEntries(said) }),
    ...(jwks === undefined ? undefined : { jwks: readJson('--jwks', jwks) }),
    ...(canaryUrl === undefined ? undefined : { canaryUrl: canaryUrl === false ? null : canaryUrl }),
  };
}

function lifetimeOf(text: string | false): { accessTokenLifetimeSeconds: number | undefined } {
  const lifetime = text === false ? undefined : parseDuration(text);
  if (lifetime !== null) return { accessTokenLifetimeSeconds: lifetime };
  throw new UsageFault(
    `--access-token-lifetime: "${text}" is no length of time`,
    'write it like 90s, 5m or 1h',
  );
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
