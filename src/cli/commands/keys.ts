import { Command } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { confirm } from '#src/cli/input.ts';
import { distance, moment, table } from '#src/cli/layout.ts';
import { YES } from '#src/cli/options.ts';
import type { Report } from '#src/cli/report.ts';
import type { Style } from '#src/cli/terminal.ts';
import { Refusal } from '#src/fault.ts';
import type { JwsAlgorithm } from '#src/signing/algorithm.ts';
import type { KeyListing, KeyRotation, RevocationOutcome, RotationOutcome } from '#src/signing/rotation.ts';
import type { EpochSeconds } from '#src/units.ts';

/** `keyturn keys …`: what tokens are signed with. A running server follows every change by itself. */
export function keyCommands(cli: CommandLine): Command {
  const keys = new Command('keys').description('the keys that tokens are signed with');
  keys
    .command('list')
    .description('show every key, its state, since when and until when')
    .action(() => cli.report(({ rotation }) => listKeys(rotation, cli.surroundings.clock.now())));
  keys
    .command('rotate')
    .description('let the next key sign as soon as everyone has it; nothing fails meanwhile')
    .option('--alg <alg>', 'rotate this algorithm only, such as ES256')
    .action(({ alg }: { alg?: string }) =>
      cli.report(({ rotation }) => rotateKeys(rotation, alg, cli.surroundings.clock.now())),
    );
  keys
    .command('revoke <kid>')
    .description('end a key that was stolen, and every token that it signed, at once')
    .requiredOption('--reason <text>', 'why, for the record')
    .option(...YES)
    .action((kid: string, options: RevokeOptions) =>
      cli.report(({ rotation }) => revokeKey(cli, rotation, kid, options)),
    );
  return keys;
}

async function listKeys(rotation: KeyRotation, now: EpochSeconds): Promise<Report> {
  const keys = await rotation.list();
  return {
    document: keys.map(documentOf),
    text: (style) =>
      [
        table(
          ['STATE', 'ALG', 'SINCE', 'UNTIL', 'KEY ID'],
          keys.map((key) => rowOf(key, now)),
          style,
        ),
        '',
        style(
          'faint',
          'HS256 signs refresh tokens, which only this server reads; those keys are never published.',
        ),
      ].join('\n'),
  };
}

function rowOf(key: KeyListing, now: EpochSeconds): (string | null)[] {
  const { since, until } = spanOf(key);
  const end = until === null ? null : `${moment(until)}, ${distance(until, now)}`;
  const reason = key.reason === null ? '' : ` (${key.reason})`;
  return [key.state, key.alg, moment(since), end, key.kid + reason];
}

/** From when to when a key is in the state that it is in; the end is the one planned now. */
function spanOf(key: KeyListing): { since: EpochSeconds; until: EpochSeconds | null } {
  if (key.state === 'next') return { since: key.publishedAt, until: key.signsFrom };
  if (key.state === 'active') return { since: key.signsFrom, until: key.retiredAt };
  if (key.state === 'revoked') return { since: key.revokedAt ?? key.signsFrom, until: key.removedAt };
  return { since: key.retiredAt ?? key.signsFrom, until: key.removedAt };
}

async function rotateKeys(
  rotation: KeyRotation,
  alg: string | undefined,
  now: EpochSeconds,
): Promise<Report> {
  // Whether there is such an algorithm is for the rotation to say.
  const outcomes = await rotation.rotate(alg as JwsAlgorithm | undefined);
  return {
    document: outcomes.map(({ outcome, alg: algorithm, kid, signsFrom }) => ({
      outcome: snakeCase(outcome),
      alg: algorithm,
      kid,
      signs_from: signsFrom,
    })),
    text: (style) => outcomes.map((outcome) => rotatedText(outcome, now, style)).join('\n'),
  };
}

function rotatedText(
  { outcome, alg, kid, signsFrom }: RotationOutcome,
  now: EpochSeconds,
  style: Style,
): string {
  const key = `${style('strong', alg)}  key ${kid}`;
  if (outcome === 'signs-now') return `${key} ${style('good', 'signs now')}`;
  if (outcome === 'already-rotated') return `${key} signs already: someone else rotated at the same moment`;
  return `${key} ${style('notable', 'is scheduled')}: it signs from ${moment(signsFrom)} (${distance(signsFrom, now)}), when everyone has it`;
}

interface RevokeOptions {
  readonly reason: string;
  readonly yes?: boolean;
}

async function revokeKey(
  { terminal }: CommandLine,
  rotation: KeyRotation,
  kid: string,
  { reason, ...options }: RevokeOptions,
): Promise<Report> {
  await confirm(terminal, `Revoke the key ${kid} and end every token that it signed?`, options);
  const revoked = await rotation.revoke(kid, reason);
  if (revoked.outcome === 'no-such-key') throw new Refusal('key_not_found', `no key ${kid}`);
  const successor = revoked.outcome === 'revoked' ? revoked.successor : null;
  return {
    document: {
      outcome: snakeCase(revoked.outcome),
      kid,
      successor: successor && { kid: successor.kid, caches_may_lack_it: successor.cachesMayLackIt },
    },
    text: (style) => revokedText(revoked, kid, style),
  };
}

function revokedText(revoked: RevocationOutcome, kid: string, style: Style): string {
  if (revoked.outcome !== 'revoked') return `The key ${kid} has been revoked before. Nothing was changed.`;
  const lines = [
    `${style('good', 'Revoked')} the key ${kid}. The tokens that it signed are not active any more.`,
  ];
  const { successor } = revoked;
  if (successor !== null) lines.push(`The key ${successor.kid} signs in its place.`);
  if (successor?.cachesMayLackIt === true) {
    lines.push(
      style(
        'notable',
        'It was published so recently that resource servers may have to fetch the JWK Set again.',
      ),
    );
  }
  lines.push(
    style(
      'notable',
      'A resource server that only verifies signatures takes the old tokens until it fetches the JWK Set again.',
    ),
  );
  return lines.join('\n');
}

function documentOf(key: KeyListing): object {
  return {
    kid: key.kid,
    alg: key.alg,
    purpose: key.purpose,
    state: key.state,
    published_at: key.publishedAt,
    signs_from: key.signsFrom,
    retired_at: key.retiredAt,
    removed_at: key.removedAt,
    revoked_at: key.revokedAt,
    reason: key.reason,
  };
}

const snakeCase = (outcome: string): string => outcome.replaceAll('-', '_');
