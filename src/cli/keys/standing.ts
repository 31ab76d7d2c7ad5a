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
import { REFRESH_ALGORITHM } from '#src/signing/algorithm.ts';
import type { KeyListing } from '#src/signing/key-listing.ts';
import type { EpochSeconds } from '#src/units.ts';

/** How the resource servers stand with a key. */
export interface KeyStanding extends Pick<KeyListing, 'alg' | 'kid'> {
  /** Those whose tokens it signs. */
  readonly statuses: readonly ReaderStatus[];
}

/** How they stand with each of these keys, leaving out those that nobody but this server reads. */
export async function standingsOf(
  { resources, jwksReaders }: Pick<Services, 'resources' | 'jwksReaders'>,
  keys: readonly Pick<KeyListing, 'alg' | 'kid'>[],
): Promise<readonly KeyStanding[]> {
  const servers = serverReaders(await Array.fromAsync(resources.list()), await jwksReaders.all());
  return keys
    .filter(({ alg }) => alg !== REFRESH_ALGORITHM)
    .map(({ alg, kid }) => {
      const statuses = servers.map((each) => ({ ...each, readiness: readinessOf(each, { alg, kid }) }));
      return { alg, kid, statuses: statuses.filter(({ readiness }) => readiness !== 'not-needed') };
    });
}

/** Those that have fetched keys, and not this one. */
export const behindIn = ({ statuses }: KeyStanding): readonly ReaderStatus[] =>
  statuses.filter(({ readiness }) => readiness === 'behind');

/** What is added to a key in a document. */
export function standingDocument(standings: readonly KeyStanding[], kid: string): object {
  const standing = standings.find((each) => each.kid === kid);
  if (standing === undefined) return {};
  return {
    readers: standing.statuses.map((status) => ({
      ...readerDocument(status),
      readiness: snakeCase(status.readiness),
    })),
  };
}

/** Who has fetched a key, who has not, and of whom nobody knows; a line each. */
export function standingLines({ statuses }: KeyStanding, now: EpochSeconds, style: Style): readonly string[] {
  const those = (readiness: Readiness) => statuses.filter((each) => each.readiness === readiness);
  const [ready, behind, unknown] = [those('ready'), those('behind'), those('unknown')];
  const names = (some: readonly ReaderStatus[]) => some.map(readerName).join(', ');
  const lines = [
    ...(statuses.length === 0 ? ['no resource server needs it'] : []),
    ...(ready.length === 0 ? [] : [`${style('good', 'fetched')} by ${names(ready)}`]),
    ...behind.map((each) => `${style('bad', 'not fetched')} by ${seenLast(each, now)}`),
    ...(unknown.length === 0
      ? []
      : [`${style('notable', 'not known')} of ${names(unknown)}, which never said who it was`]),
  ];
  return lines.map((line) => INDENT + line);
}

/** As wide as the name of an algorithm and the gap behind it. */
const INDENT = ' '.repeat(7);

/** A resource server, and when it fetched keys for the last time. */
export function seenLast(reader: ReaderStatus, now: EpochSeconds): string {
  const when = reader.seen === null ? 'never seen' : `last seen ${distance(reader.seen.lastAt, now)}`;
  return `${readerName(reader)}, ${when}`;
}
