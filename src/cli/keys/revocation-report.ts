import { type Alive, aliveNow, counted, signInsOf, tokenWords } from '#src/cli/keys/alive.ts';
import { type Followed, followedText } from '#src/cli/keys/followed.ts';
import { someOf, type Touched, touchedDocument } from '#src/cli/keys/touched.ts';
import { facts, moment } from '#src/cli/layout.ts';
import type { Report } from '#src/cli/report.ts';
import { type Style, visible } from '#src/cli/terminal.ts';
import { formatDuration } from '#src/config/duration.ts';
import { type Aftermath, aftermathOf } from '#src/key-usage/aftermath.ts';
import type { Services } from '#src/services.ts';
import type { KeyListing } from '#src/signing/key-listing.ts';
import type { RevocationOutcome } from '#src/signing/rotation.ts';
import type { EpochSeconds } from '#src/units.ts';

/** A key as it was, and what came of revoking it. */
export interface RevokedListing {
  readonly key: KeyListing;
  readonly outcome: RevocationOutcome;
}

interface Revocation {
  readonly touched: Touched;
  readonly revoked: readonly RevokedListing[];
  readonly reason: string;
  readonly all: boolean;
  readonly followedBy: Followed;
  readonly now: EpochSeconds;
}

/** What came of it: of the keys, of the tokens, and of those who hold and take them. */
interface Happened extends Revocation {
  /** What signs now, and what has been made to sign after that. */
  readonly keys: readonly KeyListing[];
  readonly aftermath: Aftermath;
  /** All of them have been looked at. */
  readonly signIns: { readonly families: number; readonly people: number };
  readonly services: Services;
}

/** What happened when keys were revoked, for the one who has to tell the others. */
export async function whatHappened(services: Services, revocation: Revocation): Promise<Report> {
  const { touched, revoked, now } = revocation;
  const ofRefresh = revoked.some(({ key }) => key.purpose === 'refresh');
  const alive = await aliveNow(services, now, ofRefresh ? Number.POSITIVE_INFINITY : 0);
  const ofRevoked = touched.keys.flatMap(({ key, reliance }) =>
    reliance === null ? [] : [{ key, reliance, tokens: touched.alive.tokens.get(key.kid) }],
  );
  const algorithms = new Set(revoked.map(({ key }) => key.alg));
  const keys = (await services.rotation.list()).filter(
    ({ alg, state }) => algorithms.has(alg) && (state === 'active' || state === 'next'),
  );
  const happened: Happened = {
    ...revocation,
    keys,
    aftermath: aftermathOf(ofRevoked, services.rotation.policy, now),
    signIns: signInsOf(
      alive,
      revoked.map(({ key }) => key.kid),
    ),
    services,
  };
  return { document: documentOf(happened, alive), text: (style) => textOf(happened, style) };
}

function documentOf(happened: Happened, alive: Alive): object {
  const { touched, revoked, all, followedBy, keys, aftermath, signIns } = happened;
  const each = revoked.map(({ key, outcome }) => ({
    kid: key.kid,
    alg: key.alg,
    successor:
      outcome.outcome === 'revoked' && outcome.successor !== null
        ? { kid: outcome.successor.kid, caches_may_lack_it: outcome.successor.cachesMayLackIt }
        : null,
    touches: touchedDocument({ ...touched, alive: { ...touched.alive, ...signInsIn(alive) } }, key.kid),
  }));
  return {
    outcome: 'revoked',
    ...(all ? { keys: each } : each[0]),
    known_to: followedBy.servers.length - followedBy.behind.length,
    not_known_to: followedBy.behind.map(({ id, name, clock }) => ({ id, name, heard_at: clock })),
    keys_now: keys.map(({ kid, alg, state }) => ({ kid, alg, state })),
    ended: {
      access_tokens: aftermath.accessTokens,
      id_tokens: aftermath.idTokens,
      sign_ins: signIns.families,
      people: signIns.people,
    },
    must_sign_in_again: {
      people: signIns.people,
      clients: aftermath.clientsWithoutRefresh.map(({ clientId, name }) => ({
        client_id: clientId,
        client_name: name,
      })),
    },
    may_accept_until: aftermath.verifiers.length === 0 ? null : aftermath.acceptedUntil,
    verify_by_themselves: aftermath.verifiers.map(({ identifier, name, statusList }) => ({
      identifier,
      name,
      status_list: statusList,
    })),
  };
}

const signInsIn = ({ signIns, allSignIns }: Alive) => ({ signIns, allSignIns });

