import { algorithmFindings } from '#src/cli/doctor/algorithm-findings.ts';
import type { Finding } from '#src/cli/doctor/finding.ts';
import { fleetFindings } from '#src/cli/doctor/fleet-findings.ts';
import { revocationFindings } from '#src/cli/doctor/revocation-findings.ts';
import { tokenFindings } from '#src/cli/doctor/token-findings.ts';
import type { Client } from '#src/clients/client.ts';
import {
  brokenProfileRules,
  PROFILE_NAMES,
  type ProfileName,
  type ProfileRule,
  profilesOf,
} from '#src/clients/profile.ts';
import type { Config } from '#src/config/schema.ts';
import { StorageFault } from '#src/fault.ts';
import type { Services } from '#src/services.ts';
import type { KeyListing } from '#src/signing/key-listing.ts';
import type { EpochSeconds } from '#src/units.ts';

/** Which profiles a client keeps as it is, and what keeps it from the others. */
export interface ClientFinding {
  readonly clientId: string;
  readonly name: string;
  readonly heldTo: readonly ProfileName[];
  readonly keeps: readonly ProfileName[];
  /** Every rule of a profile that it does not keep. */
  readonly broken: readonly (ProfileRule & { readonly profile: ProfileName })[];
}

export interface Examination {
  readonly findings: readonly Finding[];
  readonly clients: readonly ClientFinding[];
}

/** Looks at what a server needs to run well: its store, its keys, its settings, and the clients' profiles. Changes nothing. */
export async function examine(services: Services, now: EpochSeconds): Promise<Examination> {
  const { config } = services;
  const store = await storeFinding(services);
  if (store.state === 'ill') return { findings: [store], clients: [] };
  const clients = (await Array.fromAsync(services.clients.list())).map((client) =>
    clientFinding(client, config.profile),
  );
  const heldTo = new Set(clients.flatMap((client) => client.heldTo));
  for (const profile of profilesOf(config.profile)) heldTo.add(profile);
  const findings = [
    store,
    ...(await services.store.examine()),
    ...(await fleetFindings(services, now)),
    ...keyFindings(await services.rotation.list(), config),
    ...(await revocationFindings(services)),
    ...(await algorithmFindings(services, now)),
    ...(await tokenFindings(services)),
    issuerFinding(config),
    ...(heldTo.has('fapi-2.0-security') ? fapiFindings(config) : []),
  ];
  return { findings, clients };
}

/** True if nothing is ill and every client keeps what it is held to. */
export function isSound({ findings, clients }: Examination): boolean {
  return findings.every(({ state }) => state !== 'ill') && clients.every(keepsWhatItIsHeldTo);
}

export function keepsWhatItIsHeldTo({ heldTo, keeps }: ClientFinding): boolean {
  return heldTo.every((profile) => keeps.includes(profile));
}

async function storeFinding({ config, store }: Services): Promise<Finding> {
  const subject = 'store';
  try {
    await store.records.ping();
    return { subject, state: 'well', says: `${config.store} can be read and written` };
  } catch (problem) {
    if (!(problem instanceof StorageFault)) throw problem;
    return {
      subject,
      state: 'ill',
      says: `${config.store} does not answer: ${problem.message}`,
      remedy: config.store.startsWith('sqlite:')
        ? 'see that its disk is there, is not full, and may be written by this user'
        : 'see that it runs, has room in its memory, and can be reached from here',
    };
  }
}

function keyFindings(keys: readonly KeyListing[], { keys: { algorithms } }: Config): Finding[] {
  return algorithms.map((alg) => {
    const subject = `keys ${alg}`;
    const states = keys.filter((key) => key.alg === alg).map(({ state }) => state);
    if (!states.includes('active')) {
      const says = 'no key signs';
      return {
        subject,
        state: 'ill',
        says,
        remedy: `start the server, or run: keyturn keys rotate --alg ${alg}`,
      };
    }
    if (states.includes('next'))
      return { subject, state: 'well', says: 'one key signs, one is published to follow it' };
    return { subject, state: 'notable', says: 'one key signs, and none is published to follow it yet' };
  });
}

function issuerFinding({ issuer }: Config): Finding {
  const subject = 'issuer';
  const { protocol, hostname } = new URL(issuer);
  if (protocol === 'https:') return { subject, state: 'well', says: issuer };
  const says = `${issuer} is not https, so it is for trying out on ${hostname} only`;
  return { subject, state: 'notable', says, remedy: 'set issuer to the https address that clients use' };
}

/** The longest that a code may live: FAPI 2.0 Security Profile section 5.3.2.2. In seconds. */
const FAPI_CODE_LIFETIME_MAX = 60;

function fapiFindings({ issuer, lifetimes, keys }: Config): Finding[] {
  const clause = 'FAPI 2.0 Security Profile section';
  const rules = [
    {
      kept: issuer.startsWith('https:'),
      rule: `the server is reached by https alone (${clause} 5.2.1)`,
      remedy: 'set issuer to an https address',
    },
    {
      kept: lifetimes.authorizationCode <= FAPI_CODE_LIFETIME_MAX,
      rule: `a code lives for no more than ${FAPI_CODE_LIFETIME_MAX}s (${clause} 5.3.2.2)`,
      remedy: 'set lifetimes.authorizationCode to 60s or less',
    },
    {
      kept: keys.algorithms.some((alg) => alg !== 'RS256'),
      rule: `tokens are signed with PS256, ES256 or Ed25519 (${clause} 5.4.1)`,
      remedy: 'add ES256 to keys.algorithms',
    },
  ];
  return rules.map(({ kept, rule, remedy }) =>
    kept
      ? { subject: 'fapi-2.0', state: 'well', says: rule }
      : { subject: 'fapi-2.0', state: 'ill', says: `does not hold: ${rule}`, remedy },
  );
}

function clientFinding(client: Client, everybody: ProfileName | null): ClientFinding {
  const heldTo = profilesOf(everybody, client.profile);
  const broken = PROFILE_NAMES.flatMap((profile) =>
    brokenProfileRules(client, heldTo, profilesOf(profile)).map((rule) => ({ ...rule, profile })),
  );
  return {
    clientId: client.clientId,
    name: client.name,
    heldTo: [...heldTo],
    keeps: PROFILE_NAMES.filter((name) => broken.every(({ profile }) => profile !== name)),
    broken,
  };
}
