import { aliveCell, aliveDocument, aliveNow, countNote } from '#src/cli/keys/alive.ts';
import { standingDocument, standingLines, standingsOf } from '#src/cli/keys/standing.ts';
import { distance, moment, table } from '#src/cli/layout.ts';
import type { Report } from '#src/cli/report.ts';
import type { Style } from '#src/cli/terminal.ts';
import type { LackedKey } from '#src/jwks-readers/readiness-gate.ts';
import type { Services } from '#src/services.ts';
import { type KeyListing, nextRotation } from '#src/signing/key-listing.ts';
import { turnsSoon } from '#src/signing/ring-plan.ts';
import type { EpochSeconds } from '#src/units.ts';

/** `keyturn keys list` */
export async function listKeys(services: Services, now: EpochSeconds): Promise<Report> {
  const keys = await services.rotation.list();
  const next = keys
    .filter(({ state }) => state === 'next')
    .toSorted((one, other) => (one.signsFrom ?? 0) - (other.signsFrom ?? 0));
  const standings = await standingsOf(services, next);
  const { ring } = services.rotation.held;
  const alive = await aliveNow(services, now);
  const lacked = await services.readiness.lacked(turnsSoon(ring, services.rotation.policy, now), now);
  return {
    document: keys.map((key) => ({
      ...documentOf(key),
      alive: aliveDocument(alive, key),
      ...standingDocument(standings, key.kid),
      ...(key.state === 'next' ? { held_until: heldUntil(lacked, key.kid) } : undefined),
    })),
    text: (style) =>
      [
        table(
          ['STATE', 'ALG', 'SINCE', 'UNTIL', 'ALIVE', 'KEY ID'],
          keys.map((key) => rowOf(key, aliveCell(alive, key), now)),
          style,
        ),
        '',
        ...rotationsText(keys, now, style),
        '',
        ...standings.flatMap((each) => [
          `${style('strong', each.alg)}  next key ${each.kid}${heldText(heldUntil(lacked, each.kid), style)}`,
          ...standingLines(each, now, style),
        ]),
        '',
        style('faint', countNote(alive, now)),
        style(
          'faint',
          'HS256 signs refresh tokens, which only this server reads; those keys are never published.',
        ),
      ].join('\n'),
  };
}

const heldUntil = (lacked: readonly LackedKey[], kid: string): EpochSeconds | null =>
  lacked.find((each) => each.kid === kid)?.heldUntil ?? null;

const heldText = (until: EpochSeconds | null, style: Style): string =>
  until === null ? '' : style('notable', ` waits until ${moment(until)} at most`);

function rotationsText(keys: readonly KeyListing[], now: EpochSeconds, style: Style): string[] {
  return [...new Set(keys.map(({ alg }) => alg))].map((alg) => {
    const next = nextRotation(keys, alg);
    const when = next === null ? 'none is planned' : `${distance(next, now)}, ${moment(next)}`;
    return `next rotation of ${style('strong', alg)}: ${when}`;
  });
}

function rowOf(key: KeyListing, alive: string | null, now: EpochSeconds): (string | null)[] {
  const { since, until } = spanOf(key);
  const end = until === null ? null : `${moment(until)}, ${distance(until, now)}`;
  const reason = key.reason === null ? '' : ` (${key.reason})`;
  return [key.state, key.alg, moment(since), end, alive, key.kid + reason];
}

/** From when to when a key is in the state that it is in; the end is the one planned now. */
function spanOf(key: KeyListing): { since: EpochSeconds; until: EpochSeconds | null } {
  const { state, publishedAt, signsFrom, retiredAt, revokedAt, removedAt } = key;
  if (state === 'next') return { since: publishedAt, until: signsFrom };
  if (state === 'active') return { since: signsFrom ?? publishedAt, until: retiredAt };
  return { since: revokedAt ?? retiredAt ?? publishedAt, until: removedAt };
}

function documentOf(key: KeyListing): object {
  return {
    kid: key.kid,
    alg: key.alg,
    purpose: key.purpose,
    state: key.state,
    published_at: key.publishedAt,
    ready_at: key.readyAt,
    signs_from: key.signsFrom,
    retired_at: key.retiredAt,
    removed_at: key.removedAt,
    revoked_at: key.revokedAt,
    reason: key.reason,
    outside: key.outside,
  };
}
