import type { CommandLine } from '#src/cli/command-line.ts';
import { UsageFault } from '#src/cli/failure.ts';
import { distance, table } from '#src/cli/layout.ts';
import type { Report } from '#src/cli/report.ts';
import { snakeCase } from '#src/cli/report.ts';
import { Refusal } from '#src/fault.ts';
import { type Move, move, movesOf } from '#src/key-usage/migration.ts';
import { Registrations } from '#src/key-usage/reliance.ts';
import type { Services } from '#src/services.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '#src/signing/algorithm.ts';
import { knownToAllFrom } from '#src/signing/leaving.ts';

export interface MigrateOptions {
  readonly client?: readonly string[];
  readonly resource?: readonly string[];
  readonly all?: boolean;
  readonly dryRun?: boolean;
}

/** `keyturn keys migrate`: what is signed with one algorithm for somebody is signed with another from now on. */
export async function migrateAlgorithm(
  { surroundings }: CommandLine,
  services: Services,
  [fromText, toText]: readonly [string, string],
  options: MigrateOptions,
): Promise<Report> {
  const [from, to] = [algorithmNamed(fromText), algorithmNamed(toText)];
  if (from === to) throw new UsageFault('it is the same algorithm', 'name the old one, then the new one');
  const { client = [], resource = [], all, dryRun } = options;
  if ((all === true) === client.length + resource.length > 0)
    throw new UsageFault(
      'nobody is named, or too many are',
      'name them by --client and --resource, or --all',
    );
  if (!services.config.keys.algorithms.includes(to))
    throw new Refusal(
      'unknown_algorithm',
      `The settings do not name ${to}: add it to keys.algorithms first.`,
    );
  const moves = movesOf((await Registrations.read(services)).relianceOn(from)).filter((each) =>
    all === true ? true : (each.kind === 'client' ? client : resource).includes(each.id),
  );
  await assertRegistered(services, client, resource);
  if (dryRun !== true) await assertKnownToAll(services, to, surroundings.clock.now());
  const done: Move[] = [];
  for (const each of moves) done.push(dryRun === true ? each : await move(services, each, { from, to }));
  return report(done, { from, to, dryRun: dryRun === true });
}

/** `keyturn keys retire-algorithm`: nothing signs with it any more. What it signed stays good until it expires. */
export async function retireAlgorithm(services: Services, text: string): Promise<Report> {
  const alg = algorithmNamed(text);
  const { clients, resourceServers } = (await Registrations.read(services)).relianceOn(alg);
  const names = [
    ...resourceServers.map(({ resourceServer }) => resourceServer.identifier),
    ...clients.map(({ client }) => client.clientId),
  ];
  if (names.length > 0 && !services.config.keys.algorithms.includes(alg))
    throw new Refusal('algorithm_in_use', `registered for ${alg}: ${names.join(', ')}`, { problems: names });
  const ended = await services.rotation.end(alg);
  return {
    document: { alg, ended },
    text: (style) =>
      !ended
        ? `Nothing signs with ${alg}. Nothing was changed.`
        : `${style('good', 'Ended')}: nothing signs with ${alg} any more. What it signed verifies until it expires; then its keys leave the JWKS.`,
  };
}

function algorithmNamed(text: string): SigningAlgorithm {
  const alg = SIGNING_ALGORITHMS.find((each) => each === text);
  if (alg === undefined)
    throw new UsageFault(
      `"${text}" is no algorithm that tokens are signed with`,
      SIGNING_ALGORITHMS.join(', '),
    );
  return alg;
}

/** Somebody who was moved before is nobody to be missed; a name that nobody has is. @throws Refusal */
async function assertRegistered(
  { clients, resources }: Services,
  clientIds: readonly string[],
  identifiers: readonly string[],
): Promise<void> {
  for (const each of clientIds)
    if ((await clients.find(each)) === null) throw new Refusal('client_not_found', `no client ${each}`);
  for (const each of identifiers)
    if ((await resources.find(each)) === null)
      throw new Refusal('resource_server_not_found', `no resource server ${each}`);
}

/** Whoever caches the JWK Set would refuse what a key signs that it cannot have yet. @throws Refusal */
async function assertKnownToAll(
  { rotation }: Services,
  alg: SigningAlgorithm,
  now: Parameters<typeof distance>[1],
): Promise<void> {
  const { ring } = await rotation.refresh();
  const from = knownToAllFrom(ring, rotation.policy, { alg, now });
  if (from !== null && from <= now) return;
  const when = from === null ? 'once the server runs with it' : distance(from, now);
  throw new Refusal(
    'key_not_known',
    `Caches may lack the ${alg} key: everybody has it ${when}. Nothing was changed.`,
  );
}

function report(
  moves: readonly Move[],
  { from, to, dryRun }: { from: string; to: string; dryRun: boolean },
): Report {
  const failed = moves.filter(({ problem }) => problem !== null);
  return {
    document: {
      from,
      to,
      dry_run: dryRun,
      moved: moves.map(({ kind, id, name, members, problem }) => ({
        ...{ kind: snakeCase(kind), id, name, members, problem },
      })),
    },
    text: (style) => {
      if (moves.length === 0) return `Nobody of those is registered for ${from}. Nothing is left to do.`;
      const rows = moves.map(({ kind, id, name, members, problem }) => [
        ...[
          kind.replace('-', ' '),
          name,
          id,
          members.join(' '),
          problem ?? (dryRun ? 'would move' : 'moved'),
        ],
      ]);
      const verb = dryRun ? 'Would move' : style('good', 'Moved');
      return [
        `${verb} from ${from} to ${to}:`,
        '',
        table(['WHAT', 'NAME', 'IDENTIFIER', 'BY', ''], rows, style),
        '',
        style('faint', `Back again: keyturn keys migrate ${to} ${from}, for whoever insists on ${from}.`),
      ].join('\n');
    },
    ok: failed.length === 0,
  };
}
