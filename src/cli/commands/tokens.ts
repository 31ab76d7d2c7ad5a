import { Command } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { pipedText } from '#src/cli/input.ts';
import { type Check, type Inspection, inspectToken } from '#src/cli/inspection/inspection.ts';
import type { Report } from '#src/cli/report.ts';
import { type Style, visible } from '#src/cli/terminal.ts';

/** `keyturn tokens …`: what the server knows of a token. */
export function tokenCommands(cli: CommandLine): Command {
  const tokens = new Command('tokens').description('access tokens and refresh tokens');
  tokens
    .command('inspect <token>')
    .description('why a token is active, or is not; changes nothing. With - the token is read from stdin')
    .action((token: string) =>
      cli.report(async (services) => {
        const text = (token === '-' ? await pipedText(cli.terminal) : token).trim();
        if (text === '') throw new UsageFault('the token is empty');
        return reportOf(await inspectToken(text, services, cli.surroundings.clock));
      }),
    );
  return tokens;
}

function reportOf(inspection: Inspection): Report {
  const { kind, reason, checks, header, claims, clientId, subject, authorizationId, family } = inspection;
  return {
    document: {
      active: reason === null,
      reason,
      kind,
      checks,
      header,
      claims,
      client_id: clientId,
      sub: subject,
      authorization: authorizationId,
      generation: family?.generation ?? null,
      current_generation: family?.currentGeneration ?? null,
    },
    text: (style) => textOf(inspection, style),
  };
}

const TITLES: Readonly<Record<Inspection['kind'], string>> = {
  access_token_of_person: 'Access token of a person',
  access_token_of_client: 'Access token of a client',
  canary: 'Canary of a rehearsal, good for nothing',
  refresh_token: 'Refresh token',
  opaque_token: 'Opaque token',
  unknown: 'Unknown token',
};

function textOf({ kind, reason, checks, header, claims }: Inspection, style: Style): string {
  const verdict =
    reason === null ? style('good', 'active') : style('bad', `not active: ${reason.replaceAll('_', ' ')}`);
  return [
    `${style('strong', TITLES[kind])}, ${verdict}`,
    '',
    ...checks.map((check) => checkLine(check, style)),
    ...membersText('header', header, style),
    ...membersText('claims', claims, style),
  ].join('\n');
}

const LABEL_COLUMNS = 13;

function checkLine({ check, outcome, detail }: Check, style: Style): string {
  const label = check.padEnd(LABEL_COLUMNS);
  if (outcome === 'not_reached') return style('faint', `  · ${label}  not looked at`);
  const mark = outcome === 'passed' ? style('good', '✓') : style('bad', '✗');
  return `  ${mark} ${label}  ${visible(detail ?? '')}`;
}

function membersText(
  title: string,
  members: Readonly<Record<string, unknown>> | null,
  style: Style,
): string[] {
  return members === null ? [] : ['', style('faint', title), visible(JSON.stringify(members, null, 2))];
}
