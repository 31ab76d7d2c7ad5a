import { table } from '#src/cli/layout.ts';
import type { Emphasis, Style } from '#src/cli/terminal.ts';
import { formatDuration } from '#src/config/duration.ts';
import type { LeftOut, Rehearsed, RehearsedTrial } from '#src/rehearsal/rehearsal.ts';
import { type Answer, type Judgement, judge, type Verdict } from '#src/rehearsal/trial.ts';

/** What came of a rehearsal: a table, a sentence for each who did not take the new key, and the upshot. */
export function rehearsedText({ trials, leftOut, finished }: Rehearsed, style: Style): string {
  const judged = trials.map((trial) => ({ trial, ...judge(trial, finished) }));
  const lines = judged.flatMap(({ trial, verdict }) => {
    const advice = adviceOn(trial, verdict);
    return advice === null ? [] : [`${style('strong', trial.resourceServer.identifier)} ${advice}`, ''];
  });
  return [
    table(
      ['RESOURCE SERVER', 'NEW KEY', 'KEY IN USE', 'FORGED', 'FETCHED KEYS', 'KNEW'],
      judged.map(({ trial, knew }) => rowOf(trial, knew)),
      style,
    ),
    '',
    ...lines,
    ...leftOutLines(leftOut, style),
    upshot(
      judged.map(({ verdict }) => verdict),
      finished,
      style,
    ),
  ].join('\n');
}

/** An answer in a few words. */
export function answerText(answer: Answer | null): string {
  if (answer === null) return 'not asked';
  return answer.outcome === 'answered' ? `${answer.status}, ${answer.ms} ms` : answer.why;
}

function rowOf(trial: RehearsedTrial, knew: Judgement['knew']): (string | null)[] {
  const { resourceServer, control, forged, canary, fetched } = trial;
  return [
    resourceServer.identifier,
    answerText(canary),
    answerText(control),
    answerText(forged),
    fetched === null ? 'not known' : fetched ? 'yes' : 'no',
    knew === null ? null : KNEW[knew],
  ];
}

const KNEW = { new: 'the new key', 'only-old': 'only the old one', none: 'none' } as const;

function adviceOn(
  { attempts, waited, fetched, control, forged, canary }: RehearsedTrial,
  verdict: Verdict,
): string | null {
  switch (verdict) {
    case 'accepted':
      return null;
    case 'refused': {
      const tried = `refused the new key ${attempts === 1 ? 'once' : `${attempts} times`}, at last ${formatDuration(waited)} after it was published`;
      const looked =
        fetched === true
          ? ', although it has fetched it'
          : fetched === false
            ? ', and has not fetched the keys meanwhile'
            : '';
      return `${tried}${looked}. It has to fetch them again once their max-age is over, or for a key that it does not know; until it does, a rotation can break it.`;
    }
    case 'unchecked':
      return `takes a forged token as well (${answerText(forged)}). Its canary URL must look at tokens as its other addresses do.`;
    case 'unusable':
      if (control.outcome === 'failed') return `could not be asked: ${control.why}.`;
      if (canary?.outcome === 'failed') return `could be asked no more in the end: ${canary.why}.`;
      return `does not take a good token of the key in use (${answerText(control)}), so nothing can be said of the new one. Its canary URL must answer 2xx to any token for it, without a scope.`;
    case 'unfinished':
      return 'had not taken the new key when the rehearsal was interrupted.';
  }
}

const WHY: Readonly<Record<LeftOut, string>> = {
  'no-canary-url': 'without a canary URL',
  'opaque-tokens': 'with opaque tokens, which need no key',
  'other-algorithm': 'of another algorithm',
};

function leftOutLines(leftOut: Rehearsed['leftOut'], style: Style): string[] {
  const lines = Object.entries(WHY).flatMap(([why, words]) => {
    const names = leftOut
      .filter((each) => each.why === why)
      .map(({ resourceServer }) => resourceServer.identifier);
    return names.length === 0 ? [] : [style('faint', `Not asked, ${words}: ${names.join(', ')}`)];
  });
  return lines.length === 0 ? [] : [...lines, ''];
}

function upshot(verdicts: readonly Verdict[], finished: boolean, style: Style): string {
  const count = (verdict: Verdict) => verdicts.filter((each) => each === verdict).length;
  const accepted = count('accepted');
  if (!finished) return style('notable', 'Interrupted. Everything was taken back.');
  const [emphasis, says]: [Emphasis, string] =
    accepted === verdicts.length
      ? ['good', 'A rotation would break none of them.']
      : count('refused') > 0
        ? ['bad', 'A rotation now can break those that refused.']
        : ['notable', 'Of the others nothing can be said.'];
  return `${style(emphasis, `${accepted} of ${verdicts.length} took the new key.`)} ${says} Everything was taken back.`;
}
