import { type Asking, insist, introspect, refresh } from '#test/e2e/faults/asking.ts';
import type { Ended, Entry, OfFamily, Tokens } from '#test/e2e/faults/history.ts';
import { AUDITOR } from '#test/e2e/faults/invariants.ts';
import { until } from '#test/support/until.ts';

/**
 * Looks into everything that the history tells of, once all is whole again, and asks for each until it is answered. What
 * it finds becomes part of the history.
 */
export async function audit(asking: Asking): Promise<void> {
  const history = [...asking.history.entries];
  const ended = new Set(history.flatMap((entry) => (entry.what === 'end' ? [nameOf(entry)] : [])));
  const isEnded = (scope: Ended['scope'], name: string) => ended.has(nameOf({ scope, name }));
  const families = [...Map.groupBy(history.filter(hasTokens), ({ code }) => code).values()].entries();
  const auditor = async () => {
    for (const [at, entries] of families) await auditFamily(asking, { at, entries, isEnded });
  };
  await Promise.all([findRegistered(asking, history), ...Array.from({ length: FAMILIES_AT_ONCE }, auditor)]);
}

const FAMILIES_AT_ONCE = 8;

/** How many of the newest tokens are looked at: the last, and the one before, which may be presented once more. */
const LOOKED_AT = 2;

const NODES = [0, 1, 2] as const;

type WithTokens = Extract<Entry, { readonly code: string }> & { readonly tokens: Tokens };
const hasTokens = (entry: Entry): entry is WithTokens => 'code' in entry && entry.tokens !== undefined;

interface Looking {
  /** One of so many, by which the servers take turns. */
  readonly at: number;
  readonly entries: readonly WithTokens[];
  readonly isEnded: (scope: Ended['scope'], name: string) => boolean;
}

/** What was ended is introspected at every server. What was not is refreshed once more, and introspected at one of them. */
async function auditFamily(asking: Asking, { at, entries, isEnded }: Looking): Promise<void> {
  const [{ account, code }] = entries as [WithTokens];
  const look = async (nodes: readonly number[], tokens: Iterable<string>) => {
    for (const token of new Set(tokens)) {
      const asked = nodes.map((node) =>
        insist(() => introspect(asking, { who: AUDITOR, node }, { account, code }, token)),
      );
      await Promise.all(asked);
    }
  };
  const given = entries.map(({ tokens }) => tokens);
  const revoked = given.map(({ access }) => access).filter((token) => isEnded('token', token));
  await look(NODES, revoked);
  if (isEnded('account', account) || isEnded('code', code)) {
    await look(NODES, newestOf(given));
  } else {
    const successor = await refreshOnceMore(asking, { account, code }, given.at(-1));
    await look([at % NODES.length], newestOf([...given, ...successor]));
  }
}

async function refreshOnceMore(
  asking: Asking,
  family: OfFamily,
  newest: Tokens | undefined,
): Promise<readonly Tokens[]> {
  if (newest === undefined) return [];
  const ask = (turn: number) =>
    refresh(asking, { who: AUDITOR, node: turn % NODES.length }, family, newest.refresh);
  const { tokens } = await insist(ask);
  return tokens === undefined ? [] : [tokens];
}

/** Of each kind. Several answers may have given the same refresh token, each with an access token of its own. */
const newestOf = (given: readonly Tokens[]): readonly string[] => [
  ...[...new Set(given.map(({ refresh: token }) => token))].slice(-LOOKED_AT),
  ...given.map(({ access }) => access).slice(-LOOKED_AT),
];

/** Whether every client and account is listed whose registration was acknowledged. */
async function findRegistered(asking: Asking, entries: readonly Entry[]): Promise<void> {
  const [accounts, clients] = await Promise.all([listed(asking, 'accounts'), listed(asking, 'clients')]);
  const known = { account: accounts, client: clients };
  for (const entry of entries) {
    if (entry.what !== 'register' || entry.outcome !== 'done') continue;
    const { kind, name } = entry;
    const outcome = known[kind].has(name) ? 'done' : 'refused';
    const asked = { who: AUDITOR, node: 0, what: 'find', kind, name } as const;
    await asking.history.record(asked, async () => ({ outcome, detail: '' }));
  }
}

/** The names in a list of `keyturn`. */
async function listed({ fleet }: Asking, kind: 'accounts' | 'clients'): Promise<ReadonlySet<string>> {
  let names: readonly string[] = [];
  await until(`a list of all ${kind}`, async () => {
    const { code, stdout } = await fleet.nodes[0].cli([kind, 'list', '--json']);
    if (code !== 0) return false;
    const documents = JSON.parse(stdout) as { username?: string; client_name?: string }[];
    names = documents.map(({ username, client_name: name }) => username ?? name ?? '');
    return true;
  });
  return new Set(names);
}

const nameOf = ({ scope, name }: Ended) => `${scope} ${name}`;
