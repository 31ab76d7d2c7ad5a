import { setTimeout as pause } from 'node:timers/promises';
import type { CommandLine } from '#src/cli/command-line.ts';
import { ProgressLine } from '#src/cli/progress.ts';
import { serverText } from '#src/cli/server-text.ts';
import type { ServerNode } from '#src/fleet/server-node.ts';
import type { Services } from '#src/services.ts';
import type { EpochSeconds } from '#src/units.ts';

/** How far the servers that live have followed a change of the keys. */
export interface Followed {
  readonly servers: readonly ServerNode[];
  /** Those that go by the keys as they were. */
  readonly behind: readonly ServerNode[];
}

const LOOK_EVERY_MS = 100;

/** Two beats, of which one may be lost. */
const BEATS_MAX = 2;

/**
 * Waits until every server that lives goes by the newest ring that this process has seen. A server reads it every
 * `keys.ringPoll` and tells of it at once; one that was killed, or cannot read its store, is waited for no longer than it
 * could be late, and named.
 */
export async function followed(cli: CommandLine, { fleet, rotation }: Services): Promise<Followed> {
  const { version } = rotation.held;
  const limitMs = 1000 * (rotation.policy.ringPoll + BEATS_MAX * fleet.every);
  using progress = new ProgressLine(cli.terminal, { silent: cli.json });
  const begun = performance.now();
  for (;;) {
    const servers = await fleet.living();
    const behind = servers.filter(({ ring = 0 }) => ring < version);
    const isOver = performance.now() - begun >= limitMs || cli.stopSignal.aborted;
    if (behind.length === 0 || isOver) return { servers, behind };
    progress.show(`Waiting for ${namesOf(behind, fleet, cli.surroundings.clock.now())} to follow …`);
    await pause(LOOK_EVERY_MS);
  }
}

/** Who has followed, in words. */
export function followedText(
  { servers, behind }: Followed,
  fleet: Services['fleet'],
  now: EpochSeconds,
): string {
  if (servers.length === 0) return 'no server runs';
  const count = servers.length === 1 ? 'the server that runs' : `all ${servers.length} servers that run`;
  if (behind.length === 0) return count;
  const known = `${servers.length - behind.length} of ${servers.length} servers`;
  return `${known}; not yet to ${namesOf(behind, fleet, now)}`;
}

function namesOf(nodes: readonly ServerNode[], { every }: Services['fleet'], now: EpochSeconds): string {
  return nodes.map((node) => serverText(node, { now, every })).join(', ');
}
