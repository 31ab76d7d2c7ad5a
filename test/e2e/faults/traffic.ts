import { setTimeout } from 'node:timers/promises';
import {
  type Asking,
  command,
  insist,
  introspect,
  redeem,
  refresh,
  register,
  revoke,
} from '#test/e2e/faults/asking.ts';
import type { Ended, Entry, History, OfFamily, Tokens } from '#test/e2e/faults/history.ts';
import { type SigningIn, signIn } from '#test/e2e/faults/sign-in.ts';
import { CALLBACK } from '#test/support/keyturn.ts';
import { Person } from '#test/support/person.ts';
import type { RelyingParty } from '#test/support/relying-party.ts';
import { until, within } from '#test/support/until.ts';

/** Everyone who asks something of the servers for as long as the faults last. Disposing it stops it. */
export interface Traffic extends AsyncDisposable {
  /** Waits until so many more codes and refresh tokens have been redeemed, and so many requests are under way. */
  flows(redemptions: number, underWay: number): Promise<void>;
  /** Waits until nothing is lacking any more, of which `lacking` tells. */
  suffices(lacking: () => readonly string[]): Promise<void>;
  /** Lets everyone end what they have begun. */
  stop(): Promise<void>;
}

/** What the traffic is made of. */
export interface Crowd {
  readonly web: RelyingParty;
  /** An account that nobody ends. */
  readonly account: string;
  /** That of every account. */
  readonly password: string;
  /** How many sign in, redeem and refresh at the same time, each over and over. */
  readonly clients: number;
}

export function startTraffic(asking: Asking, crowd: Crowd): Traffic {
  const part: Part = { asking, crowd, goesOn: () => going, chance: chanceFrom(SEED) };
  let going = true;
  const everyone = [
    ...Array.from({ length: crowd.clients }, (_, at) => client(part, at)),
    guests(part),
    applications(part),
  ];
  const all = Promise.all(everyone);
  // What goes wrong is told where it is awaited.
  all.catch(() => {});
  const { history } = asking;
  const awaited = (what: () => string, holds: () => boolean) =>
    Promise.race([until(what, holds, AWAITED_MAX_MS), all]);
  const stop = async (ended: Promise<unknown> = all) => {
    going = false;
    await within('an answer to whatever was asked', ended, AWAITED_MAX_MS);
  };
  return {
    async flows(redemptions, underWay) {
      const enough = redeemedIn(history) + redemptions;
      const what = () =>
        `${enough} redemptions, now ${redeemedIn(history)}, and ${underWay} requests under way`;
      await awaited(what, () => redeemedIn(history) >= enough && history.underWay >= underWay);
    },
    async suffices(lacking) {
      await awaited(
        () => lacking().join(', '),
        () => lacking().length === 0,
      );
    },
    stop: () => stop(),
    [Symbol.asyncDispose]: () => stop(Promise.allSettled(everyone)),
  };
}

/** How many codes and refresh tokens have been redeemed. */
export const redeemedIn = (history: History): number => history.count('redeem', 'refresh');

/** Longer than anyone asks for one thing, in milliseconds. */
const AWAITED_MAX_MS = 60_000;

interface Part {
  readonly asking: Asking;
  readonly crowd: Crowd;
  readonly goesOn: () => boolean;
  /** A whole number from 0, and below `limit`. */
  readonly chance: (limit: number) => number;
}

/** How many servers there are, at all of which a code or token may be presented at once. */
const NODES = [0, 1, 2] as const;

/** Signs in, redeems the code and refreshes a few times, revokes something or nothing, and begins anew. */
async function client(part: Part, at: number): Promise<void> {
  const { asking, crowd, goesOn, chance } = part;
  const who = `client ${at}`;
  const { web, account, password } = crowd;
  const person: SigningIn = { web, person: new Person(), account, password, scope: LASTING };
  while (goesOn()) {
    const code = await signIn(asking, who, person);
    // One of them wins, and the others may end what it won, so most codes are presented by one.
    const racers = at % 4 === 0 ? NODES.length : 1;
    const redeemed = await race(part, racers, (node) => redeem(asking, { who, node }, code));
    let tokens = tokensOf(redeemed);
    for (let round = chance(REFRESHES_MAX); tokens !== undefined && round >= 0; round -= 1) {
      const { refresh: token } = tokens;
      const refreshed = await race(part, RACERS, (node) => refresh(asking, { who, node }, code, token));
      tokens = tokensOf(refreshed);
    }
    if (tokens !== undefined && chance(3) === 0) await revokeSomething(part, who, code, tokens);
  }
}

