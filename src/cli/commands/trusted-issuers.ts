import { Command, Option } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { confirm } from '#src/cli/input.ts';
import { readJson } from '#src/cli/json-file.ts';
import { facts, moment, table } from '#src/cli/layout.ts';
import { inOptionWords } from '#src/cli/option-words.ts';
import { repeatable, YES } from '#src/cli/options.ts';
import type { Report } from '#src/cli/report.ts';
import { formatScope } from '#src/clients/scope.ts';
import { formatDuration, parseDuration } from '#src/config/duration.ts';
import { Refusal } from '#src/fault.ts';
import { ASSERTION_SUBJECTS, TRUSTED_FOR, type TrustedIssuer } from '#src/federation/trusted-issuer.ts';
import type { Services } from '#src/services.ts';
import { SIGNING_ALGORITHMS } from '#src/signing/algorithm.ts';

type TrustedIssuers = Services['trustedIssuers'];

/** `keyturn trusted-issuers …`: whose assertions clients may bring for tokens. */
export function trustedIssuerCommands(cli: CommandLine): Command {
  const issuers = new Command('trusted-issuers').description(
    'issuers of JWTs that clients may bring for tokens (RFC 7523)',
  );
  addCommand(issuers, cli);
  issuers
    .command('list')
    .description('show every trusted issuer')
    .action(() => cli.report(({ trustedIssuers }) => listIssuers(trustedIssuers)));
  issuers
    .command('show <issuer>')
    .description('show what an issuer is trusted with')
    .action((issuer) => cli.report(({ trustedIssuers }) => showIssuer(trustedIssuers, issuer)));
  issuers
    .command('remove <issuer>')
    .description(
      'trust an issuer no more; tokens that were given for its assertions live on until they expire',
    )
    .option(...YES)
    .action((issuer, options) =>
      cli.report(({ trustedIssuers }) => removeIssuer(cli, trustedIssuers, issuer, options)),
    );
  return issuers;
}

interface AddOptions {
  readonly trustedFor?: readonly string[];
  readonly jwks?: string;
  readonly jwksUri?: string;
  readonly subjects?: string;
  readonly algorithm?: readonly string[];
  readonly assertionLifetime?: string;
  readonly reusable?: boolean;
  readonly scope?: readonly string[];
  readonly accessTokenLifetime?: string;
}

/** Which option says what a registration calls by another name. */
const OPTIONS = {
  trustedFor: '--trusted-for',
  jwks: '--jwks',
  jwksUri: '--jwks-uri',
  subjects: '--subjects',
  algorithms: '--algorithm',
  assertionLifetimeSeconds: '--assertion-lifetime',
  scope: '--scope',
  accessTokenLifetimeSeconds: '--access-token-lifetime',
};

function addCommand(issuers: Command, cli: CommandLine): void {
  issuers
    .command('add <issuer>')
    .description('trust an issuer; which client may bring its assertions is said of the client')
    .option('--jwks-uri <uri>', 'where it publishes its public keys')
    .option('--jwks <file>', 'its public keys: a file with a JWK Set')
    .addOption(
      repeatable(
        '--trusted-for <what>',
        `what it is trusted with: ${TRUSTED_FOR.join(', ')}; default: assertions`,
      ),
    )
    .addOption(
      new Option(
        '--subjects <what>',
        'whom its assertions are about: the client itself, or the account with that subject, username or verified e-mail; default: client',
      ).choices(ASSERTION_SUBJECTS),
    )
    .addOption(repeatable('--algorithm <alg>', `how it signs: ${SIGNING_ALGORITHMS.join(', ')}`))
    .option(
      '--assertion-lifetime <duration>',
      'how long its assertions live at most, such as 10m; default: 1h',
    )
    .option('--reusable', 'take an assertion more than once, and one without a jti')
    .addOption(
      repeatable(
        '--scope <scopes>',
        'what its assertions are taken for at most; default: whatever the client may have',
      ),
    )
    .option('--access-token-lifetime <duration>', 'how long access tokens for them live at most')
    .action((issuer: string, options: AddOptions) =>
      cli.report(({ trustedIssuers }) => addIssuer(trustedIssuers, issuer, options)),
    );
}

async function addIssuer(issuers: TrustedIssuers, issuer: string, options: AddOptions): Promise<Report> {
  const trusted = await inOptionWords(OPTIONS, () => issuers.add(registrationOf(issuer, options)));
  return {
    document: documentOf(trusted),
    text: (style) =>
      [
        `${style('good', 'Trusted')} from now on: ${style('strong', trusted.issuer)}`,
        '',
        facts(factsOf(trusted), style),
        '',
        ...(trusted.trustedFor.includes('assertions') ? [NEXT_STEP] : []),
      ].join('\n'),
  };
}

