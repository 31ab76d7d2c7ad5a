import type { CommandLine } from '#src/cli/command-line.ts';
import { confirm } from '#src/cli/input.ts';
import { type Report, snakeCase } from '#src/cli/report.ts';
import type { Style } from '#src/cli/terminal.ts';
import { Refusal } from '#src/fault.ts';
import type { KeyRotation, RevocationOutcome } from '#src/signing/rotation.ts';

export interface RevokeOptions {
  readonly reason: string;
  readonly yes?: boolean;
}

/** `keyturn keys revoke` */
export async function revokeKey(
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
