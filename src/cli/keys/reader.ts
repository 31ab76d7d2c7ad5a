import type { ServerReader } from '#src/jwks-readers/readiness.ts';
import type { Sighting } from '#src/jwks-readers/sighting.ts';

/** A resource server by its identifier; it is told where somebody only said to be it. */
export function readerName({ resourceServer: { identifier }, seen, proven }: ServerReader): string {
  return seen === null || proven ? identifier : `${identifier} (says it is)`;
}

export function readerDocument({ resourceServer, seen, proven }: ServerReader): object {
  return {
    identifier: resourceServer.identifier,
    ...sightingDocument(seen),
    proven: seen === null ? null : proven,
  };
}

export function sightingDocument(seen: Sighting | null): object {
  return {
    last_fetched_at: seen?.lastAt ?? null,
    program: seen?.program ?? null,
    network: seen?.network ?? null,
  };
}
