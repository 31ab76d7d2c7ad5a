import type { KeyUser } from '#src/sealing/kek-register.ts';
import { KekRotation } from '#src/sealing/kek-rotation.ts';
import type { Store } from '#src/storage/open-store.ts';
import { MovingClock } from '#test/support/moving-clock.ts';

/** Replaces the key-encryption key of a store that is used by these processes besides the one that has opened it. */
export function rotationOn<User extends KeyUser = KeyUser>(
  store: Pick<Store, 'keys' | 'bodies'>,
  { users = async () => [], clock = new MovingClock() }: RotationSurroundings<User> = {},
): KekRotation<User> {
  return new KekRotation({ keys: store.keys, store: store.bodies, users, clock });
}

interface RotationSurroundings<User> {
  readonly users?: () => Promise<readonly User[]>;
  readonly clock?: MovingClock;
}
