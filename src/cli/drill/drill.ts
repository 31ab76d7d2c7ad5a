import { openParticipants, type Participant, type Participants } from '#src/cli/drill/apis.ts';
import { Chance } from '#src/cli/drill/chance.ts';
import { Administrator, type Done } from '#src/cli/drill/deeds.ts';
import { Deployment, type NodeMaker } from '#src/cli/drill/deployment.ts';
import { Ledger } from '#src/cli/drill/ledger.ts';
import { CLOCKS, DRILL_SETTINGS } from '#src/cli/drill/settings.ts';
import type { Story } from '#src/cli/drill/story.ts';
import { Timetable } from '#src/cli/drill/timetable.ts';
import { HeldTokens } from '#src/cli/drill/tokens.ts';
import { beginAsking, beginShowing, type ClientCounts } from '#src/cli/drill/traffic.ts';
import { everyKeyEvent } from '#src/cli/keys/happened.ts';
import { engage } from '#src/cli/parties/cast.ts';
import { discover } from '#src/cli/parties/relying-party.ts';
import type { Credentials } from '#src/cli/parties/requests.ts';
import type { Clock } from '#src/clock.ts';
import type { Random } from '#src/random.ts';
import type { Secret } from '#src/secret.ts';
import type { Services } from '#src/services.ts';
import { type KeyTimeline, keyTimeline } from '#src/signing/key-timeline.ts';
import type { RingPolicy } from '#src/signing/ring-policy.ts';
import { after, type EpochSeconds, type Seconds } from '#src/units.ts';

export interface DrillParts {
  readonly seed: number;
  readonly story: Story;
  readonly clock: Clock;
  readonly random: Random;
  readonly maker: NodeMaker;
  /** Where to look for a Python that has PyJWT. */
  readonly pythons: readonly string[];
  /** Ends the drill early; it still cleans up, and throws the signal's reason. */
  readonly signal: AbortSignal;
  /** Told of everything that is done, as it is done. */
  readonly onDone: (done: Done, elapsed: Seconds) => void;
}

/** Everything that was seen in a drill. */
export interface Drilled {
  readonly seed: number;
  readonly start: EpochSeconds;
  readonly end: EpochSeconds;
  readonly policy: RingPolicy;
  readonly nodes: readonly { readonly name: string; readonly ahead: Seconds }[];
  readonly ledger: Ledger;
  readonly participants: readonly Participant[];
  readonly leftOut: Participants['leftOut'];
  readonly clients: ClientCounts;
  readonly administrator: Pick<Administrator, 'done' | 'revocations' | 'outages' | 'rotatedOnce'>;
  readonly timeline: KeyTimeline;
}

/**
 * Plays a story on a deployment of its own: clients get tokens all the time, by signing people in, by refreshing and
 * for themselves; resource servers of every kind are shown tokens of every age; and meanwhile keys turn. Nothing is
 * decided here but what happens when: whether all went well is for `verdictsOf` to say.
 */
export async function drill(parts: DrillParts): Promise<Drilled> {
  const { seed, story, clock, random, maker, pythons, signal } = parts;
  await using opened = new AsyncDisposableStack();
  const timetable = new Timetable(clock.now());
  const deployment = opened.use(
    await Deployment.start({
      ...{ timetable, random, maker, clocks: CLOCKS, settings: DRILL_SETTINGS },
      routing: new Chance(seed, 'routing'),
    }),
  );
  const { desk, policy, issuer } = deployment;
  const [algorithm, idTokenAlgorithm] = policy.algorithms;
  if (algorithm === undefined || idTokenAlgorithm === undefined)
    throw new Error('the drill sets two algorithms');
  const cast = await engage(desk, random, {
    prefix: 'drill',
    client: { idTokenSignedResponseAlg: idTokenAlgorithm },
  });
  const server = await discover(issuer, signal);
  const participants = opened.use(
    await openParticipants({
      api: { issuer, jwksUri: new URL(server.jwks_uri), audience: cast.api.identifier, algorithm },
      introspection: { endpoint: server.introspection_endpoint, credentials: cast.api },
      ...{ policy, timetable, pythons },
    }),
  );
  const ledger = new Ledger();
  const tokens = new HeldTokens();
  const traffic = { timetable, tokens, ledger, seed };
  const service = await addService(desk);
  const clients = beginAsking(traffic, { server, cast, service, idTokenAlgorithm, random, signal });
  beginShowing(traffic, participants.all);
  const administrator = new Administrator({
    ...traffic,
    deployment,
    algorithm,
    credentials: cast.api,
  });
  for (const { at, deed } of story.scenes) {
    timetable.at(after(timetable.start, at), async () => parts.onDone(await administrator.do(deed), at));
  }
  const end = after(timetable.start, story.length);
  await timetable.run(end, signal);
  return {
    seed,
    start: timetable.start,
    end,
    policy,
    nodes: deployment.nodes.map(({ name, ahead }) => ({ name, ahead })),
    ledger,
    participants: participants.all,
    leftOut: participants.leftOut,
    clients: clients(),
    administrator,
    timeline: keyTimeline(await everyKeyEvent(desk.rotation), await desk.rotation.list()),
  };
}

async function addService({ clients }: Services): Promise<Credentials> {
  const { client, secret } = await clients.add({
    name: 'drill-service',
    grantTypes: ['client_credentials'],
    redirectUris: [],
    scope: 'notes:read',
  });
  return { clientId: client.clientId, secret: secret as Secret };
}
