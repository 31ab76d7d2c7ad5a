import type { Drilled } from '#src/cli/drill/drill.ts';
import type { KeyTurn } from '#src/signing/key-timeline.ts';

/** One promise, and whether it was kept. */
export interface Verdict {
  readonly name: string;
  /** The promise in words, with what was counted. */
  readonly claim: string;
  readonly held: boolean;
}

/** What a drill must have gone through, for each algorithm in the JWK Set, for its verdicts to mean anything. */
const TURNS_MIN = { rotations: 10, undone: 1 };

/** Whether everything went as it must. A drill in which too little happened does not pass. */
export function verdictsOf(drilled: Drilled): readonly Verdict[] {
  const { ledger, participants, administrator, clients, policy } = drilled;
  const { total } = ledger;
  const asked = administrator.revocations.flatMap(({ answers }) => answers);
  const askedOnce = asked.reduce((sum, each) => sum + each.asked, 0);
  const acceptedOnce = asked.reduce((sum, each) => sum + each.accepted, 0);
  const keeping = participants.filter(({ manner }) => manner.lingersFor > 0);
  const accounts = keeping.map(({ manner }) => ledger.of(manner.who));
  const longest = Math.max(0, ...accounts.map(({ lingered }) => lingered ?? 0));
  const bound = Math.max(0, ...keeping.map(({ manner }) => manner.lingersFor));
  const unknownKeys = accounts.reduce((sum, each) => sum + each.unknownKeys, 0);
  const requests = clients.signIns + clients.refreshes + clients.clientCredentials;
  const asking = participants.filter(({ manner }) => manner.lingersFor === 0);
  const revokedAccepted = asking.reduce(
    (sum, { manner }) => sum + ledger.of(manner.who).tally['revoked-accepted'],
    acceptedOnce,
  );
  const story = storyOf(drilled);
  return [
    {
      name: 'no_good_token_refused',
      claim: `${total['good-refused']} of ${total.accepted + total['good-refused']} good tokens were refused`,
      held: total['good-refused'] === 0 && accounts.every(({ tally }) => tally.accepted > 0),
    },
    {
      name: 'no_expired_token_accepted',
      claim: `${total['expired-accepted']} of ${total.expired + total['expired-accepted']} expired tokens were accepted`,
      held: total['expired-accepted'] === 0 && total.expired > 0,
    },
    {
      name: 'no_key_unknown',
      claim: `${unknownKeys} times a key signed that a resource server had not been shown before`,
      held: unknownKeys === 0,
    },
    {
      name: 'no_client_refused',
      claim: `${clients.refused.length} of ${requests} requests for tokens were refused`,
      held: clients.refused.length === 0 && clients.signIns > 0 && clients.refreshes > 0,
    },
    {
      name: 'revoked_at_once',
      claim: `${revokedAccepted} tokens of a revoked key were active at introspection, of ${askedOnce} asked about at once on every node`,
      held: revokedAccepted === 0 && askedOnce > 0,
    },
    {
      name: 'revoked_within_bound',
      claim: `who only verifies signatures took them for ${longest} s at most, and may for ${bound} s`,
      held:
        keeping.every(({ manner }) => ledger.of(manner.who).tally['revoked-accepted'] === 0) &&
        longest < bound,
    },
    {
      name: 'rotated_once',
      claim: 'two who rotated in the same moment rotated once',
      held: administrator.rotatedOnce.length > 0 && administrator.rotatedOnce.every((once) => once),
    },
    {
      name: 'all_happened',
      claim: `${story.rotations} rotations of each algorithm, ${story.undone} undone, ${administrator.revocations.length} key revoked, ${administrator.outages.length} node restarted`,
      held:
        story.rotations >= TURNS_MIN.rotations &&
        story.undone >= TURNS_MIN.undone &&
        administrator.revocations.length > 0 &&
        administrator.outages.some(({ until }) => until !== null) &&
        policy.algorithms.length > 1,
    },
  ];
}

/** How often each algorithm turned within the drill, of those in the JWK Set the one that did so least. */
function storyOf({ timeline, policy, start, end }: Drilled): {
  readonly rotations: number;
  readonly undone: number;
} {
  const isWithin = ({ from }: KeyTurn) => from > start && from <= end;
  const perAlgorithm = policy.algorithms.map((alg) => {
    const turns = timeline.turns.filter((turn) => turn.alg === alg && isWithin(turn));
    const count = (...causes: readonly KeyTurn['cause'][]) =>
      turns.filter(({ cause }) => causes.includes(cause)).length;
    return { rotations: count('schedule', 'hand'), undone: count('undo') };
  });
  return {
    rotations: Math.min(...perAlgorithm.map(({ rotations }) => rotations)),
    undone: Math.min(...perAlgorithm.map(({ undone }) => undone)),
  };
}
