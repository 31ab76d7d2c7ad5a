import { readerDocument, readerName } from '#src/cli/keys/reader.ts';
import { distance } from '#src/cli/layout.ts';
import { snakeCase } from '#src/cli/report.ts';
import type { Style } from '#src/cli/terminal.ts';
import {
  type ReaderStatus,
  type Readiness,
  readinessOf,
  serverReaders,
} from '#src/jwks-readers/readiness.ts';
import type { Services } from '#src/services.ts';
import type { KeyListing } from '#src/signing/key-listing.ts';
import type { EpochSeconds } from '#src/units.ts';

/** How the resource servers stand with a key that is to sign next. */
export interface KeyStanding {
  readonly key: KeyListing;
  /** Those whose tokens it will sign. */
  readonly statuses: readonly ReaderStatus[];
}

/** How they stand with each of the keys that are to sign next. */
export async function standingsOf(
  { resources, jwksReaders }: Pick<Services, 'resources' | 'jwksReaders'>,
  keys: readonly KeyListing[],
): Promise<readonly KeyStanding[]> {
  const servers = serverReaders(await Array.fromAsync(resources.list()), await jwksReaders.all());
  return keys
    .filter(({ state, purpose }) => state === 'next' && purpose === 'jwks')
    .map((key) => {
      const statuses = servers.map((each) => ({ ...each, readiness: readinessOf(each, key) }));
      return { key, statuses: statuses.filter(({ readiness }) => readiness !== 'not-needed') };
    });
}

/** What is added to a key in a document. */
export function standingDocument(standings: readonly KeyStanding[], { kid }: KeyListing): object {
  const standing = standings.find(({ key }) => key.kid === kid);
  if (standing === undefined) return {};
  return {
    readers: standing.statuses.map((status) => ({
      ...readerDocument(status),
      readiness: snakeCase(status.readiness),
    })),
  };
}

/** A paragraph about a key: who has fetched it, who has not, and of whom nobody knows. */
export function standingText({ key, statuses }: KeyStanding, now: EpochSeconds, style: Style): string {
  const those = (readiness: Readiness) => statuses.filter((each) => each.readiness === readiness);
  const [ready, behind, unknown] = [those('ready'), those('behind'), those('unknown')];
  const names = (some: readonly ReaderStatus[]) => some.map(readerName).join(', ');
  const facts = [
    ...(statuses.length === 0 ? ['no resource server needs it'] : []),
    ...(ready.length === 0 ? [] : [`${style('good', 'fetched')} by ${names(ready)}`]),
    ...behind.map(
      (each) =>
        `${style('bad', 'not fetched')} by ${readerName(each)}, last seen ${distance(each.seen?.lastAt ?? now, now)}`,
    ),
    ...(unknown.length === 0
      ? []
      : [`${style('notable', 'not known')} of ${names(unknown)}, which never said who it was`]),
  ];
  return [`${style('strong', key.alg)}  next key ${key.kid}`, ...facts.map((fact) => `       ${fact}`)].join(
    '\n',
  );
}
