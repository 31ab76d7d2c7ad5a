import type { Finding } from '#src/cli/doctor/finding.ts';
import { clockOf, clockText } from '#src/fleet/clock-report.ts';
import type { ServerNode } from '#src/fleet/server-node.ts';
import { candidates } from '#src/sealing/kek-register.ts';
import type { Services } from '#src/services.ts';
import type { EpochSeconds } from '#src/units.ts';

/** The servers on the store, their clocks, and the key-encryption keys. Throws `StorageFault`. */
export async function fleetFindings(services: Services, now: EpochSeconds): Promise<readonly Finding[]> {
  const { fleet, store, resealer } = services;
  const nodes = await fleet.living();
  const { register } = await store.keys.refresh();
  const [waiting] = candidates(register, store.keys.held.ids);
  const progress = await resealer.progress();
  return [
    serverFinding(nodes, { now, skewMax: fleet.skewMax }),
    ...lackingFindings(nodes, register.current.id, 'ill'),
    ...(waiting === undefined ? [] : lackingFindings(nodes, waiting, 'notable')),
    ...(progress !== null && progress.unreadable > 0 ? [unreadableFinding(progress.unreadable)] : []),
    formerFinding(
      register.current.id,
      register.former.map(({ id }) => id),
    ),
  ];
}

const SEALING = 'kek';

function serverFinding(nodes: readonly ServerNode[], bounds: Parameters<typeof clockOf>[2]): Finding {
  const subject = 'servers';
  if (nodes.length === 0) return { subject, state: 'well', says: 'none runs on this store at the moment' };
  const apart = nodes
    .map((node) => ({ name: node.name, by: clockOf(node, nodes, bounds) }))
    .filter(({ by }) => by !== 0);
  if (apart.length === 0) {
    const count = nodes.length === 1 ? 'one runs' : `${nodes.length} run, and their clocks agree`;
    return { subject, state: 'well', says: `${count} on this store` };
  }
  return {
    subject,
    state: 'ill',
    says: `clocks are too far apart: ${apart.map(({ name, by }) => `${name} is ${clockText(by)}`).join(', ')}`,
    remedy: 'have the machines set their clocks by NTP, or allow more by keys.clockSkewMax',
  };
}

function lackingFindings(nodes: readonly ServerNode[], id: string, state: 'ill' | 'notable'): Finding[] {
  const lacking = nodes.filter(({ keks }) => !keks.includes(id)).map(({ name }) => name);
  if (lacking.length === 0) return [];
  const needed = state === 'ill' ? 'which records need' : 'which is to become current';
  const says = `${lacking.join(', ')} ${lacking.length === 1 ? 'lacks' : 'lack'} the key ${id}, ${needed}`;
  return [{ subject: SEALING, state, says, remedy: 'put its file into the key directory there' }];
}

function unreadableFinding(count: number): Finding {
  const says = `${count} of the records could not be opened when they were to be sealed anew`;
  return { subject: SEALING, state: 'ill', says, remedy: 'see the log of the servers for which, and why' };
}

function formerFinding(current: string, former: readonly string[]): Finding {
  if (former.length === 0) {
    return { subject: SEALING, state: 'well', says: `everything is sealed under ${current}` };
  }
  return {
    subject: SEALING,
    state: 'notable',
    says: `everything new is sealed under ${current}; not retired yet: ${former.join(', ')}`,
    remedy: 'keyturn kek list shows what is still under it, keyturn kek retire ends it',
  };
}
