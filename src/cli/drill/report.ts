import type { Participant } from '#src/cli/drill/apis.ts';
import type { Done } from '#src/cli/drill/deeds.ts';
import type { Drilled } from '#src/cli/drill/drill.ts';
import { type Ledger, WRONG } from '#src/cli/drill/ledger.ts';
import type { Deed } from '#src/cli/drill/story.ts';
import { type Verdict, verdictsOf } from '#src/cli/drill/verdicts.ts';
import { table } from '#src/cli/layout.ts';
import { type Report, snakeCase } from '#src/cli/report.ts';
import { type Style, visible } from '#src/cli/terminal.ts';
import { elapsed } from '#src/cli/timeline/axis.ts';
import { type Chart, keyLanes, type Mark, type Span, turnMarks } from '#src/cli/timeline/chart.ts';
import { chartInText } from '#src/cli/timeline/in-text.ts';
import { REFRESH_ALGORITHM } from '#src/signing/algorithm.ts';
import type { EpochSeconds } from '#src/units.ts';

/** What `keyturn keys drill` says. `took` is how long it took by the machine's clock, in milliseconds. */
export function drillReport(
  drilled: Drilled,
  { took, columns }: { readonly took: number; readonly columns: number },
): Report {
  const verdicts = verdictsOf(drilled);
  const ok = verdicts.every(({ held }) => held);
  return {
    ok,
    document: documentOf(drilled, verdicts, took),
    text: (style) =>
      [
        chartInText(drillChart(drilled), columns, style),
        '',
        serversTable(drilled, style),
        ...drilled.leftOut.map(({ who, reason }) => style('notable', `${who} is left out: ${reason}`)),
        '',
        ...verdicts.map(({ held, claim }) => `${held ? style('good', '✓') : style('bad', '✗')} ${claim}`),
        ...wrongsOf(drilled, style),
        '',
        `${ok ? style('good', 'Nobody would have noticed.') : style('bad', 'This must not happen.')} ${durations(drilled, took)}`,
      ].join('\n'),
  };
}

/** The drill as a picture: what the nodes and the keys did, and what came of what was asked. */
export function drillChart(drilled: Drilled): Chart {
  const { start, end, timeline, ledger, policy, nodes, administrator } = drilled;
  const verdicts = verdictsOf(drilled);
  const about = (alg: string) => {
    if (alg === REFRESH_ALGORITHM) return 'refresh tokens';
    return alg === policy.algorithms[0] ? 'access tokens' : 'ID tokens';
  };
  const scheduled = timeline.turns.filter(
    ({ from, cause }) => cause === 'schedule' && from > start && from < end,
  );
  const order = [...policy.algorithms, REFRESH_ALGORITHM];
  const lives = timeline.lives.toSorted((one, other) => order.indexOf(one.alg) - order.indexOf(other.alg));
  return {
    title: 'Key rotation drill',
    summary: verdicts.every(({ held }) => held)
      ? `${verdicts.at(-1)?.claim}. ${verdicts[0]?.claim}.`
      : verdicts
          .filter(({ held }) => !held)
          .map(({ claim }) => claim)
          .join('; '),
    from: start,
    until: end,
    now: end,
    axis: 'elapsed',
    lanes: [
      ...keyLanes(lives, about, (_kid, index) => String(index + 1)),
      {
        title: 'nodes',
        about: 'running',
        bars: nodes.map(({ name }) => ({ label: name, name: `node ${name}`, spans: upOf(name, drilled) })),
      },
    ],
    marks: [...turnMarks(scheduled), ...deedMarks(administrator.done)],
    series: [
      { title: 'good tokens accepted', tone: 'good', times: ledger.times('accepted') },
      {
        title: 'expired or revoked tokens refused',
        tone: 'faint',
        times: ledger.times('expired', 'revoked'),
      },
      {
        title: 'revoked tokens still accepted by signature alone, within the bound',
        tone: 'notable',
        times: ledger.times('lingered'),
      },
      { title: 'answers that must not be', tone: 'bad', times: ledger.times(...WRONG) },
    ],
  };
}

/** What somebody did, apart from having a node come back, which is seen where it was away. */
function deedMarks(done: readonly Done[]): readonly Mark[] {
  return done.flatMap(({ at, deed, words, outcome }) => {
    const sign = SIGNS[deed];
    if (sign === null) return [];
    return [{ at, sign, label: sign === 'restart' ? `${outcome} away` : words }];
  });
}

const SIGNS: Readonly<Record<Deed, Mark['sign'] | null>> = {
  rotate: 'hand',
  'rotate-at-two-desks': 'hand',
  undo: 'undo',
  revoke: 'revocation',
  'stop-node': 'restart',
  'start-node': null,
};

