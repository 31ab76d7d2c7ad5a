import type { Deployment, Node } from '#src/cli/drill/deployment.ts';
import type { Ledger } from '#src/cli/drill/ledger.ts';
import { AskingServer } from '#src/cli/drill/resource-servers.ts';
import type { Deed } from '#src/cli/drill/story.ts';
import type { Timetable } from '#src/cli/drill/timetable.ts';
import type { HeldToken, HeldTokens } from '#src/cli/drill/tokens.ts';
import type { Credentials } from '#src/cli/parties/requests.ts';
import type { JwsAlgorithm } from '#src/signing/algorithm.ts';
import type { UndoOutcome } from '#src/signing/turning.ts';
import type { EpochSeconds } from '#src/units.ts';

/** What was done, and what came of it. */
export interface Done {
  readonly at: EpochSeconds;
  readonly deed: Deed;
  /** The deed in words. */
  readonly words: string;
  /** What came of it, in words. */
  readonly outcome: string;
}

/** A key that was revoked, and what every node said of its tokens right then. */
export interface BreakGlass {
  readonly at: EpochSeconds;
  readonly kid: string;
  /** How many of its tokens were good until then. */
  readonly tokens: number;
  readonly answers: readonly { readonly node: string; readonly asked: number; readonly accepted: number }[];
}

/** When a node was away. */
export interface Outage {
  readonly node: string;
  readonly from: EpochSeconds;
  readonly until: EpochSeconds | null;
}

export interface AdministratorParts {
  readonly deployment: Deployment;
  readonly timetable: Timetable;
  readonly tokens: HeldTokens;
  readonly ledger: Ledger;
  /** The algorithm of the keys that are revoked. */
  readonly algorithm: JwsAlgorithm;
  readonly credentials: Credentials;
}

/** What an administrator does in a drill. */
export class Administrator {
  readonly done: Done[] = [];
  readonly revocations: BreakGlass[] = [];
  readonly outages: Outage[] = [];
  /** Whether two who rotate in the same moment rotate once, each time that it was tried. */
  readonly rotatedOnce: boolean[] = [];
  readonly #parts: AdministratorParts;

  constructor(parts: AdministratorParts) {
    this.#parts = parts;
  }

  async do(deed: Deed): Promise<Done> {
    const at = this.#parts.timetable.now;
    const done = { at, deed, words: WORDS[deed], outcome: await this.#deeds[deed]() };
    this.done.push(done);
    return done;
  }

  readonly #deeds: Readonly<Record<Deed, () => Promise<string>>> = {
    rotate: async () => this.#told(await this.#parts.deployment.desk.rotation.rotate()),
    undo: async () => this.#told(await this.#parts.deployment.desk.rotation.undo()),
    'rotate-at-two-desks': () => this.#rotateAtTwoDesks(),
    revoke: () => this.#revoke(),
    'stop-node': () => this.#stopNode(),
    'start-node': () => this.#startNode(),
  };

  async #rotateAtTwoDesks(): Promise<string> {
    const { desk } = this.#parts.deployment;
    await using other = await this.#parts.deployment.openDesk();
    const [mine, theirs] = await Promise.all([desk.rotation.rotate(), other.rotation.rotate()]);
    const kids = (outcomes: readonly UndoOutcome[]) =>
      outcomes.map(({ alg, kid }) => `${alg} ${kid}`).toSorted();
    this.rotatedOnce.push(kids(mine).join() === kids(theirs).join());
    return this.#told(mine);
  }

  async #revoke(): Promise<string> {
    const { deployment, timetable, tokens, ledger, algorithm } = this.#parts;
    const keys = await deployment.desk.rotation.list();
    const kid = keys.find(({ alg, state }) => alg === algorithm && state === 'active')?.kid;
    if (kid === undefined) throw new Error(`nothing signs with ${algorithm}`);
    const fastest = Math.max(...deployment.nodes.map(({ ahead }) => ahead));
    const good = tokens
      .unexpired((timetable.now + fastest) as EpochSeconds)
      .filter((token) => token.kid === kid);
    const revoked = await deployment.desk.rotation.revoke(kid, 'a drill');
    ledger.revoked(kid, timetable.now);
    const up = deployment.nodes.filter(({ running }) => running !== null);
    const answers = await Promise.all(up.map((node) => this.#ask(node, good)));
    this.revocations.push({ at: timetable.now, kid, tokens: good.length, answers });
    const successor =
      revoked.outcome === 'revoked' && revoked.successor !== null ? revoked.successor.kid : 'nobody';
    return `${algorithm} ${shortKid(kid)}, ${good.length} tokens alive; ${shortKid(successor)} signs`;
  }

  /** Asks one node, and not whoever the balancer would choose, about tokens of a key that was revoked just now. */
  async #ask(node: Node, good: readonly HeldToken[]): Promise<BreakGlass['answers'][number]> {
    const { credentials } = this.#parts;
    const server = new AskingServer({ endpoint: `${node.origin}/introspect`, credentials });
    let accepted = 0;
    for (const { text } of good) if ((await server.check(text)).accepted) accepted += 1;
    return { node: node.name, asked: good.length, accepted };
  }

  async #stopNode(): Promise<string> {
    const { deployment, timetable } = this.#parts;
    const node = deployment.nodes.findLast(({ running }) => running !== null);
    if (node === undefined) throw new Error('no node is up');
    await deployment.stopNode(node);
    this.outages.push({ node: node.name, from: timetable.now, until: null });
    return `node ${node.name}`;
  }

  async #startNode(): Promise<string> {
    const { deployment, timetable } = this.#parts;
    const node = deployment.nodes.find(({ running }) => running === null);
    const index = this.outages.findLastIndex((outage) => outage.node === node?.name);
    const outage = this.outages[index];
    if (node === undefined || outage === undefined) throw new Error('every node is up');
    await deployment.startNode(node);
    this.outages[index] = { ...outage, until: timetable.now };
    return `node ${node.name}`;
  }

  #told(outcomes: readonly UndoOutcome[]): string {
    const { now } = this.#parts.timetable;
    const told = outcomes.map((outcome) => {
      const wait = outcome.outcome === 'scheduled' ? outcome.signsFrom - now : 0;
      return `${outcome.alg} ${shortKid(outcome.kid)}${wait > 0 ? ` in ${wait} s` : ''}`;
    });
    return told.join(', ');
  }
}

const shortKid = (kid: string) => kid.slice(0, 6);

const WORDS: Readonly<Record<Deed, string>> = {
  rotate: 'rotated by hand',
  'rotate-at-two-desks': 'rotated by two at once',
  undo: 'undone',
  revoke: 'revoked',
  'stop-node': 'stopped',
  'start-node': 'started',
};
