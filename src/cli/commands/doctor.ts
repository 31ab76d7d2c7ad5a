import { Command, Option } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import {
  type ClientFinding,
  type Examination,
  examine,
  isSound,
  keepsWhatItIsHeldTo,
} from '#src/cli/doctor/examination.ts';
import type { Finding } from '#src/cli/doctor/finding.ts';
import { table } from '#src/cli/layout.ts';
import type { Report } from '#src/cli/report.ts';
import { type Style, visible } from '#src/cli/terminal.ts';
import { PROFILE_NAMES, type ProfileName } from '#src/clients/profile.ts';

/** `keyturn doctor`: whether everything is in place, and what to do where it is not. */
export function doctorCommand(cli: CommandLine): Command {
  return new Command('doctor')
    .description('look at the store, the keys, the settings, and at which client keeps which profile')
    .addOption(
      new Option('--profile <name>', 'show what each client lacks for this profile').choices(PROFILE_NAMES),
    )
    .action(({ profile }: { profile?: ProfileName }) =>
      cli.report(async (services) =>
        reportOf(await examine(services, cli.surroundings.clock.now()), profile ?? null),
      ),
    );
}

function reportOf(examination: Examination, profile: ProfileName | null): Report {
  const { findings, clients } = examination;
  return {
    document: {
      sound: isSound(examination),
      findings,
      clients: clients.map(({ clientId, name, heldTo, keeps, broken }) => ({
        client_id: clientId,
        client_name: name,
        held_to: heldTo,
        keeps,
        broken: broken.map(({ profile, rule, clause }) => ({ profile, rule, clause })),
      })),
    },
    text: (style) =>
      [
        ...findings.flatMap((finding) => findingLines(finding, style)),
        ...(clients.length === 0 ? [] : ['', clientTable(clients, style)]),
        ...clients.flatMap((client) => lackingLines(client, profile, style)),
        '',
        isSound(examination)
          ? style('good', 'Everything is in place.')
          : style('bad', 'Something needs attention.'),
      ].join('\n'),
    ok: isSound(examination),
  };
}

const MARKS = { well: ['good', '✓'], notable: ['notable', '!'], ill: ['bad', '✗'] } as const;
const SUBJECT_COLUMNS = 14;

function findingLines({ subject, state, says, remedy }: Finding, style: Style): string[] {
  const [tone, mark] = MARKS[state];
  const line = `  ${style(tone, mark)} ${subject.padEnd(SUBJECT_COLUMNS)}  ${visible(says)}`;
  return remedy === undefined
    ? [line]
    : [line, `${' '.repeat(SUBJECT_COLUMNS + 6)}${style('faint', remedy)}`];
}

function clientTable(clients: readonly ClientFinding[], style: Style): string {
  return table(
    ['CLIENT', 'NAME', 'HELD TO', 'KEEPS'],
    clients.map(({ clientId, name, heldTo, keeps }) => [
      clientId,
      name,
      heldTo.at(-1) ?? null,
      keeps.join(' '),
    ]),
    style,
  );
}

/** What a client lacks for the profile that is asked about or, where none is, for those that it is held to. */
function lackingLines(client: ClientFinding, asked: ProfileName | null, style: Style): string[] {
  const profiles = asked === null ? client.heldTo : [asked];
  if (asked === null && keepsWhatItIsHeldTo(client)) return [];
  const lacking = client.broken.filter(({ profile }) => profiles.includes(profile));
  const rules = new Map(lacking.map(({ rule, clause }) => [rule, clause]));
  if (rules.size === 0) return [];
  return [
    '',
    `${visible(client.name)} (${client.clientId}) keeps ${profiles.at(-1)} once it`,
    ...[...rules].map(([rule, clause]) => `  ${style('bad', '✗')} ${rule} ${style('faint', `(${clause})`)}`),
  ];
}
