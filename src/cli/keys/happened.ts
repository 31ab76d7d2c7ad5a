import { moment, table } from '#src/cli/layout.ts';
import { type Report, snakeCase } from '#src/cli/report.ts';
import type { KeyEvent } from '#src/signing/key-event.ts';
import type { KeyRotation } from '#src/signing/rotation.ts';

const PAGE = 500;

/** `keyturn keys history`: the last `limit` things that happened to the keys, the latest at the end. */
export async function keyHistory(rotation: KeyRotation, limit: number): Promise<Report> {
  const events = (await everyKeyEvent(rotation)).slice(-limit);
  return {
    document: events.map((event) => ({
      at: event.at,
      what: snakeCase(event.what),
      alg: event.alg,
      kid: event.kid,
      signs_from: event.signsFrom,
      reason: event.reason,
      broke_glass: event.brokeGlass,
    })),
    text: (style) =>
      events.length === 0
        ? 'Nothing has happened to the keys since they were made.'
        : table(['WHEN', 'WHAT', 'ALG', 'KEY ID', ''], events.map(rowOf), style),
  };
}

/** All that is remembered of what happened to the keys, oldest first. */
export async function everyKeyEvent(rotation: KeyRotation): Promise<readonly KeyEvent[]> {
  const events: KeyEvent[] = [];
  for (let after = 0; ; ) {
    const page = await rotation.history({ after, limit: PAGE });
    events.push(...page.events);
    if (page.atEnd) return events;
    after = page.next;
  }
}

function rowOf({ at, what, alg, kid, signsFrom, reason, brokeGlass }: KeyEvent): (string | null)[] {
  const details = [
    signsFrom === null ? null : signsFrom <= at ? 'signs at once' : `signs from ${moment(signsFrom)}`,
    reason,
    brokeGlass ? 'broke the glass' : null,
  ];
  return [moment(at), WORDS[what], alg, kid, details.filter((detail) => detail !== null).join('; ')];
}

const WORDS: Readonly<Record<KeyEvent['what'], string>> = {
  stage: 'published',
  reschedule: 'brought forward',
  postpone: 'put off',
  extend: 'kept for longer',
  remove: 'removed',
  rotate: 'rotated',
  undo: 'brought back',
  revoke: 'revoked',
  import: 'imported',
  rehearse: 'rehearsed',
  withdraw: 'withdrawn',
  end: 'ended',
};
