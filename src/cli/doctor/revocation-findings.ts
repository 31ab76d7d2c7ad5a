import type { Finding } from '#src/cli/doctor/finding.ts';
import type { Services } from '#src/services.ts';
import { keyRevocationEntry } from '#src/signing/rotation.ts';

/**
 * Revocations of keys that were cut off. A key is revoked by two writes, of the ring and of the revocation set; where one of
 * them is missing, revoking once more completes it.
 */
export async function revocationFindings({ rotation, store }: Services): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const { kid, alg, state } of await rotation.list()) {
    const isEnded = await store.records.anyRevoked([keyRevocationEntry(kid)]);
    if (state === 'removed' || isEnded === (state === 'revoked')) continue;
    const says = isEnded
      ? `every token that ${kid} signs is inactive from birth: revoking it was cut off`
      : `${kid} is revoked, and nobody who listens to revocations was told: revoking it was cut off`;
    const remedy = `run: keyturn keys revoke ${kid} --reason '…'`;
    findings.push({ subject: `keys ${alg}`, state: 'ill', says, remedy });
  }
  return findings;
}
