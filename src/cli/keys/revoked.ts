import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { confirm } from '#src/cli/input.ts';
import { followed } from '#src/cli/keys/followed.ts';
import { type RevokedListing, whatHappened } from '#src/cli/keys/revocation-report.ts';
import { announce, touchedBy } from '#src/cli/keys/touched.ts';
import type { Report } from '#src/cli/report.ts';
import { Refusal } from '#src/fault.ts';
import type { Services } from '#src/services.ts';
import type { KeyListing } from '#src/signing/key-listing.ts';
import type { KeyState } from '#src/signing/key-ring.ts';
import type { KeyRotation } from '#src/signing/rotation.ts';

export interface RevokeOptions {
  readonly reason: string;
  readonly all?: boolean;
  readonly yes?: boolean;
}

/** `keyturn keys revoke`: one key, or every one for when all of them were stolen. */
export async function revokeKeys(
  cli: CommandLine,
  services: Services,
  kid: string | undefined,
  { reason, all, yes }: RevokeOptions,
): Promise<Report> {
  const { rotation } = services;
  const { clock } = cli.surroundings;
  const keys = await keysToRevoke(rotation, kid, all === true);
  const [only] = keys;
  if (only?.state === 'revoked') {
    // Completes what was cut off between the two things that it does.
    await rotation.revoke(only.kid, reason);
    return revokedBefore(only);
  }
  const kids = keys.map((key) => key.kid);
  const touched = await touchedBy(services, kids, clock.now());
  announce(cli, touched);
  await confirm(cli.terminal, questionFor(keys), { yes: yes === true });
  const revoked: RevokedListing[] = [];
  for (const key of keys) {
    const outcome = await rotation.revoke(key.kid, reason);
    if (outcome.outcome === 'revoked') revoked.push({ key, outcome });
  }
  const followedBy = await followed(cli, services);
  return whatHappened(services, {
    touched,
    revoked,
    reason,
    all: all === true,
    followedBy,
    now: clock.now(),
  });
}

/** The standby of an active key is revoked before it, so that what takes its place was made afterwards. */
const ORDER: readonly KeyState[] = ['next', 'rehearsal', 'retired', 'active'];

/** @throws UsageFault, Refusal `key_not_found` */
async function keysToRevoke(
  rotation: KeyRotation,
  kid: string | undefined,
  all: boolean,
): Promise<readonly KeyListing[]> {
  if (all === (kid !== undefined)) {
    throw new UsageFault(
      all ? 'a key and --all contradict each other' : 'no key is named',
      'name one key, or --all of them',
    );
  }
  const keys = await rotation.list();
  if (all)
    return keys
      .filter(({ state }) => ORDER.includes(state))
      .toSorted((one, other) => ORDER.indexOf(one.state) - ORDER.indexOf(other.state));
  const key = keys.find((each) => each.kid === kid && each.state !== 'removed');
  if (key === undefined)
    throw new Refusal('key_not_found', `There is no key ${kid}: keyturn keys list shows which there are.`);
  return [key];
}

function questionFor(keys: readonly KeyListing[]): string {
  const [only] = keys;
  return keys.length === 1
    ? `Revoke the key ${only?.kid} and end every token that it signed?`
    : `Revoke all ${keys.length} keys, end every token, and have everybody sign in again?`;
}

function revokedBefore({ kid }: KeyListing): Report {
  return {
    document: { outcome: 'already_revoked', kid, successor: null },
    text: () => `The key ${kid} has been revoked before: nothing that it signed is good any more.`,
  };
}
