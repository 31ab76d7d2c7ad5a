import { hash, timingSafeEqual } from 'node:crypto';
import { errors, type Client as LibraryClient } from 'oidc-provider';
import type { AuthorizationCodePayload, AuthorizationCodes } from '#src/oidc/authorization-codes.ts';
import {
  concernedBy,
  grantableTo,
  isBound,
  type SignInSays,
  signedTokens,
} from '#src/oidc/direct/person-tokens.ts';
import type { PlainForm } from '#src/oidc/direct/plain-request.ts';
import type { RefreshDependencies } from '#src/oidc/direct/refresh.ts';
import { familySays, refreshTokenOf } from '#src/oidc/refresh-token-model.ts';
import type { SeenAuthorization } from '#src/tokens/authorization.ts';
import { newFamily } from '#src/tokens/refresh-token.ts';

export interface RedemptionDependencies extends RefreshDependencies {
  readonly codes: AuthorizationCodes;
}

/** RFC 7636 section 4.1. */
const CODE_VERIFIER = /^[\w.~-]{43,128}$/;

/**
 * The answer to a client that redeems a code as it is meant to: RFC 6749 section 4.1.4. `null` where the library is to
 * answer, above all for a code that was used before, whose authorization ends; nothing has been used up then. Whoever
 * redeems a code at the same time as another, and comes second, is refused here.
 * @throws StorageFault, SigningFault
 */
export async function redeemedTokens(
  { code: text, code_verifier: verifier, redirect_uri: redirectUri, ...further }: PlainForm,
  client: LibraryClient,
  deps: RedemptionDependencies,
): Promise<object | errors.OIDCProviderError | null> {
  if (!text || !verifier || !redirectUri || !CODE_VERIFIER.test(verifier)) return null;
  if (FURTHER.some((name) => further[name] !== undefined)) return null;
  if (!client.grantTypeAllowed('authorization_code') || isBound(client, deps)) return null;
  const code = await deps.codes.find(text);
  if (code === null || code.clientId !== client.clientId || code.redirectUri !== redirectUri) return null;
  if (code.consumed !== undefined || code.exp <= deps.clock.now() || !proves(verifier, code)) return null;
  const says: SignInSays = { ...code };
  const [seen, concerned] = await Promise.all([
    deps.authorizations.look(code.grantId),
    concernedBy(code.accountId, says, deps),
  ]);
  if (seen === null || seen.authorization.subject !== code.accountId) return null;
  const signIn = { authorizationId: code.grantId, authorization: seen.authorization, says };
  const grantable = grantableTo(client, signIn, concerned, deps);
  if (grantable === null) return null;
  await deps.keys.assertSigning();
  try {
    // What the code is used up for is made while the store takes note of it, and given away only then.
    const [refreshToken, tokens] = await Promise.all([
      usedUp(text, code, { seen, refreshes: client.grantTypeAllowed('refresh_token') }, deps),
      signedTokens(grantable, deps),
    ]);
    return { ...tokens, ...(refreshToken !== null && { refresh_token: refreshToken }) };
  } catch (refusal) {
    if (refusal instanceof errors.InvalidGrant) return refusal;
    throw refusal;
  }
}

/** What asks for less than was granted, or belongs to another grant. */
const FURTHER = ['refresh_token', 'resource', 'scope'] as const;

/** RFC 7636 section 4.6. */
function proves(
  verifier: string,
  {
    codeChallenge,
    codeChallengeMethod,
  }: Pick<AuthorizationCodePayload, 'codeChallenge' | 'codeChallengeMethod'>,
): boolean {
  if (codeChallenge === undefined || codeChallengeMethod !== 'S256') return false;
  const [expected, proved] = [codeChallenge, hash('sha256', verifier, 'base64url')].map((each) =>
    Buffer.from(each),
  );
  return expected?.length === proved?.length && timingSafeEqual(expected as Buffer, proved as Buffer);
}

/**
 * Uses the code up and begins its family of refresh tokens, in one commit. The first token of that; `null` for a client that does not
 * refresh. @throws errors.InvalidGrant if the code was used before, or its authorization has ended
 */
async function usedUp(
  text: string,
  code: AuthorizationCodePayload,
  { seen, refreshes }: { seen: SeenAuthorization; refreshes: boolean },
  deps: RedemptionDependencies,
): Promise<string | null> {
  const { grantId: id } = code;
  if (!refreshes) {
    await deps.codes.consume(text);
    return null;
  }
  const says = familySays({ ...code, gty: 'authorization_code' });
  const family = newFamily(says, deps.clock.now());
  const [outcome] = await Promise.all([
    deps.authorizations.startFamilyOf(id, seen, family),
    deps.codes.consume(text),
  ]);
  // Somebody who came second may have begun one as well, and has nothing of it.
  const begun = outcome === 'changed' ? await deps.authorizations.startFamily(id, says) : family;
  if (outcome === 'ended' || begun === null)
    throw new errors.InvalidGrant('the authorization has been ended');
  return refreshTokenOf(id, begun, deps);
}