/** When a node ran. */
function upOf(name: string, { start, administrator }: Drilled): readonly Span[] {
  const spans: Span[] = [];
  let from: EpochSeconds | null = start;
  for (const outage of administrator.outages.filter(({ node }) => node === name)) {
    if (from !== null) spans.push({ state: 'up', from, until: outage.from });
    from = outage.until;
  }
  return from === null ? spans : [...spans, { state: 'up', from, until: null }];
}

function serversTable({ participants, ledger }: Drilled, style: Style): string {
  const rows = participants.map(({ title, manner, fetches }) => {
    const { tally, lingered } = ledger.of(manner.who);
    const wrong = WRONG.reduce((sum, each) => sum + tally[each], 0);
    return [
      title,
      String(tally.accepted),
      String(tally.expired),
      String(tally.revoked),
      lingered === null ? null : `${tally.lingered} for ${lingered} s`,
      String(wrong),
      fetches()?.toString() ?? null,
    ];
  });
  return table(
    ['RESOURCE SERVER', 'ACCEPTED', 'EXPIRED', 'REVOKED', 'STILL TAKEN', 'WRONG', 'JWKS'],
    rows,
    style,
  );
}

function wrongsOf({ ledger, clients, start }: Drilled, style: Style): readonly string[] {
  const shown = [
    ...ledger.wrongs.map(({ at, who, judgement, token, why }) =>
      [elapsed(at - start), who, judgement, token.kid, why].filter((part) => part !== null).join('  '),
    ),
    ...clients.refused.map(({ at, client, why }) => [elapsed(at - start), client, why].join('  ')),
  ];
  return shown.slice(0, WRONGS_SHOWN_MAX).map((line) => style('bad', `  ${visible(line)}`));
}

const WRONGS_SHOWN_MAX = 10;

function durations({ start, end, seed }: Drilled, took: number): string {
  return `${elapsed(end - start)} hours in ${Math.round(took / 1000)} s, seed ${seed}.`;
}

/** Points in time are seconds since the beginning. */
function documentOf(drilled: Drilled, verdicts: readonly Verdict[], took: number): object {
  const { seed, start, end, policy, clients, administrator, timeline, leftOut, ledger } = drilled;
  const since = (at: EpochSeconds) => at - start;
  return {
    ok: verdicts.every(({ held }) => held),
    seed,
    lasted_seconds: since(end),
    took_ms: Math.round(took),
    settings: {
      algorithms: policy.algorithms,
      rotate_every: policy.rotateEvery,
      jwks_max_age: policy.jwksMaxAge,
      ring_poll: policy.ringPoll,
      clock_skew_max: policy.clockSkewMax,
      longest_token: policy.longestToken,
    },
    verdicts,
    resource_servers: drilled.participants.map((participant) => serverDocument(participant, ledger)),
    left_out: leftOut,
    clients: {
      sign_ins: clients.signIns,
      refreshes: clients.refreshes,
      client_credentials: clients.clientCredentials,
      refused: clients.refused.map(({ at, ...rest }) => ({ at: since(at), ...rest })),
    },
    deeds: administrator.done.map(({ at, deed }) => ({ at: since(at), deed: snakeCase(deed) })),
    revocations: administrator.revocations.map(({ at, ...rest }) => ({ at: since(at), ...rest })),
    outages: administrator.outages.map(({ node, from, until }) => {
      return { node, from: since(from), until: until === null ? null : since(until) };
    }),
    turns: timeline.turns.map(({ alg, kid, from, cause }) => ({ at: since(from), alg, kid, cause })),
    keys: timeline.lives.map(({ alg, kid, spans }) => ({
      alg,
      kid,
      spans: spans.map(({ state, from, until }) => {
        return { state, from: since(from), until: until === null ? null : since(until) };
      }),
    })),
    wrong: ledger.wrongs.map(({ at, who, judgement, token, why }) => {
      return { at: since(at), who, judgement: snakeCase(judgement), kid: token.kid, why };
    }),
  };
}

function serverDocument({ manner, title, fetches }: Participant, ledger: Ledger): object {
  const { tally, oldestAccepted, lingered, unknownKeys } = ledger.of(manner.who);
  const counts = Object.entries(tally).map(([judgement, count]) => [snakeCase(judgement), count]);
  return {
    who: snakeCase(manner.who),
    title,
    clock_ahead: manner.slowest,
    ...Object.fromEntries(counts),
    oldest_accepted_seconds: oldestAccepted,
    lingered_seconds: lingered,
    jwks_fetches: fetches(),
    unknown_keys: unknownKeys,
  };
}
