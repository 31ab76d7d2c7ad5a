import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { answerText, rehearsedText } from '#src/cli/keys/rehearsal-text.ts';
import { type Report, snakeCase } from '#src/cli/report.ts';
import { parseDuration } from '#src/config/duration.ts';
import { Refusal } from '#src/fault.ts';
import type { LeftOut, Progress, Rehearsed, RehearsedTrial } from '#src/rehearsal/rehearsal.ts';
import { type Answer, isAccepted, judge } from '#src/rehearsal/trial.ts';
import type { Services } from '#src/services.ts';
import { openRehearsal } from '#src/serving/rehearsal.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { Seconds } from '#src/units.ts';

export interface RehearsalOptions {
  readonly alg?: string;
  readonly patience?: string;
  readonly wait?: string | true;
  readonly anyway?: boolean;
  readonly breakGlass?: boolean;
}

/** `keyturn keys rotate --rehearse`. Not `ok` unless every resource server that was asked takes the new key. */
export async function rehearseRotation(
  cli: CommandLine,
  services: Services,
  options: RehearsalOptions,
): Promise<Report> {
  const patience = patienceOf(options);
  const only = algorithmOf(options, services);
  const rehearsal = openRehearsal(services, {
    ...cli.surroundings,
    patience,
    signal: cli.stopSignal,
    onProgress: progressTeller((text) => {
      if (!cli.json) cli.note(text);
    }),
  });
  const rehearsed = await rehearsal.run(only);
  const { trials, finished } = rehearsed;
  return {
    ok: finished && trials.every((trial) => judge(trial, finished).verdict === 'accepted'),
    document: documentOf(rehearsed),
    text: (style) => rehearsedText(rehearsed, style),
  };
}

/** Tells what happens, and of answers that repeat themselves only the first. */
function progressTeller(tell: (text: string) => void): (progress: Progress) => void {
  const told = new Map<string, string>();
  return (progress) => {
    if ('key' in progress) {
      const key = `the ${progress.key.alg} key ${progress.key.kid}`;
      const withdrawn = progress.what === 'withdrawn';
      tell(withdrawn ? `Took back ${key}` : `Published ${key}, which signs nothing but canaries`);
      return;
    }
    const { resourceServer, control, canary } = progress.trial;
    const { identifier } = resourceServer;
    const answer = progress.what === 'control' ? control : canary;
    const which = progress.what === 'control' ? 'the key in use' : 'the new key';
    const sort = `${which} ${answer?.outcome === 'answered' ? answer.status : answer?.why}`;
    if (told.get(identifier) === sort) return;
    told.set(identifier, sort);
    const again = progress.what === 'canary' && !isAccepted(answer) ? '; it is asked again' : '';
    tell(`${identifier} with ${which}: ${answerText(answer)}${again}`);
  };
}

function documentOf({ keys, trials, leftOut, finished }: Rehearsed): object {
  return {
    finished,
    keys: keys.map(({ alg, kid }) => ({ alg, kid })),
    resource_servers: trials.map((trial) => trialDocument(trial, finished)),
    left_out: leftOut.map(({ resourceServer, why }) => ({
      identifier: resourceServer.identifier,
      why: snakeCase(why satisfies LeftOut),
    })),
  };
}

function trialDocument(trial: RehearsedTrial, finished: boolean): object {
  const { resourceServer, alg, control, forged, canary, attempts, waited, fetched } = trial;
  const { verdict, knew } = judge(trial, finished);
  return {
    identifier: resourceServer.identifier,
    verdict,
    signing_algorithm: alg,
    knew: knew && snakeCase(knew),
    fetched_keys: fetched,
    attempts,
    waited,
    with_new_key: canary && answerDocument(canary),
    with_key_in_use: answerDocument(control),
    with_forged_token: answerDocument(forged),
  };
}

function answerDocument(answer: Answer): object {
  return answer.outcome === 'answered'
    ? { status: answer.status, ms: answer.ms }
    : { status: null, ms: answer.ms, problem: answer.why };
}

function patienceOf({ patience, wait, anyway, breakGlass }: RehearsalOptions): Seconds | null {
  if (wait !== undefined || anyway === true || breakGlass === true)
    throw new UsageFault('--rehearse rotates nothing, so it goes with no option of a rotation but --alg');
  if (patience === undefined) return null;
  const length = parseDuration(patience);
  if (length !== null && length > 0) return length;
  throw new UsageFault(`--patience: "${patience}" is no length of time`, 'write it like 90s, 5m or 1h');
}

function algorithmOf({ alg }: RehearsalOptions, { rotation }: Services): SigningAlgorithm | null {
  if (alg === undefined) return null;
  const known = rotation.policy.algorithms.find((each) => each === alg);
  if (known !== undefined) return known;
  throw new Refusal(
    'unknown_algorithm',
    `No key of this server signs with ${alg}, only with ${rotation.policy.algorithms.join(', ')}.`,
  );
}