/** Tokens that outlive the session: OpenID Connect Core section 11. */
const LASTING = 'openid offline_access';
const PASSING = 'openid';
const REFRESHES_MAX = 10;
/** How many present the same refresh token at the same time. */
const RACERS = 3;

/** So many ask for the same thing at once, each another server first. */
function race(
  { chance }: Part,
  racers: number,
  ask: (node: number) => Promise<Entry>,
): Promise<readonly Entry[]> {
  const first = chance(NODES.length);
  const atNode = (racer: number) => (turn: number) => ask((first + racer + turn) % NODES.length);
  return Promise.all(Array.from({ length: racers }, (_, racer) => insist(atNode(racer))));
}

const tokensOf = (entries: readonly Entry[]) => entries.find(({ tokens }) => tokens !== undefined)?.tokens;

/** RFC 7009 section 2.1: a refresh token with all that came from its code, or one access token. */
async function revokeSomething(part: Part, who: string, family: OfFamily, tokens: Tokens): Promise<void> {
  const { asking, chance } = part;
  const [ended, token]: [Ended, string] =
    chance(2) === 0
      ? [{ scope: 'code', name: family.code }, tokens.refresh]
      : [{ scope: 'token', name: tokens.access }, tokens.access];
  const first = chance(NODES.length);
  await insist((turn) => revoke(asking, { who, node: (first + turn) % NODES.length }, ended, token));
  await introspectEverywhere(asking, who, family, tokens);
}

/** At every server, at once. */
async function introspectEverywhere(
  asking: Asking,
  who: string,
  family: OfFamily,
  tokens: Tokens,
): Promise<void> {
  const asked = NODES.flatMap((node) =>
    [tokens.refresh, tokens.access].map((token) => introspect(asking, { who, node }, family, token)),
  );
  await Promise.all(asked);
}

/** An administrator opens accounts, whose people sign in, and ends all that they have. */
async function guests(part: Part): Promise<void> {
  const { asking, crowd, goesOn } = part;
  const { web, password } = crowd;
  for (let number = 0; goesOn(); number += 1) {
    const account = `guest-${number}`;
    const added = await command(asking, ADMINISTRATOR, { what: 'register', kind: 'account', name: account }, [
      ['accounts', 'add', '--username', account, '--password-stdin'],
      password,
    ]);
    if (added.outcome !== 'done') continue;
    const ending = ENDINGS[number % ENDINGS.length] ?? ENDINGS[0];
    const person = { web, person: new Person(), account, password, scope: ending.scope };
    const code = await signIn(asking, account, person);
    const tokens = tokensOf(await race(part, 1, (node) => redeem(asking, { who: account, node }, code)));
    await insist(() =>
      command(asking, ADMINISTRATOR, { what: 'end', scope: 'account', name: account }, [
        [...ending.command, account],
      ]),
    );
    if (tokens !== undefined) await introspectEverywhere(asking, account, code, tokens);
  }
}

const ADMINISTRATOR = 'administrator';

/** What ends everything that an account has, and what is asked for at its sign-in. */
const ENDINGS = [
  { command: ['accounts', 'sign-out'], scope: LASTING },
  { command: ['accounts', 'lock'], scope: LASTING },
  { command: ['sessions', 'end', '--all'], scope: PASSING },
] as const;

/** Clients are registered, by themselves and by an administrator. */
async function applications({ asking, goesOn, chance }: Part): Promise<void> {
  for (let number = 0; goesOn(); number += 1) {
    const name = `application-${number}`;
    if (number % 10 === 0) {
      const args = ['clients', 'add', '--name', name, '--redirect-uri', CALLBACK];
      await command(asking, ADMINISTRATOR, { what: 'register', kind: 'client', name }, [args]);
    } else {
      const { retryAfter = 0 } = await register(asking, { who: name, node: chance(NODES.length) }, name);
      await setTimeout(retryAfter * 1000 + 100);
    }
  }
}

const SEED = Number(process.env.KEYTURN_TEST_SEED ?? 20_260_714);

/** A linear congruential generator: Numerical Recipes, section 7.1. */
function chanceFrom(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}
