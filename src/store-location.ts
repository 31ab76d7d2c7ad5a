import { isIPv6 } from 'node:net';
import { Secret } from '#src/secret.ts';

/** Where the records live: an engine, and what tells it the place. */
export type StoreLocation = SqliteLocation | RedisLocation;

export interface SqliteLocation {
  readonly engine: 'sqlite';
  readonly path: string;
}

export interface RedisLocation {
  readonly engine: 'redis';
  /** What the nodes are: the one server, the sentinels that know which server it is, or some nodes of a cluster. */
  readonly topology: 'standalone' | 'sentinel' | 'cluster';
  readonly nodes: readonly RedisNode[];
  /** Under which name the sentinels know the primary. */
  readonly primaryName: string | null;
  readonly database: number;
  readonly tls: boolean;
  readonly username: string | null;
  readonly password: Secret | null;
}

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

/** Reads the location of a store as it is written, or says what is wrong with it. Neither repeats a password. */
export function parseStoreLocation(text: string): StoreLocation | { readonly wrong: string } {
  const path = /^sqlite:([^\0]+)$/.exec(text)?.[1];
  if (path !== undefined) {
    // SQLite gives this name a meaning of its own.
    if (path === ':memory:') return { wrong: 'would forget everything at the end of the process' };
    return { engine: 'sqlite', path };
  }
  const parts = REDIS_URL.exec(text)?.groups;
  return parts === undefined ? { wrong: 'names no store that is known' } : parseRedis(parts);
}

/** The location as it may be shown: without its password. */
export function writtenStoreLocation(location: StoreLocation): string {
  if (location.engine === 'sqlite') return `sqlite:${location.path}`;
  const { topology, nodes, primaryName, database, tls, username } = location;
  const scheme = (tls ? 'rediss' : 'redis') + (topology === 'standalone' ? '' : `+${topology}`);
  const user = username === null ? '' : `${encodeURIComponent(username)}@`;
  const hosts = nodes.map(({ host, port }) => `${isIPv6(host) ? `[${host}]` : host}:${port}`).join();
  const path = [primaryName, database === 0 ? null : database].filter((part) => part !== null);
  return `${scheme}://${user}${hosts}${path.map((part) => `/${part}`).join('')}`;
}

/** The grammar of the library's URLs, with room for several nodes. A password is everything up to the last `@`. */
const REDIS_URL =
  /^(?<scheme>rediss?)(?:\+(?<topology>sentinel|cluster))?:\/\/(?:(?<userinfo>.*)@)?(?<hosts>[^/?#@]*)(?:\/(?<path>[^?#@]*))?$/;

const REDIS_PORT = 6379;
const SENTINEL_PORT = 26_379;

function parseRedis(parts: Readonly<Record<string, string | undefined>>): RedisLocation | { wrong: string } {
  const topology = (parts.topology ?? 'standalone') as RedisLocation['topology'];
  const nodes = (parts.hosts ?? '')
    .split(',')
    .map((text) => parseNode(text, topology === 'sentinel' ? SENTINEL_PORT : REDIS_PORT));
  if (!nodes.every((node) => node !== null)) return { wrong: 'names a host that is no host name and port' };
  if (topology === 'standalone' && nodes.length > 1) {
    return { wrong: 'names several servers, which only sentinels and nodes of a cluster can be' };
  }
  const user = parseUserinfo(parts.userinfo);
  if (user === null) return { wrong: 'has a user or a password that is not percent-encoded' };
  const place = parsePath(topology, parts.path ?? '');
  if (place === null) return { wrong: WRONG_PATHS[topology] };
  return { engine: 'redis', topology, nodes, tls: parts.scheme === 'rediss', ...user, ...place };
}

const WRONG_PATHS = {
  standalone: 'has another path than the number of a database',
  sentinel: 'has another path than the name of the primary, and perhaps the number of a database',
  cluster: 'has a path, and a cluster has one database alone',
};

function parsePath(topology: RedisLocation['topology'], path: string) {
  const [, primaryName = null, number] =
    (topology === 'sentinel' ? /^([\w.-]+)(?:\/(\d{1,5}))?$/ : /^()(\d{1,5})?$/).exec(path) ?? [];
  if (primaryName === null || (topology === 'cluster' && number !== undefined)) return null;
  return { primaryName: primaryName || null, database: Number(number ?? 0) };
}

function parseNode(text: string, byDefault: number): RedisNode | null {
  const [, bracketed, name, digits] = /^(?:\[([^\]]+)\]|([\w.-]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = bracketed ?? name;
  const port = digits === undefined ? byDefault : Number(digits);
  if (host === undefined || (bracketed !== undefined && !isIPv6(bracketed))) return null;
  return port >= 1 && port <= 65_535 ? { host, port } : null;
}

function parseUserinfo(userinfo: string | undefined): Pick<RedisLocation, 'username' | 'password'> | null {
  const [, user = '', secret] = /^([^:]*)(?::(.*))?$/s.exec(userinfo ?? '') ?? [];
  try {
    const password = secret === undefined || secret === '' ? null : new Secret(decodeURIComponent(secret));
    return { username: user === '' ? null : decodeURIComponent(user), password };
  } catch {
    return null;
  }
}
