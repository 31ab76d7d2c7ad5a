import type { ClientSecrets } from '#src/clients/client-secret.ts';
import type { Credentials, Directory } from '#src/jwks-readers/directory.ts';
import { allTogether, NO_READERS, type OtherReader, type Readers } from '#src/jwks-readers/reader.ts';
import { type Fetched, Trace } from '#src/jwks-readers/trace.ts';

/** A name of one's own that somebody may give. A longer one is not worth remembering. */
const OTHER_NAME_LENGTH_MAX = 100;

/** A registered resource server, and by which of its secrets that is known; `null` where the caller only says so. */
export interface Known {
  readonly clientId: string;
  readonly secretId: string | null;
}

/** What a caller says it is, which is still to be looked at. */
export interface Claim {
  readonly credentials: Credentials | null;
  readonly name: string | null;
}

interface Noted<Who> {
  readonly who: Who;
  readonly trace: Trace;
}

/**
 * Who has fetched the JWK Set since this was last written down. Of resource servers there are as many as are registered;
 * of those that claim to be someone, and of those that do not, a bounded number each: the ones that were seen last.
 */
export class Seen {
  readonly #othersMax: number;
  readonly #known = new Map<string, Noted<Known>>();
  readonly #claiming = new Map<string, Noted<Claim>>();
  readonly #anonymous = new Map<string, Noted<null>>();

  constructor(othersMax: number) {
    this.#othersMax = othersMax;
  }

  get isEmpty(): boolean {
    return this.#known.size + this.#claiming.size + this.#anonymous.size === 0;
  }

  noteKnown(who: Known, fetched: Fetched): void {
    note(this.#known, `${who.clientId} ${who.secretId}`, who, fetched);
  }

  noteClaiming(who: Claim, fetched: Fetched): void {
    note(this.#claiming, JSON.stringify(who), who, fetched);
    bound(this.#claiming, this.#othersMax);
  }

  noteAnonymous(fetched: Fetched): void {
    note(this.#anonymous, `${fetched.program} ${fetched.network}`, null, fetched);
    bound(this.#anonymous, this.#othersMax);
  }

  /** Who they are, by the resource servers as they are registered now. */
  settle(directory: Directory, secrets: Pick<ClientSecrets, 'matching'>): Readers {
    const all = [
      ...this.#known.values().map((noted) => settledKnown(noted, directory)),
      ...this.#claiming.values().map((noted) => settledClaim(noted, directory, secrets)),
      ...this.#anonymous.values().map(({ trace }) => anonymous(trace)),
    ];
    return all.reduce((some, more) => allTogether(some, more, this.#othersMax), NO_READERS);
  }
}

/** Adds to what is known of a reader, who moves to the end of the map: it keeps the order in which keys came in. */
function note<Who>(map: Map<string, Noted<Who>>, key: string, who: Who, fetched: Fetched): void {
  const noted = map.get(key);
  if (noted === undefined) {
    map.set(key, { who, trace: new Trace(fetched) });
    return;
  }
  noted.trace.add(fetched);
  map.delete(key);
  map.set(key, noted);
}

function bound(map: Map<string, unknown>, max: number): void {
  if (map.size > max) map.delete(map.keys().next().value as string);
}

function settledKnown({ who, trace }: Noted<Known>, directory: Directory): Readers {
  const { clientId, secretId } = who;
  const stands = secretId === null ? directory.has(clientId) : directory.hasSecret(clientId, secretId);
  if (!stands) return anonymous(trace);
  return secretId === null ? said(clientId, trace) : proven(clientId, trace);
}

function settledClaim(
  { who: { credentials, name }, trace }: Noted<Claim>,
  directory: Directory,
  secrets: Pick<ClientSecrets, 'matching'>,
): Readers {
  const who = credentials && directory.provenBy(credentials, secrets);
  if (who !== null) return proven(who.clientId, trace);
  if (name === null) return anonymous(trace);
  const clientId = directory.named(name);
  if (clientId !== null) return said(clientId, trace);
  if (name.length > OTHER_NAME_LENGTH_MAX) return anonymous(trace);
  return { ...NO_READERS, named: [other(name, trace)] };
}

const proven = (clientId: string, trace: Trace): Readers => ({
  ...NO_READERS,
  known: new Map([[clientId, { proven: trace.sighting(), said: null }]]),
});

const said = (clientId: string, trace: Trace): Readers => ({
  ...NO_READERS,
  known: new Map([[clientId, { proven: null, said: trace.sighting() }]]),
});

const anonymous = (trace: Trace): Readers => ({ ...NO_READERS, anonymous: [other(null, trace)] });

const other = (name: string | null, trace: Trace): OtherReader => ({ name, sighting: trace.sighting() });
