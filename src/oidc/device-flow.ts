import type { Clock } from '#src/clock.ts';
import { type DeviceFlow, devicePages } from '#src/oidc/device-pages.ts';
import type { ProtocolPages } from '#src/oidc/protocol-pages.ts';
import type { Seconds } from '#src/units.ts';

/** What the settings say of device authorization: RFC 8628. */
export interface DeviceAuthorizationPolicy {
  readonly enabled: boolean;
  /** How many letters a user code has. */
  readonly userCodeLength: number;
  /** How long a device waits between two polls. */
  readonly pollingInterval: Seconds;
}

/** The library's feature, on the pages of ours. */
export function deviceFlowOf(deps: {
  readonly deviceAuthorization: DeviceAuthorizationPolicy;
  readonly pages: ProtocolPages;
  readonly clock: Clock;
}): DeviceFlow {
  const { enabled, userCodeLength } = deps.deviceAuthorization;
  // Consonants alone, so that no code is a word: RFC 8628 section 6.1.
  return { enabled, charset: 'base-20', mask: maskOf(userCodeLength), ...devicePages(deps) };
}

/** People copy letters three or four at a time. */
const GROUP_LETTERS_MAX = 4;

/** Letters in groups that are as even as can be, with dashes between them: 8 are `****-****`, 9 are `***-***-***`. */
export function maskOf(letters: number): string {
  const groups = Math.ceil(letters / GROUP_LETTERS_MAX);
  return Array.from({ length: groups }, (_, place) => {
    const [from, to] = [place, place + 1].map((edge) => Math.round((edge * letters) / groups)) as [
      number,
      number,
    ];
    return '*'.repeat(to - from);
  }).join('-');
}
