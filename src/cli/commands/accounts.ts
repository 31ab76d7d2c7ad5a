import { Command } from 'commander';
import type { LivingAccount } from '#src/accounts/account.ts';
import { parseDisplayName } from '#src/accounts/display-name.ts';
import { parseEmailAddress } from '#src/accounts/email-address.ts';
import { parseMemberships } from '#src/accounts/membership.ts';
import { parseUsername } from '#src/accounts/username.ts';
import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { confirm, newPassword } from '#src/cli/input.ts';
import { facts, moment, table } from '#src/cli/layout.ts';
import { ACCOUNT, ACCOUNT_NAMES, findAccount } from '#src/cli/named-account.ts';
import { PASSWORD_STDIN, repeatable, YES } from '#src/cli/options.ts';
import type { Report } from '#src/cli/report.ts';
import type { Services } from '#src/services.ts';

type Accounts = Services['accounts'];

const LIST_PAGE = 200;

/** `keyturn accounts …`: the people who sign in. */
export function accountCommands(cli: CommandLine): Command {
  const accounts = new Command('accounts')
    .description('the people who sign in')
    .addHelpText('after', ACCOUNT_NAMES);
  accounts
    .command('add')
    .description('open an account; the password is asked for, or read from stdin')
    .requiredOption('--username <name>', 'what the person signs in with')
    .option('--email <address>', 'signs in as well')
    .option('--email-verified', 'you vouch for the address')
    .option('--name <name>', 'how the person wants to be addressed')
    .addOption(
      repeatable('--group <name>', 'a group that the person belongs to, as clients and APIs are told'),
    )
    .addOption(repeatable('--role <name>', 'a role that the person has, as clients and APIs are told'))
    .option(...PASSWORD_STDIN)
    .action((options: AddOptions) => cli.report(({ accounts }) => addAccount(cli, accounts, options)));
  accounts
    .command('list')
    .description('show every account')
    .action(() => cli.report(({ accounts }) => listAccounts(accounts)));
  accounts
    .command(`show ${ACCOUNT}`)
    .description('show one account')
    .action((named) => cli.report(({ accounts }) => showAccount(accounts, named)));
  accounts
    .command(`update ${ACCOUNT}`)
    .description('give it other groups or roles; tokens say so from the next refresh on')
    .addOption(repeatable('--group <name>', 'a group, in the place of all that it was in'))
    .addOption(repeatable('--role <name>', 'a role, in the place of all that it had'))
    .option('--no-groups', 'take it out of every group')
    .option('--no-roles', 'take every role from it')
    .action((named, options) => cli.report(({ accounts }) => updateAccount(accounts, named, options)));
  accounts
    .command(`lock ${ACCOUNT}`)
    .description('nobody may sign in to it, and its tokens stop standing at once')
    .action((named) => cli.report(({ accounts }) => lockAccount(accounts, named)));
  accounts
    .command(`unlock ${ACCOUNT}`)
    .description('let the person sign in again; tokens that have not expired stand again')
    .action((named) => cli.report(({ accounts }) => unlockAccount(accounts, named)));
  accounts
    .command(`sign-out ${ACCOUNT}`)
    .description('end every session and token of it at once, those for offline access too')
    .action((named) => cli.report(({ accounts }) => signOut(accounts, named)));
  accounts
    .command(`reset-password ${ACCOUNT}`)
    .description('give it another password, asked for or read from stdin; sessions and tokens end')
    .option(...PASSWORD_STDIN)
    .action((named, options) => cli.report(({ accounts }) => resetPassword(cli, accounts, named, options)));
  accounts
    .command(`remove ${ACCOUNT}`)
    .description('erase the person; the names are free again, the subject is never given to another')
    .option(...YES)
    .action((named, options) => cli.report(({ accounts }) => removeAccount(cli, accounts, named, options)));
  return accounts;
}

interface AddOptions {
  readonly username: string;
  readonly email?: string;
  readonly emailVerified?: boolean;
  readonly name?: string;
  readonly group?: readonly string[];
  readonly role?: readonly string[];
  readonly passwordStdin?: boolean;
}

async function addAccount(
  { terminal }: CommandLine,
  accounts: Accounts,
  options: AddOptions,
): Promise<Report> {
  const { username, email, emailVerified, name, group = [], role = [] } = options;
  const request = {
    username: parseUsername(username),
    email: email === undefined ? null : parseEmailAddress(email),
    emailVerified: emailVerified === true,
    displayName: name === undefined ? null : parseDisplayName(name),
    groups: parseMemberships(group),
    roles: parseMemberships(role),
  };
  // The password is asked for last, so that nobody types it twice for nothing.
  const account = await accounts.add({ ...request, password: await newPassword(terminal, options) });
  return changed('Opened', account);
}

