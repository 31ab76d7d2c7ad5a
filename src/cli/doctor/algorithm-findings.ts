import type { Finding } from '#src/cli/doctor/finding.ts';
import { Registrations } from '#src/key-usage/reliance.ts';
import type { Services } from '#src/services.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '#src/signing/algorithm.ts';
import { activeKey } from '#src/signing/key-ring.ts';
import { leavingAlgorithms } from '#src/signing/leaving.ts';
import type { EpochSeconds } from '#src/units.ts';

/** The algorithms that the settings name no longer, and who keeps them; and those that nothing signs with for anybody. */
export async function algorithmFindings(services: Services, now: EpochSeconds): Promise<Finding[]> {
  const { rotation } = services;
  const { ring } = rotation.held;
  const leaving = leavingAlgorithms(ring, rotation.policy, now);
  const silent = SIGNING_ALGORITHMS.filter((alg) => activeKey(ring, alg, now) === null);
  const registrations = await Registrations.read(services);
  return [
    ...leaving.map((alg) => leavingFinding(alg, registrations, services)),
    ...silent.flatMap((alg) => silentFinding(alg, registrations, services)),
  ];
}

function leavingFinding(
  alg: SigningAlgorithm,
  registrations: Registrations,
  { config }: Pick<Services, 'config'>,
): Finding {
  const count = registeredFor(alg, registrations);
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
}

/** After the last key of an algorithm was revoked that the settings do not name. */
function silentFinding(
  alg: SigningAlgorithm,
  registrations: Registrations,
  { config }: Pick<Services, 'config'>,
): Finding[] {
  const count = registeredFor(alg, registrations);
  if (count === 0 || config.keys.algorithms.includes(alg)) return [];
  const says = `no key signs, and ${count} that are registered for it get errors`;
  const remedy = `run: keyturn keys migrate ${alg} ${config.keys.algorithms[0]} --all`;
  return [{ subject: `keys ${alg}`, state: 'ill', says, remedy }];
}

function registeredFor(alg: SigningAlgorithm, registrations: Registrations): number {
  const { clients, resourceServers } = registrations.relianceOn(alg);
  return clients.length + resourceServers.length;
}
