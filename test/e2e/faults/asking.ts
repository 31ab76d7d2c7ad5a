import { setTimeout } from 'node:timers/promises';
import { type Fleet, originOf } from '#test/e2e/faults/fleet.ts';
import type {
  Ended,
  Entry,
  History,
  Learned,
  OfFamily,
  Registered,
  Tokens,
} from '#test/e2e/faults/history.ts';
import { CALLBACK } from '#test/support/keyturn.ts';

/** What whoever asks has in common: whom they ask, and where it is written down. */
export interface Asking {
  readonly fleet: Fleet;
  readonly history: History;
  /** The header by which the client of all these tokens authenticates. */
  readonly authorization: string;
}

/** Who asks, and which server. */
export interface Asker {
  readonly who: string;
  readonly node: number;
}

/** How long an answer may take before it is given up, which no server lets happen; in milliseconds. */
const ANSWER_MAX_MS = 20_000;

/** A code, and what it takes to redeem it. */
export interface Code extends OfFamily {
  readonly verifier: string;
}

export function redeem(asking: Asking, asker: Asker, { account, code, verifier }: Code): Promise<Entry> {
  const form = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier };
  return asking.history.record({ ...asker, what: 'redeem', account, code }, () =>
    post(asking, asker, '/token', form),
  );
}

export function refresh(asking: Asking, asker: Asker, family: OfFamily, token: string): Promise<Entry> {
  const form = { grant_type: 'refresh_token', refresh_token: token };
  return asking.history.record({ ...asker, ...familyOf(family), what: 'refresh', token }, () =>
    post(asking, asker, '/token', form),
  );
}

export function introspect(asking: Asking, asker: Asker, family: OfFamily, token: string): Promise<Entry> {
  return asking.history.record({ ...asker, ...familyOf(family), what: 'introspect', token }, () =>
    post(asking, asker, '/introspect', { token }),
  );
}

/** RFC 7009: what ends with it is for the caller to say. */
export function revoke(asking: Asking, asker: Asker, ended: Ended, token: string): Promise<Entry> {
  return asking.history.record({ ...asker, ...ended, what: 'end' }, () =>
    post(asking, asker, '/revoke', { token }),
  );
}

/** RFC 7591. */
export function register(asking: Asking, asker: Asker, name: string): Promise<Entry> {
  const metadata = JSON.stringify({ client_name: name, redirect_uris: [CALLBACK] });
  return asking.history.record({ ...asker, what: 'register', kind: 'client', name }, () =>
    ask(asking, asker, '/register', { 'content-type': 'application/json' }, metadata),
  );
}

/** Runs a command of `keyturn`, which ends or registers something. */
export function command(
  { fleet, history }: Asking,
  who: string,
  asked: Commanded,
  [args, stdin = '']: readonly [args: readonly string[], stdin?: string],
): Promise<Entry> {
  return history.record({ who, node: 0, ...asked }, async () => {
    const { code, stderr } = await fleet.nodes[0].cli([...args, '--json'], { stdin });
    return code === 0 ? { outcome: 'done', detail: '' } : failureIn(stderr);
  });
}

function failureIn(stderr: string): Learned {
  const { error, message } = JSON.parse(stderr) as { error: string; message: string };
  return { outcome: FAULTS.has(error) ? 'unavailable' : 'refused', detail: `${error}: ${message}` };
}

/** What commands say when they could not reach the store. */
const FAULTS: ReadonlySet<string> = new Set(['storage_fault', 'setup_fault']);

export type Commanded =
  | ({ readonly what: 'end' } & Ended)
  | { readonly what: 'register'; readonly kind: Registered; readonly name: string };

/** How long somebody asks for the same thing without being told that it is done or refused, in milliseconds. */
const PATIENCE_MS = 45_000;
const PAUSE_MS = 200;

/**
 * Asks until there is an answer that says what was done, as a careful client does: after the pause that it was asked
 * for, and another server each time, as a load balancer would.
 */
export async function insist(ask: (turn: number) => Promise<Entry>): Promise<Entry> {
  const begun = performance.now();
  for (let turn = 0; ; turn += 1) {
    const entry = await ask(turn);
    const { outcome, who, what, detail, retryAfter } = entry;
    if (outcome === 'done' || outcome === 'refused') return entry;
    if (performance.now() - begun > PATIENCE_MS) throw new Error(`${who} gave up to ${what}: ${detail}`);
    await setTimeout(retryAfter === undefined ? PAUSE_MS : retryAfter * 1000);
  }
}

function post(asking: Asking, asker: Asker, path: string, form: Record<string, string>): Promise<Learned> {
  const { authorization } = asking;
  return ask(asking, asker, path, { authorization }, new URLSearchParams(form));
}

async function ask(
  { fleet }: Asking,
  { node }: Asker,
  path: string,
  headers: Record<string, string>,
  body: string | URLSearchParams,
): Promise<Learned> {
  const server = fleet.nodes[node % fleet.nodes.length] ?? fleet.nodes[0];
  try {
    const signal = AbortSignal.timeout(ANSWER_MAX_MS);
    const answer = await fetch(originOf(server) + path, { method: 'POST', headers, body, signal });
    return learnedFrom(answer, await answer.text());
  } catch (error) {
    const { message, cause } = error as Error & { cause?: { code?: string } };
    return { outcome: 'lost', detail: cause?.code ?? message };
  }
}

function learnedFrom({ ok, status, headers }: Response, text: string): Learned {
  const body = (text === '' ? {} : JSON.parse(text)) as Answer;
  const retryAfter = headers.get('retry-after');
  return {
    outcome: ok ? 'done' : status < 500 ? 'refused' : 'unavailable',
    detail: `${status} ${body.error ?? ''}`.trim(),
    tokens: tokensIn(body),
    active: body.active,
    retryAfter: retryAfter === null ? undefined : Number(retryAfter),
  };
}

interface Answer {
  readonly error?: string;
  readonly access_token?: string;
  readonly refresh_token?: string;
  readonly active?: boolean;
}

const tokensIn = ({ access_token: access, refresh_token: refresh }: Answer): Tokens | undefined =>
  access === undefined || refresh === undefined ? undefined : { access, refresh };

const familyOf = ({ account, code }: OfFamily): OfFamily => ({ account, code });
