import type { Actor, Confirmation, RestsOn } from '#src/tokens/access-token.ts';
import type { EpochSeconds } from '#src/units.ts';

/** A token of this server that a client brings to be exchanged, once it has been found to stand: RFC 8693 section 2.1. */
export interface PresentedToken {
  /** An ID token is for the client that it was issued to, and says nothing of what is allowed. */
  readonly kind: 'access' | 'id';
  /** Its name in the revocation set; `null` for an ID token, which cannot be revoked by itself. */
  readonly jti: string | null;
  /** The account, or the client that acts for itself. */
  readonly subject: string;
  /** What it calls its subject, which differs from one client to the next where subjects are pairwise. */
  readonly sub: string;
  /** The client that it was issued to. */
  readonly clientId: string;
  readonly audiences: readonly string[];
  readonly scope: readonly string[];
  /**
   * The resource servers that the person was asked about, which are all that an ID token is good for; `null` for an
   * access token, where the exchanging client's registration alone says.
   */
  readonly resources: readonly string[] | null;
  readonly expiresAt: EpochSeconds;
  /** The authorization that it was issued under; `null` where a client acts for itself. */
  readonly authorizationId: string | null;
  /** The key that it is bound to. */
  readonly confirmation: Confirmation | null;
  readonly act: Actor | null;
  readonly mayAct: Readonly<Record<string, unknown>> | null;
  readonly restsOn: RestsOn;
  /** What it tells of the sign-in: RFC 9068 section 2.2.1. */
  readonly signIn: SignInClaims;
}

export interface SignInClaims {
  readonly auth_time?: EpochSeconds;
  readonly acr?: string;
  readonly amr?: readonly string[];
}
