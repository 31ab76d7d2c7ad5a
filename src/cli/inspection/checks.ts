import type { Finding } from '#src/cli/inspection/finding.ts';
import { distance, moment } from '#src/cli/layout.ts';
import type { Services } from '#src/services.ts';
import type { KeyListing } from '#src/signing/key-listing.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

export type CheckName =
  | 'format'
  | 'signature'
  | 'issuer'
  | 'expiry'
  | 'record'
  | 'revocation'
  | 'client'
  | 'authorization'
  | 'account'
  | 'generation';

/** What each check has seen, as a sentence for the administrator. */
export async function tellChecks(
  finding: Finding,
  services: Services,
  now: EpochSeconds,
): Promise<Readonly<Record<CheckName, string>>> {
  const keys = await services.rotation.list();
  return {
    format: formatText(finding),
    signature: signatureText(finding, keys, now),
    issuer: issuerText(finding, services.config.issuer),
    expiry: expiryText(finding, now),
    record: finding.reason === 'not_found' ? RECORD_MISSING : 'the store knows it',
    revocation: finding.reason === 'revoked' ? 'the token has been revoked' : 'it has not been revoked',
    client: await clientText(finding, services),
    authorization:
      finding.reason === 'authorization_ended' ? AUTHORIZATION_ENDED : authorizationText(finding),
    account: await accountText(finding, services),
    generation: generationText(finding),
  };
}

const RECORD_MISSING =
  'the store does not know it: it never was one of ours, or it has expired or been revoked';

const AUTHORIZATION_ENDED =
  'the authorization has ended: a refresh token of it was revoked or used twice, the session it was bound to is over, ' +
  'or its time is up';

function formatText({ kind, reason, header }: Finding): string {
  if (kind !== 'unknown') return `${header?.typ}, signed with ${header?.alg}`;
  if (reason === 'malformed') return 'this is no JWT that this server could have signed';
  const typ = header?.typ === undefined ? 'without a type' : `of type ${JSON.stringify(header.typ)}`;
  return `a JWT ${typ} is neither an access token (at+jwt) nor a refresh token (rt+jwt); an ID token is for the client alone`;
}

function signatureText({ reason, header }: Finding, keys: readonly KeyListing[], now: EpochSeconds): string {
  const kid = header?.kid === undefined ? null : String(header.kid);
  const key = keys.find((each) => each.kid === kid);
  if (reason === 'bad_signature') return `it is not one of the key ${kid}: the token was changed or forged`;
  if (reason === 'key_revoked') {
    return `the key ${kid} was revoked ${distance(key?.revokedAt ?? now, now)}: ${key?.reason}`;
  }
  if (reason !== 'unknown_key') return `by the key ${kid}, which is ${key?.state ?? 'known'}`;
  if (kid === null) return 'the token names no key';
  return `no key of this server is called ${kid}: it is from elsewhere, or so old that the key is gone`;
}

function issuerText({ reason, claims }: Finding, issuer: string): string {
  if (reason !== 'not_ours') return issuer;
  const { iss } = claims ?? {};
  return iss === issuer
    ? 'the claims are not what this server signs'
    : `${JSON.stringify(iss)} is not ${issuer}`;
}

function expiryText({ reason, claims }: Finding, now: EpochSeconds): string {
  const exp = claims?.exp;
  if (!Number.isSafeInteger(exp)) return 'the token does not say when it expires';
  const time = epochSeconds(exp as number);
  return `${reason === 'expired' ? 'expired' : 'expires'} ${distance(time, now)}, ${moment(time)}`;
}

async function clientText({ reason, clientId }: Finding, { clients }: Services): Promise<string> {
  if (reason === 'client_removed') return `there is no client ${clientId} any more`;
  const client = clientId === null ? null : await clients.find(clientId);
  return client === null ? 'not known' : `${client.value.name} (${clientId})`;
}

function authorizationText({ authorizationId }: Finding): string {
  return authorizationId === null
    ? 'none is needed: the client acts for itself'
    : `${authorizationId} stands`;
}

async function accountText({ subject }: Finding, { accounts }: Services): Promise<string> {
  if (subject === null) return 'none: the client acts for itself';
  const account = await accounts.findBySubject(subject);
  if (account === null) return `there is no account ${subject}`;
  return account.state === 'deleted'
    ? `${subject} has been removed`
    : `${account.username}, ${account.state}`;
}

function generationText({ reason, family }: Finding): string {
  if (family === null) return 'not known';
  const { generation, currentGeneration } = family;
  if (reason === 'superseded') {
    return `generation ${generation} was used a moment ago; presented again now, it gets the same successor once more`;
  }
  if (reason === 'reused') {
    return `generation ${generation} was used long ago, ${currentGeneration} is current; whoever presents it ends the family`;
  }
  return `generation ${generation}, the current one`;
}
