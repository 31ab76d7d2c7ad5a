import { type Command, Option } from 'commander';
import {
  CLIENT_GRANT_OPTION_WORDS,
  type ClientGrantOptions,
  describesGrants,
  grantsByOptions,
} from '#src/cli/client-grant-options.ts';
import { type ClientProofOptions, describesProofs, proofsByOptions } from '#src/cli/client-proof-options.ts';
import { readJson } from '#src/cli/json-file.ts';
import { repeatable } from '#src/cli/options.ts';
import { PROFILE_NAMES } from '#src/clients/profile.ts';

/** What an administrator says of a client. */
export interface ClientOptions extends ClientGrantOptions, ClientProofOptions {
  readonly name?: string;
  readonly clientId?: string;
  readonly redirectUri?: readonly string[];
  readonly postLogoutRedirectUri?: readonly string[];
  readonly scope?: readonly string[];
  readonly defaultScope?: readonly string[];
  readonly pkce?: boolean;
  readonly idTokenAlg?: string;
  readonly applicationType?: string;
  readonly clientUri?: string;
  readonly jwks?: string;
  readonly jwksUri?: string;
  readonly profile?: string;
  readonly metadata?: string;
}

/** Which option says what a registration calls by another name. */
export const CLIENT_OPTION_WORDS = {
  clientId: '--client-id',
  name: '--name',
  applicationType: '--application-type',
  authenticationMethod: '--auth-method',
  redirectUris: '--redirect-uri',
  postLogoutRedirectUris: '--post-logout-redirect-uri',
  ...CLIENT_GRANT_OPTION_WORDS,
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

/** Gives a command the options that describe a client, whether it is new or changes. */
export function describesClient(command: Command): Command {
  return describesProofs(describesGrants(command))
    .addOption(repeatable('--redirect-uri <uri>', 'where people are sent back to; compared exactly'))
    .addOption(repeatable('--post-logout-redirect-uri <uri>', 'where people may be sent after signing out'))
    .addOption(repeatable('--scope <scopes>', 'what it may ask for, separated by spaces'))
    .addOption(repeatable('--default-scope <scopes>', 'what a request that names no scope asks for'))
    .option('--jwks <file>', 'its public keys or certificates: a file with a JWK Set')
    .option('--jwks-uri <uri>', 'where it publishes them')
    .option('--no-pkce', 'let it go without PKCE where it sends a nonce; confidential clients only')
    .option('--id-token-alg <alg>', 'how its ID tokens are signed; default: the first of keys.algorithms')
    .addOption(new Option('--application-type <type>', 'what it is').choices(['web', 'native']))
    .option('--client-uri <uri>', 'its home page')
    .addOption(new Option('--profile <name>', 'the rules that it keeps').choices(PROFILE_NAMES))
    .option('--metadata <file>', 'what else RFC 7591 and its kin define: a file with a JSON object');
}

/** What the options say, in the words of a registration; what they do not say is not there. */
export function describedByOptions(options: ClientOptions): Record<string, unknown> {
  const { jwks, metadata } = options;
  const proofs = proofsByOptions(options);
  const given = {
    clientId: options.clientId,
    name: options.name,
    applicationType: options.applicationType,
    authenticationMethod: options.public === true ? 'none' : options.authMethod,
    redirectUris: options.redirectUri,
    postLogoutRedirectUris: options.postLogoutRedirectUri,
    ...grantsByOptions(options),
    scope: options.scope?.join(' '),
    defaultScope: options.defaultScope?.join(' '),
    requirePkce: options.pkce,
    idTokenSignedResponseAlg: options.idTokenAlg,
    clientUri: options.clientUri,
    jwksUri: options.jwksUri,
    jwks: jwks === undefined ? undefined : readJson('--jwks', jwks),
    profile: options.profile,
    metadata: metadata === undefined ? proofs : withProofs(readJson('--metadata', metadata), proofs),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** What is no object is left as it is, to be refused for that. */
function withProofs(metadata: unknown, proofs: Record<string, unknown> | undefined): unknown {
  const isObject = typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata);
  return isObject ? { ...metadata, ...proofs } : metadata;
}
