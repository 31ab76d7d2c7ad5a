import type { Manner } from '#src/cli/drill/ledger.ts';
import { findPython, PyJwtServer } from '#src/cli/drill/pyjwt.ts';
import {
  type Api,
  AskingServer,
  JoseServer,
  type Kept,
  MaxAgeServer,
  PollingServer,
  type Verifying,
} from '#src/cli/drill/resource-servers.ts';
import type { Timetable } from '#src/cli/drill/timetable.ts';
import type { Credentials } from '#src/cli/parties/requests.ts';
import type { RingPolicy } from '#src/signing/ring-policy.ts';
import { type Seconds, seconds } from '#src/units.ts';

/** A resource server that takes part. */
export interface Participant {
  readonly manner: Manner;
  /** What it is, for people. */
  readonly title: string;
  readonly server: Verifying;
  /** How often it has fetched the JWK Set; `null` for one that never does. */
  readonly fetches: () => number | null;
}

/** The resource servers of a drill. Disposing of them ends what they run. */
export interface Participants extends AsyncDisposable {
  readonly all: readonly Participant[];
  /** Those that would have taken part, each with the reason why it does not. */
  readonly leftOut: readonly { readonly who: string; readonly title: string; readonly reason: string }[];
}

const TITLES = {
  jose: 'jose, createRemoteJWKSet',
  'max-age': 'keeps for max-age, no more',
  polling: 'polls every max-age, no more',
  pyjwt: 'PyJWT, keeps for max-age',
  introspection: 'introspection',
} as const;

/** One of each kind. The clock of every other one is ahead by as much as clocks may differ. */
export async function openParticipants(options: {
  readonly api: Api;
  readonly introspection: { readonly endpoint: string; readonly credentials: Credentials };
  readonly policy: RingPolicy;
  readonly timetable: Timetable;
  readonly pythons: readonly string[];
}): Promise<Participants> {
  const { api, introspection, policy, timetable, pythons } = options;
  const { clockSkewMax, jwksMaxAge, ringPoll } = policy;
  await using opened = new AsyncDisposableStack();
  // The last node to hear of a revocation publishes the key for one poll more, and who fetches it then keeps it.
  const lingersFor = seconds(ringPoll + jwksMaxAge);
  const polling = new PollingServer(api);
  timetable.every(
    () => jwksMaxAge,
    () => polling.poll(),
  );
  const keeping = (who: Exclude<keyof typeof TITLES, 'introspection'>, server: Kept, ahead: Seconds) => ({
    manner: { who, slowest: ahead, fastest: ahead, lingersFor },
    title: TITLES[who],
    server,
    fetches: () => server.fetches,
  });
  const asking = new AskingServer(introspection);
  const python = await findPython(pythons);
  const all: Participant[] = [
    keeping('jose', new JoseServer(api), seconds(0)),
    keeping('max-age', new MaxAgeServer(api), clockSkewMax),
    keeping('polling', polling, seconds(0)),
  ];
  if (python !== null) all.push(keeping('pyjwt', opened.use(new PyJwtServer(python, api)), clockSkewMax));
  all.push({
    // Any node may be asked, and each goes by its own clock.
    manner: { who: 'introspection', slowest: seconds(0), fastest: clockSkewMax, lingersFor: seconds(0) },
    title: TITLES.introspection,
    server: asking,
    fetches: () => null,
  });
  const reason = 'no python3 with PyJWT and cryptography is here (Debian: python3-jwt, python3-cryptography)';
  const running = opened.move();
  return {
    all,
    leftOut: python === null ? [{ who: 'pyjwt', title: TITLES.pyjwt, reason }] : [],
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