function registrationOf(issuer: string, options: AddOptions): object {
  const given = {
    issuer,
    trustedFor: options.trustedFor,
    subjects: options.subjects,
    jwks: options.jwks === undefined ? undefined : readJson('--jwks', options.jwks),
    jwksUri: options.jwksUri,
    algorithms: options.algorithm,
    assertionLifetimeSeconds: durationOf('--assertion-lifetime', options.assertionLifetime),
    singleUse: options.reusable === true ? false : undefined,
    scope: options.scope?.join(' '),
    accessTokenLifetimeSeconds: durationOf('--access-token-lifetime', options.accessTokenLifetime),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function durationOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const length = parseDuration(text);
  if (length === null)
    throw new UsageFault(`${option}: "${text}" is no length of time`, 'write it like 90s, 5m or 1h');
  return length;
}

async function listIssuers(issuers: TrustedIssuers): Promise<Report> {
  const all = await Array.fromAsync(issuers.list());
  const row = ({ issuer, trustedFor, subjects, jwksUri, scope }: TrustedIssuer) => [
    issuer,
    trustedFor.join(' '),
    subjects,
    jwksUri ?? 'given',
    scope === null ? 'any' : formatScope(scope),
  ];
  return {
    document: all.map(documentOf),
    text: (style) =>
      all.length === 0
        ? 'No issuer is trusted. Add one: keyturn trusted-issuers add --help'
        : table(['ISSUER', 'TRUSTED FOR', 'SUBJECTS', 'KEYS', 'SCOPE'], all.map(row), style),
  };
}

async function showIssuer(issuers: TrustedIssuers, issuer: string): Promise<Report> {
  const trusted = await issuers.find(issuer);
  if (trusted === null) throw notFound(issuer);
  return {
    document: documentOf(trusted),
    text: (style) =>
      facts({ issuer: trusted.issuer, ...factsOf(trusted), trusted_since: moment(trusted.createdAt) }, style),
  };
}

async function removeIssuer(
  { terminal }: CommandLine,
  issuers: TrustedIssuers,
  issuer: string,
  options: { yes?: boolean },
): Promise<Report> {
  if ((await issuers.find(issuer)) === null) throw notFound(issuer);
  await confirm(terminal, `Trust ${issuer} no more?`, options);
  if (!(await issuers.remove(issuer))) throw notFound(issuer);
  return {
    document: { issuer, removed: true },
    text: (style) => `${style('good', 'Removed')} the trusted issuer ${style('strong', issuer)}.`,
  };
}

const NEXT_STEP =
  'Say of each client which of its assertions it may bring: keyturn clients add --grant jwt-bearer --assertion-issuer …';

const notFound = (issuer: string) => new Refusal('trusted_issuer_not_found', `${issuer} is not trusted`);

function documentOf(trusted: TrustedIssuer): object {
  return {
    issuer: trusted.issuer,
    trusted_for: trusted.trustedFor,
    subjects: trusted.subjects,
    ...(trusted.jwks === null ? { jwks_uri: trusted.jwksUri } : { jwks: trusted.jwks }),
    algorithms: trusted.algorithms,
    assertion_lifetime_max: trusted.assertionLifetimeMax,
    single_use: trusted.singleUse,
    scope: trusted.scope === null ? null : formatScope(trusted.scope),
    access_token_lifetime_max: trusted.accessTokenLifetimeMax,
    created_at: trusted.createdAt,
  };
}

function factsOf(trusted: TrustedIssuer) {
  const { accessTokenLifetimeMax } = trusted;
  return {
    trusted_for: trusted.trustedFor.join(' '),
    subjects: trusted.subjects,
    jwks_uri: trusted.jwksUri ?? undefined,
    jwks: trusted.jwks === null ? undefined : `${trusted.jwks.keys.length} keys`,
    algorithms: trusted.algorithms.join(' '),
    assertion_lifetime_max: formatDuration(trusted.assertionLifetimeMax),
    single_use: trusted.singleUse ? 'yes' : 'no',
    scope: trusted.scope === null ? 'whatever the client may have' : formatScope(trusted.scope),
    access_token_lifetime_max:
      accessTokenLifetimeMax === null ? 'as everywhere' : formatDuration(accessTokenLifetimeMax),
  };
}
