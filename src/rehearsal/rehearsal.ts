import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import type { JwksReaders } from '#src/jwks-readers/jwks-readers.ts';
import { sightingOf } from '#src/jwks-readers/reader.ts';
import type { CanaryMint } from '#src/rehearsal/canary-mint.ts';
import { type Answer, isAccepted, isTelling, type Trial } from '#src/rehearsal/trial.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { KeyRotation } from '#src/signing/rotation.ts';
import { after, between, type EpochSeconds, minutes, type Seconds, seconds } from '#src/units.ts';

export interface RehearsalPorts {
  readonly rotation: Pick<KeyRotation, 'rehearse' | 'withdraw'>;
  readonly resources: Pick<ResourceRegistry, 'list'>;
  readonly readers: Pick<JwksReaders, 'all'>;
  readonly mint: CanaryMint;
  readonly clock: Clock;
  /** Calls an address with a token. What goes wrong is an answer too. */
  readonly call: (url: string, token: string) => Promise<Answer>;
  /** Waits; rejects once the signal is aborted. */
  readonly pause: (length: Seconds, signal: AbortSignal) => Promise<void>;
  readonly policy: RehearsalPolicy;
  readonly onProgress: (progress: Progress) => void;
}

export interface RehearsalPolicy {
  /** How long resource servers are given to take the new key. */
  readonly patience: Seconds;
  /** The longest pause between two attempts; the first ones are shorter. */
  readonly retryEvery: Seconds;
  /** How many calls are made at the same time. */
  readonly parallel: number;
  /** By when every server serves a key that was published. */
  readonly servedWithin: Seconds;
  /** By when every server has written down who has fetched the keys. */
  readonly writtenWithin: Seconds;
}

/** What happens in a rehearsal, as it happens. */
export type Progress =
  | { readonly what: 'control' | 'canary'; readonly trial: Trial }
  | { readonly what: 'published' | 'withdrawn'; readonly key: RehearsedKey };

export interface RehearsedKey {
  readonly alg: SigningAlgorithm;
  readonly kid: string;
  readonly at: EpochSeconds;
}

export interface Rehearsed {
  readonly keys: readonly RehearsedKey[];
  readonly trials: readonly RehearsedTrial[];
  /** Those that were not asked. */
  readonly leftOut: readonly { readonly resourceServer: ResourceServer; readonly why: LeftOut }[];
  /** False if it was interrupted. */
  readonly finished: boolean;
}

export interface RehearsedTrial extends Trial {
  /** Whether it has fetched the new key; `null` if it never showed who it is. */
  readonly fetched: boolean | null;
}

export type LeftOut = 'no-canary-url' | 'opaque-tokens' | 'other-algorithm';

/** How much longer than planned a key stays if nobody takes it back: for calls that hang until their time is up. */
const SLACK = minutes(2);
const FIRST_PAUSE = seconds(1);

const NOBODY =
  'nobody can take part in a rehearsal: no resource server that verifies such tokens has a canary URL ' +
  '(keyturn resources update --canary-url)';

/**
 * Tries out, once, whether resource servers would take a new key: publishes one that signs canaries and nothing else,
 * calls them with these, and takes everything back, whatever happens. If the process is killed, the ring does, at a time
 * that is set beforehand.
 */
export class Rehearsal {
  readonly #ports: RehearsalPorts;
  readonly #signal: AbortSignal;
  readonly #keys: RehearsedKey[] = [];
  readonly #trials = new Map<string, Trial>();

  constructor(ports: RehearsalPorts, signal: AbortSignal) {
    this.#ports = ports;
    this.#signal = signal;
  }

