import type { ClientSecret } from '#src/clients/client-secret.ts';
import type { EpochSeconds } from '#src/units.ts';

/** How a client came to be known to this server. */
export type RegisteredBy =
  | { readonly by: 'administrator' }
  | SelfRegistration
  /** Nothing of it is kept: its identifier leads to what it says of itself. */
  | { readonly by: 'metadata-document' };

/** A client that registered itself: RFC 7591. Nobody here has looked at what it says of itself. */
export interface SelfRegistration {
  readonly by: 'registration';
  /** By which it reads, changes and removes its registration: RFC 7592. Kept as a digest. */
  readonly accessToken: ClientSecret;
  /** The initial access token that let it in; `null` where anyone may come. */
  readonly initialAccessToken: string | null;
  /** What was signed about it by somebody who is trusted with that: RFC 7591 section 2.3. */
  readonly softwareStatement: { readonly text: string; readonly issuer: string } | null;
  /** What it holds while anyone may come; `null` for one that was let in. */
  readonly place: Place | null;
}

/** One of a bounded number of places for clients that came uninvited, held for as long as the client is in use. */
export interface Place {
  readonly number: number;
  readonly heldUntil: EpochSeconds;
}

export const BY_ADMINISTRATOR: RegisteredBy = { by: 'administrator' };

/** True if neither an administrator nor a token that one made has let the client in. */
export function cameUninvited(registeredBy: RegisteredBy): boolean {
  if (registeredBy.by === 'registration') return registeredBy.initialAccessToken === null;
  return registeredBy.by === 'metadata-document';
}
