import { Command, Option } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { distance, facts, moment, table } from '#src/cli/layout.ts';
import { repeatable } from '#src/cli/options.ts';
import type { Report } from '#src/cli/report.ts';
import { GRANT_TYPES, type GrantType } from '#src/clients/client.ts';
import { PROFILE_NAMES, type ProfileName } from '#src/clients/profile.ts';
import { formatScope, parseScope } from '#src/clients/scope.ts';
import type { Clock } from '#src/clock.ts';
import { parseDuration } from '#src/config/duration.ts';
import { Refusal } from '#src/fault.ts';
import {
  INITIAL_ACCESS_TOKEN_USES_MAX,
  type InitialAccessToken,
} from '#src/registration/initial-access-token.ts';
import type { Services } from '#src/services.ts';
import { days, type Seconds } from '#src/units.ts';

/** `keyturn registration-tokens …`: what lets clients register themselves. */
export function registrationTokenCommands(cli: CommandLine): Command {
  const tokens = new Command('registration-tokens').description(
    'initial access tokens, with which clients register themselves',
  );
  tokens
    .command('add')
    .description('make a token; it is shown this once')
    .option('--uses <number>', 'how many clients it lets in', '1')
    .option('--expires <duration>', 'how long it is good for, such as 12h or 30d', '7d')
    .addOption(repeatable('--scope <scopes>', 'what its clients may ask for beside what any client may'))
    .addOption(repeatable('--grant <type>', 'a grant that its clients may have beside those of the settings'))
    .addOption(new Option('--profile <name>', 'the rules that its clients keep').choices(PROFILE_NAMES))
    .action((options: AddOptions) => cli.report((services) => addToken(services, options)));
  tokens
    .command('list')
    .description('show every token that has not expired')
    .action(() => cli.report((services) => listTokens(services, cli.surroundings.clock)));
  tokens
    .command('revoke <id>')
    .description('end a token; clients that it let in stay')
    .action((id: string) => cli.report((services) => revokeToken(services, id)));
  return tokens;
}

interface AddOptions {
  readonly uses: string;
  readonly expires: string;
  readonly scope?: readonly string[];
  readonly grant?: readonly string[];
  readonly profile?: ProfileName;
}

const LIFETIME_MAX = days(365);

async function addToken({ config, initialAccessTokens }: Services, options: AddOptions): Promise<Report> {
  const { token, text } = await initialAccessTokens.add({
    uses: usesOf(options.uses),
    lifetime: lifetimeOf(options.expires),
    allowance: {
      scope: scopeOf(options.scope ?? []),
      grantTypes: (options.grant ?? []).map(grantTypeOf),
      profile: options.profile ?? null,
    },
  });
  const closed = config.registration === 'closed';
  return {
    document: { ...documentOf(token), initial_access_token: text.reveal() },
    text: (style) =>
      [
        `${style('good', 'Made')} an initial access token.`,
        '',
        facts({ initial_access_token: text.reveal(), ...factsOf(token) }, style),
        '',
        style('notable', 'It is shown this once. Clients send it as a bearer token to /register.'),
        ...(closed ? [style('notable', 'Nobody can use it yet: the setting registration is closed.')] : []),
      ].join('\n'),
  };
}

function usesOf(text: string): number {
  const uses = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (uses >= 1 && uses <= INITIAL_ACCESS_TOKEN_USES_MAX) return uses;
  throw new UsageFault(`--uses: "${text}" is not a number from 1 to ${INITIAL_ACCESS_TOKEN_USES_MAX}`);
}

function lifetimeOf(text: string): Seconds {
  const lifetime = parseDuration(text);
  if (lifetime !== null && lifetime >= 1 && lifetime <= LIFETIME_MAX) return lifetime;
  throw new UsageFault(`--expires: "${text}" is no length of time up to 365d`, 'write it like 12h or 30d');
}

function scopeOf(texts: readonly string[]): readonly string[] {
  try {
    return parseScope(texts.join(' '));
  } catch (error) {
    throw new UsageFault(`--scope: ${(error as Error).message}`);
  }
}

function grantTypeOf(text: string): GrantType {
  const type = GRANT_TYPES.find((each) => each === text);
  if (type !== undefined) return type;
  throw new UsageFault(`--grant: "${text}" is none of ${GRANT_TYPES.join(', ')}`);
}

async function listTokens({ initialAccessTokens }: Services, clock: Clock): Promise<Report> {
  const all = await Array.fromAsync(initialAccessTokens.list());
  const now = clock.now();
  const row = (token: InitialAccessToken) => [
    token.id,
    `${token.usesLeft} of ${token.uses}`,
    distance(token.expiresAt, now),
    formatScope(token.allowance.scope),
    token.allowance.grantTypes.join(' '),
    token.allowance.profile,
  ];
  return {
    document: all.map(documentOf),
    text: (style) =>
      all.length === 0
        ? 'There is no initial access token. Make one: keyturn registration-tokens add --help'
        : table(['ID', 'USES LEFT', 'EXPIRES', 'SCOPE', 'GRANTS', 'PROFILE'], all.map(row), style),
  };
}

async function revokeToken({ initialAccessTokens }: Services, id: string): Promise<Report> {
  if (!(await initialAccessTokens.revoke(id)))
    throw new Refusal('registration_token_not_found', `no initial access token ${id}`);
  return {
    document: { id, revoked: true },
    text: (style) => `${style('good', 'Revoked')} the initial access token ${style('strong', id)}.`,
  };
}

function documentOf({ id, uses, usesLeft, allowance, createdAt, expiresAt }: InitialAccessToken): object {
  return {
    id,
    uses,
    uses_left: usesLeft,
    scope: formatScope(allowance.scope),
    grant_types: allowance.grantTypes,
    profile: allowance.profile,
    created_at: createdAt,
    expires_at: expiresAt,
  };
}

function factsOf({ id, uses, allowance, expiresAt }: InitialAccessToken) {
  const { scope, grantTypes, profile } = allowance;
  return {
    id,
    uses: String(uses),
    expires: moment(expiresAt),
    scope: scope.length === 0 ? undefined : formatScope(scope),
    grant_types: grantTypes.length === 0 ? undefined : grantTypes.join(' '),
    profile: profile ?? undefined,
  };
}