async function listAccounts(accounts: Accounts): Promise<Report> {
  const all = await Array.fromAsync(everyAccount(accounts));
  const row = ({ username, email, displayName, state, subject }: LivingAccount) => [
    username,
    email,
    displayName,
    state,
    subject,
  ];
  return {
    document: all.map(documentOf),
    text: (style) =>
      all.length === 0
        ? 'There is no account. Add one: keyturn accounts add --help'
        : table(['USERNAME', 'E-MAIL', 'NAME', 'STATE', 'SUBJECT'], all.map(row), style),
  };
}

async function showAccount(accounts: Accounts, named: string): Promise<Report> {
  const account = await findAccount(accounts, named);
  return { document: documentOf(account), text: (style) => facts(factsOf(account), style) };
}

interface UpdateOptions {
  readonly group?: readonly string[];
  readonly role?: readonly string[];
  /** False where it is to have none. */
  readonly groups: boolean;
  readonly roles: boolean;
}

async function updateAccount(accounts: Accounts, named: string, options: UpdateOptions): Promise<Report> {
  const groups = options.groups ? options.group : [];
  const roles = options.roles ? options.role : [];
  if (groups === undefined && roles === undefined)
    throw new UsageFault('nothing is said that is to change', 'see: keyturn accounts update --help');
  const memberships = {
    ...(groups === undefined ? undefined : { groups: parseMemberships(groups) }),
    ...(roles === undefined ? undefined : { roles: parseMemberships(roles) }),
  };
  const { subject } = await findAccount(accounts, named);
  return changed('Changed', await accounts.setMemberships(subject, memberships));
}

async function lockAccount(accounts: Accounts, named: string): Promise<Report> {
  const { subject } = await findAccount(accounts, named);
  return changed('Locked', await accounts.lock(subject));
}

async function unlockAccount(accounts: Accounts, named: string): Promise<Report> {
  const { subject } = await findAccount(accounts, named);
  return changed('Unlocked', await accounts.unlock(subject));
}

async function signOut(accounts: Accounts, named: string): Promise<Report> {
  const { subject } = await findAccount(accounts, named);
  return changed('Ended every session and token of', await accounts.signOutEverywhere(subject));
}

async function resetPassword(
  { terminal }: CommandLine,
  accounts: Accounts,
  named: string,
  options: { passwordStdin?: boolean },
): Promise<Report> {
  const { subject } = await findAccount(accounts, named);
  return changed(
    'Set a new password for',
    await accounts.setPassword(subject, await newPassword(terminal, options)),
  );
}

async function removeAccount(
  { terminal }: CommandLine,
  accounts: Accounts,
  named: string,
  options: { yes?: boolean },
): Promise<Report> {
  const { subject, username } = await findAccount(accounts, named);
  await confirm(terminal, `Erase the account ${username} for good?`, options);
  await accounts.remove(subject);
  return {
    document: { sub: subject, removed: true },
    text: (style) => `${style('good', 'Removed')} the account ${style('strong', username)}.`,
  };
}

async function* everyAccount(accounts: Accounts): AsyncGenerator<LivingAccount> {
  let after: string | null | undefined;
  do {
    const page = await accounts.list({ limit: LIST_PAGE, ...(after ? { after } : undefined) });
    yield* page.accounts;
    after = page.next;
  } while (after !== null);
}

function changed(done: string, account: LivingAccount): Report {
  return {
    document: documentOf(account),
    text: (style) =>
      [
        `${style('good', done)} the account ${style('strong', account.username)}.`,
        '',
        facts(factsOf(account), style),
      ].join('\n'),
  };
}

/** The claims of OpenID Connect Core section 5.1 where there is one, and what only this server knows. */
function documentOf(account: LivingAccount): object {
  return {
    sub: account.subject,
    username: account.username,
    email: account.email,
    email_verified: account.emailVerified,
    name: account.displayName,
    groups: account.groups,
    roles: account.roles,
    state: account.state,
    created_at: account.createdAt,
    updated_at: account.updatedAt,
    password_changed_at: account.passwordChangedAt,
    locked_at: account.state === 'locked' ? account.lockedAt : null,
  };
}

function factsOf(account: LivingAccount) {
  const { email, emailVerified } = account;
  return {
    sub: account.subject,
    username: account.username,
    email: email === null ? null : `${email}${emailVerified ? ' (verified)' : ''}`,
    name: account.displayName,
    groups: account.groups.length === 0 ? undefined : account.groups,
    roles: account.roles.length === 0 ? undefined : account.roles,
    state: account.state === 'locked' ? `locked since ${moment(account.lockedAt)}` : account.state,
    opened: moment(account.createdAt),
    'password set': moment(account.passwordChangedAt),
  };
}
