import type { Finding } from '#src/cli/doctor/finding.ts';
import { Registrations } from '#src/key-usage/reliance.ts';
import type { Services } from '#src/services.ts';
import { leavingAlgorithms } from '#src/signing/leaving.ts';
import type { EpochSeconds } from '#src/units.ts';

/** The algorithms that the settings name no longer, and who keeps them. */
export async function algorithmFindings(services: Services, now: EpochSeconds): Promise<Finding[]> {
  const { rotation, config } = services;
  const leaving = leavingAlgorithms(rotation.held.ring, rotation.policy, now);
  if (leaving.length === 0) return [];
  const registrations = await Registrations.read(services);
  return leaving.map((alg) => {
    const { clients, resourceServers } = registrations.relianceOn(alg);
    const count = clients.length + resourceServers.length;
    const retire = `keyturn keys retire-algorithm ${alg}`;
    return {
      subject: `keys ${alg}`,
      state: 'notable',
      says: `the settings do not name it any more, and it goes on for ${count} that are registered for it`,
      remedy:
        count === 0
          ? `run: ${retire}`
          : `run: keyturn keys migrate ${alg} ${config.keys.algorithms[0]} --all, then: ${retire}`,
    };
  });
}