function textOf(happened: Happened, style: Style): string {
  const { revoked, all, reason } = happened;
  const [only] = revoked;
  if (only === undefined) return 'Somebody else was faster. Nothing was changed.';
  const what = all ? `all ${counted(revoked.length, 'key')}` : `the ${only.key.alg} key ${only.key.kid}`;
  return [
    `${style('good', 'Revoked')} ${what}: ${visible(reason)}`,
    '',
    facts(
      {
        published: publishedFact(happened),
        'known to': followedText(happened.followedBy, happened.services.fleet, happened.now),
        ended: endedFact(happened),
        'signs now': signingFact(happened, style),
        'signs next': nextFact(happened),
        'sign in again': signInFact(happened),
        'told of it': toldFact(happened),
        'may still accept': acceptingFact(happened),
      },
      style,
    ),
    ...(all ? ['', style('notable', STOLEN)] : []),
  ].join('\n');
}

const STOLEN =
  'Whoever has the store and its key-encryption key knows everything else in it too, such as secrets that clients sign with.';

function publishedFact({ revoked }: Happened): string | undefined {
  if (revoked.every(({ key }) => key.purpose === 'refresh')) return undefined;
  return 'no more, by any server that knows of this';
}

function endedFact({ revoked, aftermath, signIns }: Happened): string[] {
  const kinds = new Set(revoked.map(({ key }) => key.purpose));
  const { accessTokens: access, idTokens: id } = aftermath;
  const { families, people } = signIns;
  const refreshed =
    families === 0
      ? 'no sign-in'
      : `${counted(families, 'sign-in')} of ${counted(people, 'account')}, whose refresh tokens are refused from now on`;
  const signed =
    access + id === 0
      ? 'whatever it signed is inactive at introspection; no token of it that is alive is known'
      : `${tokenWords({ access, id })} at least, inactive at introspection from now on`;
  return [...(kinds.has('jwks') ? [signed] : []), ...(kinds.has('refresh') ? [refreshed] : [])];
}

function signingFact({ revoked, keys, services }: Happened, style: Style): string[] {
  const algorithms = [...new Set(revoked.map(({ key }) => key.alg))];
  const now = services.rotation.policy;
  return algorithms.map((alg) => {
    const active = keys.find((key) => key.alg === alg && key.state === 'active');
    if (active === undefined) {
      const target = now.algorithms[0];
      return style(
        'bad',
        `${alg}  nothing. Whoever is registered for it gets errors: keyturn keys migrate ${alg} ${target} --all`,
      );
    }
    const lacked = active.purpose === 'jwks' && active.readyAt > (active.signsFrom ?? 0);
    const caches = lacked
      ? style('notable', ', published so recently that caches may have to fetch it first')
      : '';
    return `${alg}  ${active.kid}${caches}`;
  });
}

function nextFact({ keys }: Happened): string[] | undefined {
  const next = keys.filter(({ state }) => state === 'next').map(({ alg, kid }) => `${alg}  ${kid}`);
  return next.length === 0 ? undefined : next;
}

function signInFact({ revoked, aftermath, signIns: { people } }: Happened): string[] {
  const ofRefresh = revoked.some(({ key }) => key.purpose === 'refresh');
  const names = aftermath.clientsWithoutRefresh.map(({ name }) => visible(name));
  const refreshing =
    people === 0
      ? 'nobody'
      : `${people === 1 ? 'one person' : `${people.toLocaleString('en')} people`}, each as soon as an access token expires`;
  return [
    ofRefresh ? refreshing : 'nobody who has a refresh token',
    ...(names.length === 0 ? [] : [`the people of clients that have no refresh token: ${someOf(names)}`]),
  ];
}

function toldFact({ revoked, aftermath, services }: Happened): string[] | undefined {
  if (revoked.every(({ key }) => key.purpose === 'refresh')) return undefined;
  const lists = aftermath.verifiers.filter(({ statusList }) => statusList).map(({ name }) => visible(name));
  const { ttl } = services.config.statusLists;
  return [
    'at once: whoever introspects, or listens to /revocations',
    ...(lists.length === 0 ? [] : [`within ${formatDuration(ttl)}, by status list: ${someOf(lists)}`]),
  ];
}

function acceptingFact({ aftermath }: Happened): string[] | undefined {
  const { verifiers, acceptedUntil } = aftermath;
  if (verifiers.length === 0) return undefined;
  const names = verifiers.filter(({ statusList }) => !statusList).map(({ name }) => visible(name));
  if (names.length === 0) return undefined;
  return [`until ${moment(acceptedUntil)} at most, if it only verifies signatures: ${someOf(names)}`];
}
