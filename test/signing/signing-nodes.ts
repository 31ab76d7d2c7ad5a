import { systemRandom } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import { type OutsideSigner, ownKeys } from '#src/signing/algorithm.ts';
import { KeyHolder } from '#src/signing/key-holder.ts';
import type { RingPolicy } from '#src/signing/ring-policy.ts';
import { KeyRotation, type RotationPorts } from '#src/signing/rotation.ts';
import { openStore } from '#src/storage/open-store.ts';
import { days } from '#src/units.ts';
import { POLICY } from '#test/signing/policy.ts';
import { MovingClock } from '#test/support/moving-clock.ts';
import { makeTemporaryDirectory } from '#test/support/temporary-directory.ts';

export interface SigningNode {
  readonly rotation: KeyRotation;
  readonly holder: KeyHolder;
  /** What went wrong in the background. */
  readonly faults: unknown[];
}

export interface Deployment extends AsyncDisposable {
  readonly clock: MovingClock;
  readonly records: Records;
  /** Starts one more node on the same database, by a connection of its own. */
  startNode(
    policy?: RingPolicy,
    ports?: Partial<RotationPorts>,
    outside?: OutsideSigner,
  ): Promise<SigningNode>;
}

/** Nodes that share a database in a file, and one clock that stands still until it is moved. */
export async function deploy(): Promise<Deployment> {
  await using opened = new AsyncDisposableStack();
  const directory = opened.use(await makeTemporaryDirectory());
  const clock = new MovingClock();
  const options = {
    location: `sqlite:${directory.path}/keyturn.db`,
    keysDirectory: `${directory.path}/keys`,
    clock,
    random: systemRandom,
  };
  const { records } = opened.use(await openStore(options));
  const closing = opened.move();
  return {
    clock,
    records,
    async startNode(policy = POLICY, ports = {}, outside) {
      const store = closing.use(await openStore(options));
      const rotation = await KeyRotation.open({
        records: store.records,
        clock,
        source: ownKeys(systemRandom),
        policy,
        historyKept: days(400),
        ...ports,
      });
      const faults: unknown[] = [];
      const holder = closing.use(
        new KeyHolder({ rotation, clock, onFault: (error) => faults.push(error), outside: outside ?? null }),
      );
      return { rotation, holder, faults };
    },
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  };
}
