import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Balancer, freePort, LOOPBACK, startBalancer } from '#src/cli/drill/balancer.ts';
import type { Chance } from '#src/cli/drill/chance.ts';
import type { Timetable } from '#src/cli/drill/timetable.ts';
import type { Environment } from '#src/config/environment.ts';
import { loadConfig } from '#src/config/load.ts';
import type { Config } from '#src/config/schema.ts';
import type { Random } from '#src/random.ts';
import type { Services, Surroundings } from '#src/services.ts';
import type { RingPolicy } from '#src/signing/ring-policy.ts';
import { type Seconds, seconds } from '#src/units.ts';

/** What nodes are made of: the domains on the store, and a server that serves them. */
export interface NodeMaker {
  open(config: Config, surroundings: Surroundings): Promise<Services>;
  serve(services: Services, surroundings: Surroundings): Promise<AsyncDisposable>;
}

/** A server that runs, with what it runs on. Disposing of it stops both. */
export interface RunningNode extends AsyncDisposable {
  readonly services: Services;
}

/** One of the servers. */
export interface Node {
  readonly name: string;
  readonly origin: string;
  readonly ahead: Seconds;
  /** `null` while it is stopped. */
  running: RunningNode | null;
}

export interface DeploymentParts {
  readonly timetable: Timetable;
  readonly random: Random;
  readonly maker: NodeMaker;
  /** By how much the clock of each node is ahead of the time. */
  readonly clocks: readonly Seconds[];
  readonly settings: Environment;
  /** Decides which of the nodes that are up a request goes to. */
  readonly routing: Chance;
}

/**
 * Several nodes on one store of their own, behind one address, which is the issuer. It all lives in a temporary folder
 * and goes with it.
 *
 * The nodes' own timers go by the machine's clock and would find out too late here; so what a node does each
 * `keys.ringPoll` it is made to do by the timetable.
 */
export class Deployment implements AsyncDisposable {
  readonly nodes: readonly Node[];
  /** The store as the administrator's command line works on it, beside the nodes. */
  readonly desk: Services;
  readonly #parts: DeploymentParts;
  readonly #configs: ReadonlyMap<Node, Config>;
  readonly #opened: AsyncDisposableStack;

  private constructor(
    parts: DeploymentParts,
    { desk, configs, opened }: { desk: Services; configs: readonly Config[]; opened: AsyncDisposableStack },
  ) {
    this.#parts = parts;
    this.desk = desk;
    this.nodes = configs.map(({ port }, index) => ({
      name: String.fromCharCode('A'.charCodeAt(0) + index),
      origin: `http://${LOOPBACK}:${port}`,
      ahead: parts.clocks[index] ?? seconds(0),
      running: null,
    }));
    this.#configs = new Map(this.nodes.map((node, index) => [node, configs[index] as Config]));
    this.#opened = opened;
  }

  /** Starts all nodes. @throws SetupFault */
  static async start(parts: DeploymentParts): Promise<Deployment> {
    await using opened = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), 'keyturn-drill-'));
    opened.defer(() => rm(folder, { recursive: true, force: true }));
    let deployment: Deployment | null = null;
    const balancer = opened.use(await startBalancer(() => deployment?.route() ?? null));
    const configs = await Promise.all(parts.clocks.map(() => configIn(folder, balancer, parts)));
    const desk = opened.use(await parts.maker.open(configs[0] as Config, deskOf(parts)));
    deployment = new Deployment(parts, { desk, configs, opened: opened.move() });
    try {
      for (const node of deployment.nodes) await deployment.startNode(node);
    } catch (problem) {
      await deployment[Symbol.asyncDispose]();
      throw problem;
    }
    for (const node of deployment.nodes) deployment.#poll(node);
    return deployment;
  }

  get issuer(): string {
    return this.desk.config.issuer;
  }

  get policy(): RingPolicy {
    return this.desk.rotation.policy;
  }

  async startNode(node: Node): Promise<void> {
    const { maker, timetable, random } = this.#parts;
    const config = this.#configs.get(node);
    if (config === undefined) throw new RangeError(`no node ${node.name}`);
    const surroundings = { clock: timetable.clock(node.ahead), random };
    await using starting = new AsyncDisposableStack();
    const services = starting.use(await maker.open(config, surroundings));
    starting.use(await maker.serve(services, surroundings));
    const started = starting.move();
    node.running = { services, [Symbol.asyncDispose]: () => started.disposeAsync() };
  }

  /** Stops a node as a rolling restart does: nothing is sent to it any more, and it finishes what it has. */
  async stopNode(node: Node): Promise<void> {
    const { running } = node;
    node.running = null;
    await running?.[Symbol.asyncDispose]();
  }

  /** Another command line on the same store, as a second administrator has it. */
  openDesk(): Promise<Services> {
    return this.#parts.maker.open(this.desk.config, deskOf(this.#parts));
  }

  /** The port of a node that is up; `null` if none is. */
  route(): number | null {
    const up = this.nodes.filter(({ running }) => running !== null);
    const node = this.#parts.routing.of(up);
    return node === undefined ? null : Number(new URL(node.origin).port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) await this.stopNode(node);
    await this.#opened.disposeAsync();
  }

  /** As late as the settings allow, and no two nodes at the same time. */
  #poll(node: Node): void {
    const { timetable } = this.#parts;
    const { ringPoll } = this.policy;
    const offset = Math.floor((ringPoll * this.nodes.indexOf(node)) / this.nodes.length);
    timetable.at((timetable.now + offset) as typeof timetable.now, async () => {
      timetable.every(
        () => ringPoll,
        async () => void (await node.running?.services.rotation.maintain()),
      );
    });
  }
}

const deskOf = ({ timetable, random }: DeploymentParts): Surroundings => ({
  clock: timetable.clock(seconds(0)),
  random,
});

async function configIn(folder: string, balancer: Balancer, { settings }: DeploymentParts): Promise<Config> {
  return loadConfig({
    env: {
      KEYTURN_HOST: LOOPBACK,
      KEYTURN_PORT: String(await freePort()),
      KEYTURN_ISSUER: balancer.origin,
      KEYTURN_STORE: `sqlite:${join(folder, 'keyturn.db')}`,
      KEYTURN_KEYS_DIR: join(folder, 'keys'),
      ...settings,
    },
  });
}
