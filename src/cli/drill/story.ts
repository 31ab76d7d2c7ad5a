import type { Chance } from '#src/cli/drill/chance.ts';
import { minutes, type Seconds, seconds } from '#src/units.ts';

/**
 * What an administrator does in the course of a drill, and what happens to the nodes. Rotations by the schedule come by
 * themselves. `rotate-at-two-desks`: two administrators have the same idea in the same moment.
 */
export type Deed = 'rotate' | 'rotate-at-two-desks' | 'undo' | 'revoke' | 'stop-node' | 'start-node';

export interface Scene {
  /** How long after the beginning. */
  readonly at: Seconds;
  readonly deed: Deed;
}

export interface Story {
  readonly scenes: readonly Scene[];
  readonly length: Seconds;
}

/**
 * Ten rotations of every algorithm, of which six come by the schedule, an hour after the one before; two of the others
 * follow one another so closely that the second has to wait until everyone has its key. One is undone. A node is away
 * while keys turn. The key that signs access tokens is revoked. Chance moves each deed by up to a minute.
 */
export function wholeStory(chance: Chance): Story {
  const about = (minute: number) => seconds(minutes(minute) + chance.between(-60, 60));
  return {
    scenes: [
      // The schedule: at 60 and 120.
      { at: about(150), deed: 'rotate' },
      { at: about(153), deed: 'rotate' },
      // The schedule: about 221.
      { at: about(232), deed: 'undo' },
      { at: about(274), deed: 'stop-node' },
      // The schedule: about 281, an hour after the turn that was undone.
      { at: about(291), deed: 'start-node' },
      { at: about(325), deed: 'rotate-at-two-desks' },
      // The schedule: about 385.
      { at: about(415), deed: 'revoke' },
      // The schedule: about 445, and an hour after the revocation for the algorithm whose key was revoked.
      { at: about(500), deed: 'rotate' },
    ],
    length: minutes(540),
  };
}
