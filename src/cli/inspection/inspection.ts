import { type CheckName, tellChecks } from '#src/cli/inspection/checks.ts';
import { type Finding, findToken, type InactiveReason, type TokenKind } from '#src/cli/inspection/finding.ts';
import type { Clock } from '#src/clock.ts';
import type { Services } from '#src/services.ts';

/** Everything that can be said of a token. */
export interface Inspection extends Finding {
  /** In the order in which they decide: the first that fails does. */
  readonly checks: readonly Check[];
}

export interface Check {
  readonly check: CheckName;
  readonly outcome: 'passed' | 'failed' | 'not_reached';
  /** What was seen; `null` where nobody looked. */
  readonly detail: string | null;
}

/** Says why a token is active, or is not, and changes nothing: a reused refresh token does not end its family here. */
export async function inspectToken(token: string, services: Services, clock: Clock): Promise<Inspection> {
  const finding = await findToken(token, services, clock);
  const names = CHECKS[finding.kind];
  const failing = failingPlace(finding, names);
  const told = await tellChecks(finding, services, clock.now());
  const checks = names.map((check, place): Check => {
    if (place > failing) return { check, outcome: 'not_reached', detail: null };
    return { check, outcome: place === failing ? 'failed' : 'passed', detail: told[check] };
  });
  return { ...finding, checks };
}

/** What is looked at in each kind of token, in the order in which it decides. */
const CHECKS: Readonly<Record<TokenKind, readonly CheckName[]>> = {
  access_token_of_person: [
    'format',
    'signature',
    'issuer',
    'expiry',
    'revocation',
    'client',
    'authorization',
    'account',
  ],
  access_token_of_client: ['format', 'signature', 'issuer', 'expiry', 'revocation', 'client'],
  canary: ['format', 'signature', 'issuer', 'expiry', 'revocation'],
  refresh_token: [
    'format',
    'signature',
    'issuer',
    'expiry',
    'authorization',
    'generation',
    'client',
    'account',
  ],
  opaque_token: ['record', 'authorization', 'client', 'account'],
  unknown: ['format'],
};

const FAILING: Readonly<Record<InactiveReason, CheckName>> = {
  malformed: 'format',
  unknown_key: 'signature',
  bad_signature: 'signature',
  not_ours: 'issuer',
  expired: 'expiry',
  not_found: 'record',
  revoked: 'revocation',
  key_revoked: 'signature',
  client_removed: 'client',
  authorization_ended: 'authorization',
  superseded: 'generation',
  reused: 'generation',
  account_unavailable: 'account',
};

/** Where in the list the check stands that failed; behind its end if none did. */
function failingPlace({ kind, reason }: Finding, names: readonly CheckName[]): number {
  if (reason === null) return names.length;
  return kind === 'unknown' ? 0 : names.indexOf(FAILING[reason]);
}
