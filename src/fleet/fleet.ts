import { heartbeatLifetime, type ServerNode } from '#src/fleet/server-node.ts';
import { everyValue } from '#src/record-loops.ts';
import type { Records } from '#src/records.ts';
import { after, between, type EpochSeconds, minutes, type Seconds, seconds } from '#src/units.ts';

/** A clock that is further ahead is wrong beyond that, and would have us remembered for as long after we are gone. */
const AHEAD_FOLLOWED_MAX = minutes(10);

export interface FleetParts {
  readonly records: Pick<Records, 'list' | 'put' | 'remove'>;
  /** How often each server says that it lives. */
  readonly every: Seconds;
  /** The most by which clocks may differ. */
  readonly skewMax: Seconds;
}

/** The servers on a store, as the store knows them. All may throw `StorageFault`. */
export class Fleet {
  readonly every: Seconds;
  readonly skewMax: Seconds;
  readonly #records: FleetParts['records'];

  constructor({ records, every, skewMax }: FleetParts) {
    this.#records = records;
    this.every = every;
    this.skewMax = skewMax;
  }

  /** Every server that was heard of lately; one that was killed counts as living for a while. The oldest first. */
  async living(): Promise<readonly ServerNode[]> {
    const nodes = await Array.fromAsync(everyValue<ServerNode>(this.#records, 'node'));
    return nodes.toSorted((a, b) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1));
  }

  /**
   * Tells the others that this server lives. `latest` is the latest clock among theirs: one that is ahead of ours must not
   * take us for gone.
   */
  async tell(node: ServerNode, latest: EpochSeconds): Promise<void> {
    const followed = seconds(Math.min(Math.max(0, between(node.clock, latest)), AHEAD_FOLLOWED_MAX));
    const expiresAt = after(after(node.clock, followed), heartbeatLifetime(this));
    await this.#records.put({ kind: 'node', id: node.id, value: node, expiresAt });
  }

  /** Takes leave, so that nobody waits for this server. */
  async leave(id: string): Promise<void> {
    await this.#records.remove('node', id);
  }
}
