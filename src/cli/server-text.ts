import { distance } from '#src/cli/layout.ts';
import { visible } from '#src/cli/terminal.ts';
import type { ServerNode } from '#src/fleet/server-node.ts';
import { between, type EpochSeconds, type Seconds } from '#src/units.ts';

/** One that was killed counts as living for a while, and who waits for it should know. */
export function serverText(
  { name, clock: heardAt }: ServerNode,
  { now, every }: { readonly now: EpochSeconds; readonly every: Seconds },
): string {
  const silent = between(heardAt, now) > 2 * every;
  return visible(silent ? `${name} (last heard of ${distance(heardAt, now)})` : name);
}
