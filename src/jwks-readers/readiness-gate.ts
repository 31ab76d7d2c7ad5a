import type { JwksReaders } from '#src/jwks-readers/jwks-readers.ts';
import { readinessOf, type ServerReader, serverReaders } from '#src/jwks-readers/readiness.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import type { DueKey, Held } from '#src/signing/ring-plan.ts';
import { after, between, type EpochSeconds, type Seconds } from '#src/units.ts';

/**
 * What the schedule does while some resource server has not fetched the key that is to sign next: wait for it, say so
 * and go ahead, or not even look.
 */
export const READINESS_POLICIES = ['wait', 'warn', 'proceed'] as const;

export type ReadinessPolicy = (typeof READINESS_POLICIES)[number];

/** A key that is to sign soon, and the resource servers that have not fetched it. */
export interface LackedKey extends DueKey {
  readonly lackedBy: readonly ServerReader[];
  /** Until when the schedule waits for them; `null` if it does not. */
  readonly heldUntil: EpochSeconds | null;
}

export interface ReadinessGatePorts {
  readonly readers: Pick<JwksReaders, 'all'>;
  readonly resources: Pick<ResourceRegistry, 'list'>;
  readonly policy: ReadinessPolicy;
  /** How long the schedule waits at most, from when the key would have begun to sign. */
  readonly waitMax: Seconds;
  /** How long what was read may be gone by; what it tells changes no more often. */
  readonly lookEvery: Seconds;
}

type Listener = (lacked: LackedKey) => void;

/**
 * Keeps the schedule from having a key sign that some resource server has not fetched. One that never showed who it is
 * holds nothing up, and none does so for ever.
 */
export class ReadinessGate {
  readonly #ports: ReadinessGatePorts;
  readonly #listeners = new Set<Listener>();
  /** What was told last of each key. */
  readonly #told = new Map<string, string>();
  #looked: { readonly at: EpochSeconds; readonly servers: readonly ServerReader[] } | null = null;

  constructor(ports: ReadinessGatePorts) {
    this.#ports = ports;
  }

  /** Which of the keys that are to sign soon must not yet. @throws StorageFault */
  async held(coming: readonly DueKey[], now: EpochSeconds): Promise<Held> {
    if (this.#ports.policy === 'proceed') return new Set();
    const lacked = await this.lacked(coming, now);
    for (const each of lacked) this.#tell(each);
    return new Set(lacked.filter(({ heldUntil }) => heldUntil !== null).map(({ kid }) => kid));
  }

  /** Calls `listener` for every key that is to sign soon and is lacked, and again whenever there is news of it. */
  watch(listener: Listener): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  /** Which of the keys that are to sign soon some resource servers lack. @throws StorageFault */
  async lacked(coming: readonly DueKey[], now: EpochSeconds): Promise<readonly LackedKey[]> {
    const servers = await this.#servers(now);
    return coming
      .map((key) => {
        const lackedBy = servers.filter((each) => readinessOf(each, key) === 'behind');
        return { ...key, lackedBy, heldUntil: this.#heldUntil(key, now) };
      })
      .filter(({ lackedBy }) => lackedBy.length > 0);
  }

  #heldUntil({ due }: DueKey, now: EpochSeconds): EpochSeconds | null {
    const { policy, waitMax } = this.#ports;
    const until = after(due, waitMax);
    return policy === 'wait' && now < until ? until : null;
  }

  async #servers(now: EpochSeconds): Promise<readonly ServerReader[]> {
    const { readers, resources, lookEvery } = this.#ports;
    const age = this.#looked === null ? null : between(this.#looked.at, now);
    if (this.#looked !== null && age !== null && age >= 0 && age < lookEvery) return this.#looked.servers;
    const servers = serverReaders(await Array.fromAsync(resources.list()), await readers.all());
    this.#looked = { at: now, servers };
    return servers;
  }

  #tell(lacked: LackedKey): void {
    const { kid, lackedBy, heldUntil } = lacked;
    const news = JSON.stringify([lackedBy.map(({ resourceServer }) => resourceServer.clientId), heldUntil]);
    if (this.#told.get(kid) === news) return;
    this.#told.set(kid, news);
    for (const listener of this.#listeners) listener(lacked);
  }
}
