import { distance } from '#src/cli/layout.ts';
import type { LivingTokens } from '#src/key-usage/key-usage.ts';
import type { SignIns } from '#src/key-usage/sign-ins.ts';
import type { Services } from '#src/services.ts';
import type { KeyListing } from '#src/signing/key-listing.ts';
import type { EpochSeconds } from '#src/units.ts';

/** What is alive of what the keys have signed. */
export interface Alive {
  readonly tokens: ReadonlyMap<string, LivingTokens>;
  /** When a server last wrote down how many tokens there are; `null` if none has. */
  readonly countedAt: EpochSeconds | null;
  readonly signIns: ReadonlyMap<string, SignIns>;
  /** False if there are so many sign-ins that not all of them have been looked at. */
  readonly allSignIns: boolean;
}

/** Looking at so many takes about a second. */
export const SIGN_INS_MAX = 20_000;

/** Looks at `max` sign-ins at most. @throws StorageFault */
export async function aliveNow(
  { keyUsage, rotation }: Pick<Services, 'keyUsage' | 'rotation'>,
  now: EpochSeconds,
  max = SIGN_INS_MAX,
): Promise<Alive> {
  const { ring } = await rotation.refresh();
  const { byKid: tokens, countedAt } = await keyUsage.tokens(now);
  const { byKid: signIns, complete: allSignIns } = await keyUsage.signIns(ring, { now, max });
  return { tokens, countedAt, signIns, allSignIns };
}

/** The sign-ins of several keys. */
export function signInsOf(
  { signIns }: Alive,
  kids: readonly string[],
): { readonly families: number; readonly people: number } {
  const those = kids.flatMap((kid) => signIns.get(kid) ?? []);
  return {
    families: those.reduce((total, { families }) => total + families, 0),
    people: new Set(those.flatMap(({ people }) => [...people])).size,
  };
}

/** What is added to a key in a document. */
export function aliveDocument(
  { tokens, countedAt, signIns, allSignIns }: Alive,
  { kid, purpose }: Pick<KeyListing, 'kid' | 'purpose'>,
): object {
  if (purpose === 'refresh') {
    const { families = 0, people, lastExpiresAt = null } = signIns.get(kid) ?? {};
    const size = people?.size ?? 0;
    return { sign_ins: families, people: size, complete: allSignIns, last_expires_at: lastExpiresAt };
  }
  const { access = 0, id = 0, lastExpiresAt = null } = tokens.get(kid) ?? {};
  return { access_tokens: access, id_tokens: id, counted_at: countedAt, last_expires_at: lastExpiresAt };
}

/** What is alive of a key, in few words. */
export function aliveCell(
  { tokens, signIns, allSignIns }: Alive,
  { kid, purpose }: Pick<KeyListing, 'kid' | 'purpose'>,
): string | null {
  if (purpose === 'jwks') {
    const { access = 0, id = 0 } = tokens.get(kid) ?? {};
    return access + id === 0 ? null : counted(access + id, 'token');
  }
  const { families = 0 } = signIns.get(kid) ?? {};
  if (families === 0) return null;
  return `${allSignIns ? '' : 'over '}${counted(families, 'sign-in')}`;
}

/** How much is to be believed of a count of tokens. */
export function countNote({ countedAt }: Alive, now: EpochSeconds): string {
  if (countedAt === null) return 'No server has counted yet how many tokens are alive.';
  return `Tokens that have not expired, at least, as of ${distance(countedAt, now)}.`;
}

/** Tokens by their kind, in words. */
export function tokenWords({ access, id }: Pick<LivingTokens, 'access' | 'id'>): string {
  const kinds = [
    ...(access > 0 || id === 0 ? [counted(access, 'access token')] : []),
    ...(id > 0 ? [counted(id, 'ID token')] : []),
  ];
  return kinds.join(' and ');
}

/** A number of things: `1 token`, `1,204 tokens`. */
export function counted(count: number, thing: string): string {
  return `${count.toLocaleString('en')} ${thing}${count === 1 ? '' : 's'}`;
}
