import type { Client as LibraryClient } from 'oidc-provider';
import { type Account, claimsOf } from '#src/accounts/account.ts';
import type { Clock } from '#src/clock.ts';
import { claimsAskedBy } from '#src/oidc/account-claims.ts';
import { subjectFor } from '#src/oidc/subjects.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '#src/signing/algorithm.ts';
import { type Signer, signJwt } from '#src/signing/jws.ts';
import type { PairwiseSubjects } from '#src/tokens/pairwise-subject.ts';
import { after, type Seconds } from '#src/units.ts';

export interface IdTokenDependencies {
  readonly issuer: string;
  readonly clock: Clock;
  readonly pairwise: PairwiseSubjects;
  readonly keys: { signs(alg: SigningAlgorithm): boolean };
  readonly lifetimes: { readonly idToken: Seconds };
  signer(alg: SigningAlgorithm): Signer;
}

/** What an ID token says beside who the person is. */
export interface SignInDetails {
  readonly scope: readonly string[];
  readonly authorizationId: string;
  readonly authTime?: unknown;
  readonly acr?: unknown;
  readonly amr?: unknown;
  readonly nonce?: unknown;
  readonly sid?: unknown;
}

/** True for a client whose ID tokens are signed by a key of the ring, and not encrypted. */
export function takesSignedIdTokens(
  client: LibraryClient,
  { keys }: Pick<IdTokenDependencies, 'keys'>,
): boolean {
  const alg = SIGNING_ALGORITHMS.find((each) => each === client.idTokenSignedResponseAlg);
  return alg !== undefined && keys.signs(alg) && client.idTokenEncryptedResponseAlg === undefined;
}

/** The claims of the scopes, for a client that `takesSignedIdTokens`: OpenID Connect Core sections 2 and 5.4. */
export async function idTokenFor(
  client: LibraryClient,
  account: Account,
  details: SignInDetails,
  deps: IdTokenDependencies,
): Promise<string> {
  const { scope, authorizationId, authTime, acr, amr, nonce, sid } = details;
  const known: Readonly<Record<string, unknown>> = { ...claimsOf(account), auth_time: authTime, acr, amr };
  const now = deps.clock.now();
  const claims = {
    ...claimsAskedBy(scope, known),
    sub: subjectFor(client, account.subject, deps.pairwise),
    nonce,
    sid,
    grant_id: authorizationId,
    aud: client.clientId,
    exp: after(now, deps.lifetimes.idToken),
    iat: now,
    iss: deps.issuer,
  };
  return signJwt(deps.signer(client.idTokenSignedResponseAlg as SigningAlgorithm), {}, claims);
}
