import type { CommandLine } from '#src/cli/command-line.ts';
import {
  type Alive,
  aliveDocument,
  aliveNow,
  counted,
  countNote,
  SIGN_INS_MAX,
  tokenWords,
} from '#src/cli/keys/alive.ts';
import { distance } from '#src/cli/layout.ts';
import { type Style, visible } from '#src/cli/terminal.ts';
import { Registrations, type Reliance } from '#src/key-usage/reliance.ts';
import type { Services } from '#src/services.ts';
import { type KeyListing, listing } from '#src/signing/key-listing.ts';
import { activeKey, keyOf } from '#src/signing/key-ring.ts';
import { ringAlgorithms } from '#src/signing/ring-policy.ts';
import type { EpochSeconds } from '#src/units.ts';

/** What a change of keys touches. */
export interface Touched {
  readonly keys: readonly TouchedKey[];
  readonly alive: Alive;
  readonly at: EpochSeconds;
}

export interface TouchedKey {
  readonly key: KeyListing;
  /** Who has to do with its algorithm; `null` for a key that only this server knows. */
  readonly reliance: Reliance | null;
}

/** What there is of these keys, and who has to do with them. Keys that are not there are left out. @throws StorageFault */
export async function touchedBy(
  services: Services,
  kids: readonly string[],
  now: EpochSeconds,
): Promise<Touched> {
  const { ring } = await services.rotation.refresh();
  const records = kids.flatMap((kid) => keyOf(ring, kid) ?? []);
  const ofRefresh = records.some(({ purpose }) => purpose === 'refresh');
  const alive = await aliveNow(services, now, ofRefresh ? SIGN_INS_MAX : 0);
  const registrations = await Registrations.read(services);
  const keys = records.map((key) => ({
    key: listing(ring, key, now),
    reliance: key.purpose === 'refresh' ? null : registrations.relianceOn(key.alg),
  }));
  return { keys, alive, at: now };
}

/** What there is of the keys that sign now, by one algorithm or by each that the settings name. @throws StorageFault */
export async function touchedByTurning(
  services: Services,
  only: string | undefined,
  now: EpochSeconds,
): Promise<Touched> {
  const { ring } = await services.rotation.refresh();
  const active = ringAlgorithms(services.rotation.policy)
    .filter((alg) => only === undefined || alg === only)
    .map((alg) => activeKey(ring, alg, now));
  const kids = active.flatMap((key) => key?.kid ?? []);
  return touchedBy(services, kids, now);
}

/** Says beforehand what a change touches. For programs it stands in the document of what came of it. */
export function announce(cli: CommandLine, touched: Touched): void {
  if (cli.json || touched.keys.length === 0) return;
  cli.terminal.print(`${touchedText(touched, cli.terminal.style)}\n`);
}

/** What a document says of the key of an algorithm that is touched. */
export function touchedOf(touched: Touched, alg: string): object {
  const key = touched.keys.find((each) => each.key.alg === alg);
  return key === undefined ? {} : { touches: touchedDocument(touched, key.key.kid) };
}

/** What a document says of a key that is touched. */
export function touchedDocument({ keys, alive }: Touched, kid: string): object {
  const touched = keys.find(({ key }) => key.kid === kid);
  if (touched === undefined) return {};
  const { key, reliance } = touched;
  return {
    kid,
    ...aliveDocument(alive, key),
    ...(reliance === null ? undefined : relianceDocument(reliance)),
  };
}

export function relianceDocument({ clients, resourceServers, unregistered }: Reliance) {
  return {
    clients: clients.map(({ client, members, lastUsedAt }) => ({
      client_id: client.clientId,
      client_name: client.name,
      members,
      last_used_at: lastUsedAt,
    })),
    resource_servers: resourceServers.map(({ resourceServer, members, lastUsedAt }) => ({
      identifier: resourceServer.identifier,
      name: resourceServer.name,
      members,
      last_used_at: lastUsedAt,
    })),
    not_registered: unregistered.map(({ name, lastUsedAt }) => ({ name, last_used_at: lastUsedAt })),
  };
}

/** What is touched, for people: a paragraph for each key. */
function touchedText({ keys, alive, at }: Touched, style: Style): string {
  const counts = keys.some(({ key }) => key.purpose === 'jwks');
  return [
    ...keys.flatMap((touched, place) => {
      const isFirst = keys.findIndex(({ key }) => key.alg === touched.key.alg) === place;
      return touchedLines(isFirst ? touched : { ...touched, reliance: null }, alive, at, style);
    }),
    ...(counts ? [style('faint', countNote(alive, at))] : []),
  ].join('\n');
}

function touchedLines(
  { key, reliance }: TouchedKey,
  alive: Alive,
  now: EpochSeconds,
  style: Style,
): string[] {
  return [
    `${style('strong', key.alg)}  key ${key.kid}, ${key.state}: ${aliveWords(alive, key, now)}`,
    ...(reliance === null ? [] : relianceLines(reliance, now)),
  ];
}

function aliveWords({ tokens, signIns, allSignIns }: Alive, key: KeyListing, now: EpochSeconds): string {
  if (key.purpose === 'refresh') {
    const of = signIns.get(key.kid);
    if (of === undefined) return 'no sign-in can be refreshed by it';
    const atLeast = allSignIns ? '' : 'at least ';
    const last = `the last ends ${distance(of.lastExpiresAt, now)}`;
    return `${atLeast}${counted(of.families, 'sign-in')} of ${counted(of.people.size, 'account')}; ${last}`;
  }
  const { access = 0, id = 0, lastExpiresAt = null } = tokens.get(key.kid) ?? {};
  if (access + id === 0) return 'no token that it signed is alive';
  const last = lastExpiresAt === null ? '' : `; the last expires ${distance(lastExpiresAt, now)}`;
  return `${tokenWords({ access, id })}${last}`;
}

/** Who has to do with an algorithm, a line for each kind. */
export function relianceLines(
  { clients, resourceServers, unregistered }: Reliance,
  now: EpochSeconds,
): string[] {
  const used = (name: string, lastUsedAt: EpochSeconds | null): string =>
    `${visible(name)} (${lastUsedAt === null ? 'never' : distance(lastUsedAt, now)})`;
  const line = (label: string, names: readonly string[]): string[] =>
    names.length === 0 ? [] : [`       ${label.padEnd(LABEL_COLUMNS)}${someOf(names)}`];
  return [
    ...line(
      'resource servers',
      resourceServers.map(({ resourceServer, lastUsedAt }) => used(resourceServer.name, lastUsedAt)),
    ),
    ...line(
      'clients',
      clients.map(({ client, lastUsedAt }) => used(client.name, lastUsedAt)),
    ),
    ...line(
      'not registered',
      unregistered.map(({ name, lastUsedAt }) => used(name, lastUsedAt)),
    ),
  ];
}

const LABEL_COLUMNS = 'resource servers  '.length;

/** More would hide what the command says. `--json` names all. */
const NAMES_MAX = 5;

export function someOf(names: readonly string[]): string {
  if (names.length <= NAMES_MAX) return names.join(', ');
  return `${names.slice(0, NAMES_MAX).join(', ')} and ${names.length - NAMES_MAX} more`;
}
