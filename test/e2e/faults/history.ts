/**
 * What was asked of the servers, by whom, and what became of it. Times are milliseconds of one clock that never goes
 * back, from before the request was sent until its answer was there or had been given up.
 */
export type Entry = Asked & Learned & { readonly sentAt: number; readonly answeredAt: number };

/** What tokens are called here: their family is that of the code which the first of them came from. */
export type Asked = { readonly who: string; readonly node: number } & (
  | { readonly what: 'authorize'; readonly account: string }
  | (OfFamily & { readonly what: 'redeem' })
  | (OfFamily & { readonly what: 'refresh'; readonly token: string })
  | (OfFamily & { readonly what: 'introspect'; readonly token: string })
  | ({ readonly what: 'end' } & Ended)
  | { readonly what: 'register' | 'find'; readonly kind: Registered; readonly name: string }
);

/** Whose tokens they are, and the code that they came from. */
export interface OfFamily {
  readonly account: string;
  readonly code: string;
}

/** What was to end: one access token, the tokens that came from one code, or all that an account has. */
export interface Ended {
  readonly scope: 'token' | 'code' | 'account';
  readonly name: string;
}

export type Registered = 'client' | 'account';

export interface Learned {
  readonly outcome: Outcome;
  /** The status and the error, or why there was no answer. */
  readonly detail: string;
  readonly tokens?: Tokens | undefined;
  readonly active?: boolean | undefined;
  /** After how many seconds it is to be asked once more. */
  readonly retryAfter?: number | undefined;
}

/** `refused` is a final answer; `unavailable` and `lost`, without any answer, say nothing about what was done. */
export type Outcome = 'done' | 'refused' | 'unavailable' | 'lost';

export interface Tokens {
  readonly refresh: string;
  readonly access: string;
}

/** Everything that was asked, in the order of the answers. */
export class History {
  readonly entries: Entry[] = [];
  readonly #underWay = new Set<Asked>();

  async record(asked: Asked, ask: () => Promise<Learned>): Promise<Entry> {
    const sentAt = performance.now();
    this.#underWay.add(asked);
    const learned = await ask();
    this.#underWay.delete(asked);
    const entry = { ...asked, ...learned, sentAt, answeredAt: performance.now() };
    this.entries.push(entry);
    return entry;
  }

  /** How many requests are waiting for their answer. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** How often something was done. */
  count(...what: readonly Entry['what'][]): number {
    return this.entries.filter((entry) => what.includes(entry.what) && entry.outcome === 'done').length;
  }
}

/** How many were asked of each kind, and what became of them: `refresh unavailable (503 …)`, and how often. */
export function tally(history: readonly Entry[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { what, outcome, detail } of history) {
    const key = outcome === 'done' ? `${what} done` : `${what} ${outcome} (${detail})`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return new Map([...counts].toSorted(([one], [other]) => one.localeCompare(other)));
}
