import { type Readers, sightingOf } from '#src/jwks-readers/reader.ts';
import type { Sighting } from '#src/jwks-readers/sighting.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';

/** A registered resource server, and what is known of its fetching the keys. */
export interface ServerReader {
  readonly resourceServer: ResourceServer;
  /** What it is judged by; `null` if it has never shown who it is. */
  readonly seen: Sighting | null;
  /** False if that is only what somebody said who fetched the keys. */
  readonly proven: boolean;
}

/**
 * Whether a resource server could verify what a key signs. `ready`: it has fetched a document with the key. `behind`: it
 * has fetched documents, and none with the key. `unknown`: it has never shown who it is. `not-needed`: its tokens are
 * not signed with that algorithm, or are not for it to verify.
 */
export type Readiness = 'ready' | 'behind' | 'unknown' | 'not-needed';

/** How a resource server stands with one key. */
export interface ReaderStatus extends ServerReader {
  readonly readiness: Readiness;
}

/** What is known of every resource server, in the order of their identifiers. */
export function serverReaders(
  resourceServers: readonly ResourceServer[],
  { known }: Readers,
): readonly ServerReader[] {
  return resourceServers
    .map((resourceServer) => {
      const reader = known.get(resourceServer.clientId) ?? { proven: null, said: null };
      return { resourceServer, seen: sightingOf(reader), proven: reader.proven !== null };
    })
    .toSorted(({ resourceServer: one }, { resourceServer: other }) =>
      one.identifier < other.identifier ? -1 : 1,
    );
}

export function readinessOf(
  { resourceServer, seen }: ServerReader,
  { kid, alg }: { readonly kid: string; readonly alg: string },
): Readiness {
  const { tokenFormat, signingAlgorithm } = resourceServer;
  if (tokenFormat === 'opaque' || signingAlgorithm !== alg) return 'not-needed';
  if (seen === null) return 'unknown';
  return Object.hasOwn(seen.keys, kid) ? 'ready' : 'behind';
}
