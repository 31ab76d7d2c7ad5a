import { everyKeyEvent } from '#src/cli/keys/happened.ts';
import { distance, moment } from '#src/cli/layout.ts';
import type { Report } from '#src/cli/report.ts';
import type { Style } from '#src/cli/terminal.ts';
import { type Chart, keyLanes, turnMarks } from '#src/cli/timeline/chart.ts';
import { chartInSvg } from '#src/cli/timeline/in-svg.ts';
import { chartInText } from '#src/cli/timeline/in-text.ts';
import { writeText } from '#src/cli/timeline/written.ts';
import { type JwsAlgorithm, REFRESH_ALGORITHM } from '#src/signing/algorithm.ts';
import type { KeyListing } from '#src/signing/key-listing.ts';
import { type KeyTimeline, keyTimeline } from '#src/signing/key-timeline.ts';
import type { KeyRotation } from '#src/signing/rotation.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/** `keyturn keys timeline` */
export async function drawKeys(
  rotation: KeyRotation,
  {
    now,
    columns,
    svg,
  }: { readonly now: EpochSeconds; readonly columns: number; readonly svg: string | null },
): Promise<Report> {
  const keys = await rotation.list();
  const timeline = inOrder(keyTimeline(await everyKeyEvent(rotation), keys));
  const coming = rotationsToCome(keys, now);
  const chart = chartOf(timeline, coming, now);
  if (svg !== null) await writeText(svg, chartInSvg(chart));
  return {
    document: documentOf(timeline, coming),
    text: (style) =>
      [chartInText(chart, columns, style), '', ...coming.map((each) => inWords(each, now, style))].join('\n'),
  };
}

/** The keys that everyone sees come first. */
function inOrder(timeline: KeyTimeline): KeyTimeline {
  const lives = timeline.lives.toSorted((one, other) => isHidden(one.alg) - isHidden(other.alg));
  return { ...timeline, lives };
}

const isHidden = (alg: JwsAlgorithm) => Number(alg === REFRESH_ALGORITHM);

/** The next rotation of an algorithm, as it is planned. */
interface Coming {
  readonly alg: JwsAlgorithm;
  readonly signs: string | null;
  readonly next: { readonly kid: string; readonly at: EpochSeconds } | null;
}

function rotationsToCome(keys: readonly KeyListing[], now: EpochSeconds): readonly Coming[] {
  const algorithms = new Set(keys.map(({ alg }) => alg));
  return [...algorithms]
    .toSorted((one, other) => isHidden(one) - isHidden(other))
    .map((alg) => {
      const own = keys.filter((key) => key.alg === alg);
      const [next] = own
        .flatMap(({ kid, state, signsFrom }) =>
          state === 'next' && signsFrom !== null ? [{ kid, at: signsFrom }] : [],
        )
        .filter(({ at }) => at > now)
        .toSorted((one, other) => one.at - other.at);
      return { alg, signs: own.find(({ state }) => state === 'active')?.kid ?? null, next: next ?? null };
    });
}

/** How much of the drawing lies behind the last rotation that is planned. */
const ROOM_BEHIND = 0.12;

function chartOf(timeline: KeyTimeline, coming: readonly Coming[], now: EpochSeconds): Chart {
  const known = timeline.lives
    .flatMap(({ spans }) => spans.map(({ from }) => from))
    .filter((from) => from > 0);
  const from = epochSeconds(Math.min(now, ...known));
  const last = Math.max(now + 1, ...coming.flatMap(({ next }) => (next === null ? [] : [next.at])));
  const until = epochSeconds(Math.ceil(last + (last - from) * ROOM_BEHIND));
  const [soonest] = coming
    .flatMap(({ next }) => (next === null ? [] : [next.at]))
    .toSorted((one, other) => one - other);
  const turns = timeline.turns.filter((turn) => turn.from > from && turn.from < until);
  return {
    title: 'Signing keys',
    summary:
      soonest === undefined
        ? `As of ${moment(now)}. No rotation is planned.`
        : `As of ${moment(now)}. The next rotation comes ${moment(soonest)}, ${distance(soonest, now)}.`,
    from,
    until,
    now,
    axis: 'calendar',
    lanes: keyLanes(
      timeline.lives,
      (alg) => (alg === REFRESH_ALGORITHM ? 'never published' : 'in the JWK Set'),
      (kid) => kid.slice(0, LABEL_CHARS),
    ),
    marks: turnMarks(turns),
    series: [],
  };
}

const LABEL_CHARS = 6;

function inWords({ alg, signs, next }: Coming, now: EpochSeconds, style: Style): string {
  const key = `${style('strong', alg)}  `;
  const present = signs === null ? 'nothing signs' : `${signs} signs`;
  if (next === null) return `${key}${present}, and no rotation is planned`;
  return `${key}${present}\n       ${next.kid} takes over ${moment(next.at)}, ${distance(next.at, now)}`;
}

function documentOf({ lives, turns }: KeyTimeline, coming: readonly Coming[]): object {
  return {
    next_rotations: coming.map(({ alg, signs, next }) => ({
      alg,
      signs,
      next: next === null ? null : { kid: next.kid, signs_from: next.at },
    })),
    keys: lives,
    turns: turns.map(({ from, ...turn }) => ({ at: from, ...turn })),
  };
}
