import { Command } from 'commander';
import type { CommandLine } from '#src/cli/command-line.ts';
import { distance, moment, table } from '#src/cli/layout.ts';
import type { Report } from '#src/cli/report.ts';
import { clockOf, clockText } from '#src/fleet/clock-report.ts';
import type { ServerNode } from '#src/fleet/server-node.ts';
import type { Services } from '#src/services.ts';
import type { EpochSeconds } from '#src/units.ts';

/** `keyturn nodes`: the servers that run on the store. */
export function nodesCommand(cli: CommandLine): Command {
  return new Command('nodes')
    .description('show the servers that run on the store, and whether their clocks agree')
    .action(() => cli.report((services) => listNodes(services, cli.surroundings.clock.now())));
}

async function listNodes({ fleet, store }: Services, now: EpochSeconds): Promise<Report> {
  const nodes = await fleet.living();
  const current = store.keys.register.current.id;
  const found = nodes.map((node) => ({ node, clock: clockOf(node, nodes, { now, skewMax: fleet.skewMax }) }));
  return {
    document: found.map(({ node, clock }) => ({
      id: node.id,
      name: node.name,
      version: node.version,
      started_at: node.startedAt,
      heard_at: node.clock,
      keks: node.keks,
      clock_apart: clock,
    })),
    ok: found.every(({ node, clock }) => clock === 0 && node.keks.includes(current)),
    text: (style) =>
      nodes.length === 0
        ? 'No server runs on this store.'
        : table(
            ['SERVER', 'VERSION', 'STARTED', 'HEARD OF', 'CURRENT KEY', 'CLOCK', 'ID'],
            found.map(({ node, clock }) => rowOf(node, { clock: clockText(clock), current, now })),
            style,
          ),
  };
}

function rowOf(
  { name, version, startedAt, clock: heardAt, keks, id }: ServerNode,
  { clock, current, now }: { clock: string; current: string; now: EpochSeconds },
): (string | null)[] {
  const has = keks.includes(current) ? 'has it' : 'lacks it';
  return [name, version, moment(startedAt), distance(heardAt, now), has, clock, id];
}
