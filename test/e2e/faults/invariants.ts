import type { Ended, Entry } from '#test/e2e/faults/history.ts';

/** Looks through a whole history, and answers a sentence for each breach of what is promised. */
export type Invariant = (history: readonly Entry[]) => readonly string[];

/** RFC 6749 section 4.1.2: a code yields tokens once. */
export const noCodeTwice: Invariant = (history) => {
  const redeemed = history.filter((entry) => entry.what === 'redeem' && entry.outcome === 'done');
  return [...byCode(redeemed)]
    .filter(([, entries]) => entries.length > 1)
    .map(([code, { length }]) => `the code ${code} was redeemed ${length} times`);
};

/** However often a refresh token is presented, it has one successor, and of its family one at most is active. */
export const oneLivingSuccessor: Invariant = (history) => {
  const breaches: string[] = [];
  const refreshed = history.filter((entry) => entry.what === 'refresh');
  for (const [token, entries] of Map.groupBy(refreshed, (entry) => entry.token)) {
    const successors = new Set(entries.flatMap(({ tokens }) => tokens?.refresh ?? []));
    if (successors.size > 1)
      breaches.push(`the refresh token ${inShort(token)} has ${successors.size} successors`);
  }
  for (const [code, entries] of byCode(history)) {
    const refreshTokens = new Set(entries.flatMap(({ tokens }) => tokens?.refresh ?? []));
    const active = new Set(
      entries.filter(isSeenInTheEnd).flatMap(({ token }) => (refreshTokens.has(token) ? [token] : [])),
    );
    if (active.size > 1)
      breaches.push(`${active.size} refresh tokens of the code ${code} are active at once`);
  }
  return breaches;
};

/** What was acknowledged as ended gives no tokens and is not active in anything that was asked after it, anywhere. */
export const endedForGood: Invariant = (history) => {
  const since = new Map<string, number>();
  for (const entry of history) {
    if (entry.what !== 'end' || entry.outcome !== 'done') continue;
    const name = nameOf(entry);
    since.set(name, Math.min(since.get(name) ?? Number.POSITIVE_INFINITY, entry.answeredAt));
  }
  return history.flatMap((entry) => {
    if (!isOfFamily(entry) || !livesIn(entry)) return [];
    const ended = endsOf(entry).find((end) => entry.sentAt >= (since.get(nameOf(end)) ?? Infinity));
    return ended === undefined
      ? []
      : [
          `${entry.what} by ${entry.who} at ${entry.node} succeeds after the end of the ${inShort(nameOf(ended))}`,
        ];
  });
};

/** Clients and accounts whose registration was acknowledged are found by the auditor. */
export const registeredForGood: Invariant = (history) => {
  const found = new Set<string>();
  for (const entry of history) {
    if (entry.what === 'find' && entry.who === AUDITOR && entry.outcome === 'done')
      found.add(`${entry.kind} ${entry.name}`);
  }
  return history.flatMap((entry) => {
    if (entry.what !== 'register' || entry.outcome !== 'done') return [];
    const name = `${entry.kind} ${entry.name}`;
    return found.has(name) ? [] : [`the ${name} was acknowledged, and is gone`];
  });
};

/**
 * A family that nobody has ended goes on: no refresh with its newest token or, while the grace lasts, the one before
 * is refused, and the auditor's refresh gives an access token that is active. Whoever presents a code more than once
 * may lose what it gave.
 */
export const livesOn: Invariant = (history) => {
  const ended = new Set(history.filter((entry) => entry.what === 'end').map(nameOf));
  return [...byCode(history)].flatMap(([code, entries]) => {
    const [redeem, ...others] = entries.filter(({ what }) => what === 'redeem');
    if (redeem?.outcome !== 'done' || others.length > 0) return [];
    if (ended.has(`account ${redeem.account}`) || ended.has(`code ${code}`)) return [];
    const refused = entries.filter(({ what, outcome }) => what === 'refresh' && outcome === 'refused');
    const last = entries.find((entry) => entry.what === 'refresh' && entry.who === AUDITOR && entry.tokens);
    const access = last?.tokens?.access;
    const goesOn = entries.some((entry) => isSeenInTheEnd(entry) && entry.token === access);
    return [
      ...refused.map(({ who, detail }) => `a refresh of the code ${code} by ${who} was refused: ${detail}`),
      ...(goesOn ? [] : [`the family of the code ${code} did not go on in the end`]),
    ];
  });
};

/** Whatever becomes of Redis, a server answers; only one that is killed leaves requests unanswered. */
export const answersUnlessKilled =
  (killed: number): Invariant =>
  (history) =>
    history
      .filter(({ outcome, node }) => outcome === 'lost' && node !== killed)
      .map(({ who, what, node, detail }) => `${what} by ${who} at ${node} was never answered: ${detail}`);

/** Who asks when all faults are over. */
export const AUDITOR = 'auditor';

/** What holds whichever server was killed. */
export const INVARIANTS: readonly Invariant[] = [
  noCodeTwice,
  oneLivingSuccessor,
  endedForGood,
  registeredForGood,
  livesOn,
];

type OfFamily = Extract<Entry, { readonly code: string }>;
type Introspection = Extract<OfFamily, { readonly token: string }>;

const isOfFamily = (entry: Entry): entry is OfFamily => 'code' in entry;

const byCode = (history: readonly Entry[]) => Map.groupBy(history.filter(isOfFamily), ({ code }) => code);

const isSeenInTheEnd = (entry: Entry): entry is Introspection =>
  entry.what === 'introspect' && entry.who === AUDITOR && entry.active === true;

const livesIn = (entry: OfFamily) =>
  entry.what === 'introspect' ? entry.active === true : entry.outcome === 'done';

const nameOf = ({ scope, name }: Ended) => `${scope} ${name}`;

/** Enough to tell one token from others, whose signatures stand at their end. */
const inShort = (name: string) => name.replace(/\S+(?=\S{16}$)/, '…');

/** All that could have ended what an entry is about. */
function endsOf(entry: OfFamily): readonly Ended[] {
  return [
    { scope: 'account', name: entry.account },
    { scope: 'code', name: entry.code },
    ...(entry.what === 'introspect' ? [{ scope: 'token', name: entry.token } as const] : []),
  ];
}
