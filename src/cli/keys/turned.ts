import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { confirm } from '#src/cli/input.ts';
import { type GateOptions, passGate, waitingTime } from '#src/cli/keys/gate.ts';
import { type KeyStanding, standingDocument, standingLines, standingsOf } from '#src/cli/keys/standing.ts';
import { announce, type Touched, touchedByTurning, touchedOf } from '#src/cli/keys/touched.ts';
import { distance, moment } from '#src/cli/layout.ts';
import { type Report, snakeCase } from '#src/cli/report.ts';
import type { Style } from '#src/cli/terminal.ts';
import { Refusal } from '#src/fault.ts';
import type { Services } from '#src/services.ts';
import type { JwsAlgorithm } from '#src/signing/algorithm.ts';
import { standbyKey } from '#src/signing/key-ring.ts';
import type { UndoOutcome } from '#src/signing/turning.ts';
import type { EpochSeconds } from '#src/units.ts';

export interface RotateOptions extends GateOptions {
  readonly reason?: string;
  readonly yes?: boolean;
  /** Of a rehearsal. */
  readonly patience?: string;
}

/** `keyturn keys rotate`. Whether there is such an algorithm is for the rotation to say. */
export async function rotateKeys(
  cli: CommandLine,
  services: Services,
  options: RotateOptions,
): Promise<Report> {
  const { alg, breakGlass, reason, patience } = options;
  if (breakGlass === true && reason === undefined) {
    throw new Refusal('reason_missing', '--break-glass sets a rule aside: say why, with --reason.');
  }
  if (breakGlass !== true && reason !== undefined)
    throw new UsageFault('--reason goes with --break-glass', 'a rotation that breaks nothing needs none');
  if (patience !== undefined) throw new UsageFault('--patience goes with --rehearse');
  const waiting = waitingTime(options, services);
  const { clock } = cli.surroundings;
  const touched = await touchedByTurning(services, alg, clock.now());
  announce(cli, touched);
  await passGate(cli, services, { ...options, waiting });
  if (breakGlass === true) await confirmBreaking(cli, services, options);
  const outcomes = await services.rotation.rotate({
    ...turningOf(cli, alg),
    ...(breakGlass === true && reason !== undefined ? { breakGlass: reason } : undefined),
  });
  const standings = await standingsOf(services, outcomes);
  return turnedReport(outcomes, clock.now(), touched, standings);
}

/** Asks first if caches may lack a key that is to sign at once. */
async function confirmBreaking(
  { terminal, surroundings }: CommandLine,
  { rotation }: Services,
  { alg, yes }: RotateOptions,
): Promise<void> {
  const { ring } = rotation.held;
  const now = surroundings.clock.now();
  const algorithms = rotation.policy.algorithms.filter((each) => alg === undefined || each === alg);
  const lacked = algorithms.filter((each) => (standbyKey(ring, each, now)?.readyAt ?? now) > now);
  if (lacked.length === 0) return;
  const question = `Whoever has cached the keys may refuse tokens by the next ${lacked.join(' and ')} key. Let it sign now?`;
  await confirm(terminal, question, { yes: yes === true });
}

/** `keyturn keys undo` */
export async function undoRotation(
  cli: CommandLine,
  services: Services,
  { alg }: { readonly alg?: string },
): Promise<Report> {
  const { clock } = cli.surroundings;
  const touched = await touchedByTurning(services, alg, clock.now());
  announce(cli, touched);
  const outcomes = await services.rotation.undo(turningOf(cli, alg));
  const ok = outcomes.some(({ outcome }) => outcome !== 'nothing-before');
  return { ...turnedReport(outcomes, clock.now(), touched), ok };
}

const turningOf = ({ givenAt: since }: CommandLine, alg: string | undefined) =>
  alg === undefined ? { since } : { since, alg: alg as JwsAlgorithm };

function turnedReport(
  outcomes: readonly UndoOutcome[],
  now: EpochSeconds,
  touched: Touched,
  standings: readonly KeyStanding[] = [],
): Report {
  return {
    document: outcomes.map((each) => ({
      outcome: snakeCase(each.outcome),
      alg: each.alg,
      kid: each.kid,
      signs_from: each.outcome === 'nothing-before' ? null : each.signsFrom,
      ...standingDocument(standings, each.kid),
      ...touchedOf(touched, each.alg),
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
      return `${key} signs already: somebody else changed it since this command was given`;
    case 'nothing-before':
      return `${key} ${style('notable', 'goes on')}: no key before it is published any more`;
    case 'called-off':
      return `${key} ${style('good', 'does not sign yet')}: the rotation is called off, and it waits for the schedule, ${distance(turned.signsFrom, now)}`;
    case 'scheduled': {
      const when = `${moment(turned.signsFrom)} (${distance(turned.signsFrom, now)})`;
      return `${key} ${style('notable', 'is scheduled')}: it signs from ${when}, when everyone has it`;
    }
  }
}
