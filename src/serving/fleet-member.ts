import { hostname } from 'node:os';
import { Heartbeat } from '#src/fleet/heartbeat.ts';
import { newIdentifier } from '#src/random.ts';
import { KekFollower } from '#src/sealing/kek-follower.ts';
import { ResealLoop } from '#src/sealing/reseal-loop.ts';
import type { Services, Surroundings } from '#src/services.ts';
import type { ServerEvents } from '#src/serving/log.ts';
import { PROGRAM_VERSION } from '#src/version.ts';

/** A server among those on the store, which takes leave when it is disposed. */
export interface FleetMember extends AsyncDisposable {
  /** Has the others know soon that this server goes by another key ring. */
  ringTurned(): void;
}

/**
 * Makes the server one of those on the store: it tells the others that it lives, follows the key-encryption keys with
 * them, and seals anew what is under old ones. Ends with what it answers. Throws `SetupFault` for a key that records
 * need and that has not been there when this server started.
 */
export async function joinFleet(
  { config, fleet, kekRotation, resealer, rotation, store }: Services,
  {
    clock,
    random,
    events,
    worker,
  }: Surroundings & { readonly events: ServerEvents; readonly worker: number | null },
): Promise<FleetMember> {
  await using joined = new AsyncDisposableStack();
  const { keys } = store;
  const resealing = joined.use(
    new ResealLoop({
      resealer,
      pauseMs: config.keyEncryption.resealPauseMs,
      onStep: events.onReseal,
      onFault: events.onFault,
    }),
  );
  const follower = new KekFollower(
    { keys, rotation: kekRotation, onCurrent: events.onKekCurrent, onFileGone: events.onKekFileGone },
    keys.register,
  );
  const heartbeat = joined.use(
    new Heartbeat({
      fleet,
      clock,
      storeClock: store.ownClock,
      self: {
        id: newIdentifier(random),
        name: `${hostname()}:${config.port}${worker === null ? '' : ` worker ${worker}`}`,
        version: PROGRAM_VERSION,
      },
      keks: () => keys.held.ids,
      ring: () => rotation.held.version,
      before: () => follower.look(),
      after: async () => {
        await follower.follow();
        resealing.wake();
      },
      onClock: events.onClock,
      onFault: events.onFault,
    }),
  );
  try {
    await heartbeat.start();
  } catch (fault) {
    // Without the current key not even that can be written.
    await keys.assertComplete();
    throw fault;
  }
  // Only now do the others know that this server is there: what became current before may be a key that it lacks.
  await keys.assertComplete();
  const member = joined.move();
  return { ringTurned: () => heartbeat.hurry(), [Symbol.asyncDispose]: () => member.disposeAsync() };
}