  /** With the keys of one algorithm, or of each that is needed. @throws Refusal `nobody_to_rehearse`, StorageFault */
  async run(only: SigningAlgorithm | null): Promise<Rehearsed> {
    const all = (await Array.fromAsync(this.#ports.resources.list())).toSorted(byIdentifier);
    const invited = all.filter((each) => whyLeftOut(each, only) === null);
    if (invited.length === 0) throw new Refusal('nobody_to_rehearse', NOBODY);
    try {
      // First, so that keys which are fetched on this occasion are without the new one, as they will be in a rotation.
      await this.#each(invited, (each) => this.#control(each));
      const pending = [...this.#trials.values()].filter(isTelling);
      await this.#publish(new Set(pending.map(({ alg }) => alg)));
      await this.#tryOut(pending);
    } catch (error) {
      if (!this.#signal.aborted) throw error;
    } finally {
      await this.#withdraw();
    }
    return {
      keys: this.#keys,
      trials: (await this.#withFetches()).toSorted((one, other) =>
        byIdentifier(one.resourceServer, other.resourceServer),
      ),
      leftOut: all.flatMap((resourceServer) => {
        const why = whyLeftOut(resourceServer, only);
        return why === null ? [] : [{ resourceServer, why }];
      }),
      finished: !this.#signal.aborted,
    };
  }

  async #control(resourceServer: ResourceServer): Promise<void> {
    const { mint, call, onProgress } = this.#ports;
    const { canaryUrl, clientId } = resourceServer;
    if (canaryUrl === null) return;
    const control = await call(canaryUrl, await mint.ofKeyInUse(resourceServer));
    const forged = await call(canaryUrl, await mint.forged(resourceServer));
    const untried = { canary: null, attempts: 0, waited: seconds(0) };
    const trial = { resourceServer, alg: algorithmOf(resourceServer), control, forged, ...untried };
    this.#trials.set(clientId, trial);
    onProgress({ what: 'control', trial });
  }

  async #publish(algorithms: ReadonlySet<SigningAlgorithm>): Promise<void> {
    const { rotation, clock, policy, pause, onProgress } = this.#ports;
    for (const alg of algorithms) {
      this.#signal.throwIfAborted();
      const until = after(clock.now(), seconds(policy.servedWithin + policy.patience + SLACK));
      const { kid } = await rotation.rehearse(alg, until);
      const key = { alg, kid, at: clock.now() };
      this.#keys.push(key);
      onProgress({ what: 'published', key });
    }
    if (this.#keys.length > 0) await pause(policy.servedWithin, this.#signal);
  }

  /** Calls with the new key until everyone takes it, ever less often, for as long as they are given. */
  async #tryOut(trials: readonly Trial[]): Promise<void> {
    const { clock, pause, policy } = this.#ports;
    const deadline = after(clock.now(), policy.patience);
    let length = FIRST_PAUSE;
    let pending = trials;
    for (;;) {
      await this.#each(pending, (trial) => this.#attempt(trial));
      pending = pending
        .map(({ resourceServer }) => this.#trials.get(resourceServer.clientId))
        .filter((trial) => trial !== undefined && !isAccepted(trial.canary)) as Trial[];
      const left = between(clock.now(), deadline);
      if (pending.length === 0 || left <= 0) return;
      await pause(seconds(Math.min(length, left)), this.#signal);
      length = seconds(Math.min(length * 2, policy.retryEvery));
    }
  }

  async #attempt(trial: Trial): Promise<void> {
    const { mint, call, clock, onProgress } = this.#ports;
    const { resourceServer, alg, attempts } = trial;
    const key = this.#keys.find((each) => each.alg === alg);
    if (key === undefined || resourceServer.canaryUrl === null) return;
    const canary = await call(resourceServer.canaryUrl, await mint.ofRehearsedKey(resourceServer, key.kid));
    const waited = between(key.at, clock.now());
    const tried = { ...trial, canary, attempts: attempts + 1, waited };
    this.#trials.set(resourceServer.clientId, tried);
    onProgress({ what: 'canary', trial: tried });
  }

  async #withdraw(): Promise<void> {
    const { rotation, mint, onProgress } = this.#ports;
    const withdrawn = this.#keys.map(async (key) => {
      await rotation.withdraw(key.kid);
      onProgress({ what: 'withdrawn', key });
    });
    // One that cannot be taken back leaves no other in place.
    const failed = (await Promise.allSettled([...withdrawn, mint.endAll()])).find(isRejected);
    if (failed !== undefined) throw failed.reason;
  }

  /** Servers write down a little later who has fetched the keys. */
  async #withFetches(): Promise<readonly RehearsedTrial[]> {
    const { readers, clock, pause, policy } = this.#ports;
    const deadline = after(clock.now(), this.#keys.length > 0 ? policy.writtenWithin : seconds(0));
    for (;;) {
      const { known } = await readers.all();
      const trials = [...this.#trials.values()].map((trial) => {
        const kid = this.#keys.find(({ alg }) => alg === trial.alg)?.kid;
        const reader = known.get(trial.resourceServer.clientId);
        const seen = reader === undefined ? null : sightingOf(reader);
        const fetched = seen === null || kid === undefined ? null : Object.hasOwn(seen.keys, kid);
        return { ...trial, fetched };
      });
      const left = between(clock.now(), deadline);
      if (this.#signal.aborted || left <= 0 || trials.every(({ fetched }) => fetched === true)) return trials;
      await pause(seconds(Math.min(FIRST_PAUSE, left)), this.#signal).catch(() => {});
    }
  }

  /** So many at the same time as may be. */
  async #each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
    const { parallel } = this.#ports.policy;
    for (let first = 0; first < items.length; first += parallel) {
      this.#signal.throwIfAborted();
      await Promise.all(items.slice(first, first + parallel).map(work));
    }
  }
}

const isRejected = (result: PromiseSettledResult<void>): result is PromiseRejectedResult =>
  result.status === 'rejected';

function whyLeftOut(
  { canaryUrl, tokenFormat, signingAlgorithm }: ResourceServer,
  only: SigningAlgorithm | null,
): LeftOut | null {
  if (tokenFormat === 'opaque') return 'opaque-tokens';
  if (only !== null && signingAlgorithm !== only) return 'other-algorithm';
  // One that was registered before there were such addresses has none.
  return (canaryUrl ?? null) === null ? 'no-canary-url' : null;
}

const byIdentifier = (one: ResourceServer, other: ResourceServer) =>
  one.identifier < other.identifier ? -1 : 1;

/** Its registration has admitted no other. */
const algorithmOf = ({ signingAlgorithm }: ResourceServer) => signingAlgorithm as SigningAlgorithm;
