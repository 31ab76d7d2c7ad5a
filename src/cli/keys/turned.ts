import type { CommandLine } from '#src/cli/command-line.ts';
import { type GateOptions, passGate } from '#src/cli/keys/gate.ts';
import { type KeyStanding, standingDocument, standingLines, standingsOf } from '#src/cli/keys/standing.ts';
import { distance, moment } from '#src/cli/layout.ts';
import { type Report, snakeCase } from '#src/cli/report.ts';
import type { Style } from '#src/cli/terminal.ts';
import { Refusal } from '#src/fault.ts';
import type { Services } from '#src/services.ts';
import type { JwsAlgorithm } from '#src/signing/algorithm.ts';
import type { KeyRotation, UndoOutcome } from '#src/signing/rotation.ts';
import type { EpochSeconds } from '#src/units.ts';

export interface RotateOptions extends GateOptions {
  readonly reason?: string;
}

/** `keyturn keys rotate`. Whether there is such an algorithm is for the rotation to say. */
export async function rotateKeys(
  cli: CommandLine,
  services: Services,
  options: RotateOptions,
): Promise<Report> {
  const { alg, breakGlass, reason } = options;
  if (breakGlass === true && reason === undefined) {
    throw new Refusal('reason_missing', '--break-glass sets a rule aside: say why, with --reason.');
  }
  await passGate(cli, services, options);
  const outcomes = await services.rotation.rotate({
    ...algorithmOf(alg),
    ...(breakGlass === true && reason !== undefined ? { breakGlass: reason } : undefined),
  });
  const standings = await standingsOf(services, outcomes);
  return turnedReport(outcomes, cli.surroundings.clock.now(), standings);
}

/** `keyturn keys undo` */
export async function undoRotation(
  rotation: KeyRotation,
  { alg }: { readonly alg?: string },
  now: EpochSeconds,
): Promise<Report> {
  const outcomes = await rotation.undo(algorithmOf(alg));
  return { ...turnedReport(outcomes, now), ok: outcomes.some(({ outcome }) => outcome !== 'nothing-before') };
}

const algorithmOf = (alg: string | undefined) => (alg === undefined ? {} : { alg: alg as JwsAlgorithm });

function turnedReport(
  outcomes: readonly UndoOutcome[],
  now: EpochSeconds,
  standings: readonly KeyStanding[] = [],
): Report {
  return {
    document: outcomes.map((each) => ({
      outcome: snakeCase(each.outcome),
      alg: each.alg,
      kid: each.kid,
      signs_from: each.outcome === 'nothing-before' ? null : each.signsFrom,
      ...standingDocument(standings, each.kid),
    })),
    text: (style) =>
      outcomes
        .flatMap((outcome) => {
          const standing = standings.find(({ kid }) => kid === outcome.kid);
          const lines = standing === undefined ? [] : standingLines(standing, now, style);
          return [turnedText(outcome, now, style), ...lines];
        })
        .join('\n'),
  };
}

function turnedText(turned: UndoOutcome, now: EpochSeconds, style: Style): string {
  const key = `${style('strong', turned.alg)}  key ${turned.kid}`;
  switch (turned.outcome) {
    case 'signs-now':
      return `${key} ${style('good', 'signs now')}`;
    case 'already-rotated':
      return `${key} signs already: someone else rotated at the same moment`;
    case 'nothing-before':
      return `${key} ${style('notable', 'goes on')}: no key before it is published any more`;
    case 'scheduled': {
      const when = `${moment(turned.signsFrom)} (${distance(turned.signsFrom, now)})`;
      return `${key} ${style('notable', 'is scheduled')}: it signs from ${when}, when everyone has it`;
    }
  }
}
