import { readerDocument, readerName, sightingDocument } from '#src/cli/keys/reader.ts';
import { distance, table } from '#src/cli/layout.ts';
import { type Report, snakeCase } from '#src/cli/report.ts';
import type { OtherReader } from '#src/jwks-readers/reader.ts';
import {
  type Readiness,
  readinessOf,
  type ServerReader,
  serverReaders,
} from '#src/jwks-readers/readiness.ts';
import type { Sighting } from '#src/jwks-readers/sighting.ts';
import type { Services } from '#src/services.ts';
import type { KeyListing } from '#src/signing/key-listing.ts';
import type { EpochSeconds } from '#src/units.ts';

const HOW_KNOWN =
  'A resource server shows who it is by its credentials (HTTP Basic), or says so: /jwks?rs=IDENTIFIER.';

/** `keyturn keys readers`: who has fetched the published keys, and whether the next ones were among them. */
export async function listReaders(
  { rotation, resources, jwksReaders }: Services,
  now: EpochSeconds,
): Promise<Report> {
  const next = (await rotation.list()).filter(({ state, purpose }) => state === 'next' && purpose === 'jwks');
  const readers = await jwksReaders.all();
  const servers = serverReaders(await Array.fromAsync(resources.list()), readers);
  const others = [...readers.named, ...readers.anonymous];
  return {
    document: {
      resource_servers: servers.map((each) => serverDocument(each, next)),
      others: others.map((each) => otherDocument(each, next)),
    },
    text: (style) => {
      if (servers.length + others.length === 0) return 'Nobody has fetched the published keys yet.';
      const rows = [
        ...servers.map((each) => serverRow(each, next, now)),
        ...others.map((each) => otherRow(each, next, now)),
      ];
      const heading = ['READER', 'LAST FETCH', 'NEXT KEY', 'FROM'];
      return [table(heading, rows, style), '', style('faint', HOW_KNOWN)].join('\n');
    },
  };
}

const WORDS: Readonly<Record<Readiness, string>> = {
  ready: 'has it',
  behind: 'has not fetched it',
  unknown: 'not known',
  'not-needed': 'not needed',
};

function serverRow(server: ServerReader, next: readonly KeyListing[], now: EpochSeconds): (string | null)[] {
  const { alg, states } = standingOf(server, next);
  const words =
    states.length === 0
      ? WORDS['not-needed']
      : [...new Set(states.map(({ readiness }) => WORDS[readiness]))].join(', ');
  return [
    readerName(server),
    server.seen === null ? 'never' : distance(server.seen.lastAt, now),
    states.length === 0 ? words : `${alg}: ${words}`,
    whence(server.seen),
  ];
}

function standingOf(server: ServerReader, next: readonly KeyListing[]) {
  const states = next.map((key) => ({ kid: key.kid, readiness: readinessOf(server, key) }));
  return {
    alg: server.resourceServer.signingAlgorithm,
    states: states.filter(({ readiness }) => readiness !== 'not-needed'),
  };
}

function serverDocument(server: ServerReader, next: readonly KeyListing[]): object {
  const { alg, states } = standingOf(server, next);
  return {
    ...readerDocument(server),
    signing_algorithm: alg,
    next_keys: states.map(({ kid, readiness }) => ({ kid, readiness: snakeCase(readiness) })),
  };
}

function otherRow(
  { name, sighting }: OtherReader,
  next: readonly KeyListing[],
  now: EpochSeconds,
): (string | null)[] {
  const had = next.filter(({ kid }) => Object.hasOwn(sighting.keys, kid)).map(({ alg }) => alg);
  return [
    name === null ? '(gave no name)' : `"${name}"`,
    distance(sighting.lastAt, now),
    had.length === 0 ? WORDS.behind : `has ${had.join(', ')}`,
    whence(sighting),
  ];
}

function otherDocument({ name, sighting }: OtherReader, next: readonly KeyListing[]): object {
  const kids = next.map(({ kid }) => kid).filter((kid) => Object.hasOwn(sighting.keys, kid));
  return { name, ...sightingDocument(sighting), next_keys_fetched: kids };
}

function whence(seen: Sighting | null): string | null {
  return seen === null
    ? null
    : [seen.program ?? 'unknown program', seen.network].filter((part) => part !== null).join(', ');
}
