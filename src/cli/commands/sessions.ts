import { Command } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { moment, table } from '#src/cli/layout.ts';
import { ACCOUNT, ACCOUNT_NAMES, findAccount } from '#src/cli/named-account.ts';
import type { Report } from '#src/cli/report.ts';
import { Refusal } from '#src/fault.ts';
import type { Services } from '#src/services.ts';
import type { Session } from '#src/sessions/session.ts';

/** `keyturn sessions …`: the browsers in which people are signed in. */
export function sessionCommands(cli: CommandLine): Command {
  const sessions = new Command('sessions')
    .description('browsers in which people are signed in')
    .addHelpText('after', ACCOUNT_NAMES);
  sessions
    .command(`list ${ACCOUNT}`)
    .description('show where somebody is signed in')
    .action((named) => cli.report((services) => listSessions(services, named)));
  sessions
    .command('end [id]')
    .description('end a session and its tokens, and tell its clients; tokens for offline access stand')
    .option(`--all ${ACCOUNT}`, 'end every session of an account instead')
    .action((id, options) => cli.report((services) => endSessions(services, id, options)));
  return sessions;
}

async function listSessions({ accounts, sessions }: Services, named: string): Promise<Report> {
  const { subject, username } = await findAccount(accounts, named);
  const all = await sessions.listOf(subject);
  const row = ({ uid, signedInAt, seen, clients }: Session) => [
    uid,
    moment(signedInAt),
    seen === null ? null : moment(seen.at),
    seen?.browser.name ?? null,
    seen?.browser.system ?? null,
    seen?.network ?? null,
    String(clients.length),
  ];
  const heading = ['ID', 'SIGNED IN', 'LAST USED', 'BROWSER', 'SYSTEM', 'NETWORK', 'CLIENTS'];
  return {
    document: all.map(documentOf),
    text: (style) =>
      all.length === 0 ? `${username} is signed in nowhere.` : table(heading, all.map(row), style),
  };
}

async function endSessions(
  { accounts, sessions }: Services,
  id: string | undefined,
  { all }: { all?: string },
): Promise<Report> {
  if ((id === undefined) === (all === undefined)) {
    throw new UsageFault('give the identifier of a session, or --all with an account');
  }
  const ended =
    all === undefined
      ? await endNamed(sessions, id as string)
      : await sessions.endAllOf((await findAccount(accounts, all)).subject);
  return {
    document: { ended: ended.map(({ uid }) => uid) },
    text: (style) =>
      ended.length === 1
        ? `${style('good', 'Ended')} the session.`
        : `${style('good', 'Ended')} ${ended.length} sessions.`,
  };
}

async function endNamed(sessions: Services['sessions'], id: string): Promise<readonly Session[]> {
  const session = await sessions.find(id);
  if (session === null) throw new Refusal('session_not_found', `no session ${id}`);
  await sessions.end(session);
  return [session];
}

/** Names are those of the claims where there is one. */
function documentOf({ uid, subject, signedInAt, seen, clients }: Session): object {
  return {
    id: uid,
    sub: subject,
    auth_time: signedInAt,
    last_used_at: seen?.at ?? null,
    browser: seen?.browser.name ?? null,
    system: seen?.browser.system ?? null,
    network: seen?.network ?? null,
    clients: clients.map(({ clientId, sid }) => ({ client_id: clientId, sid })),
  };
}
