import type { AuthorizationDetail } from '#src/authorization-details/detail.ts';
import type { Consent } from '#src/interaction/consent.ts';
import type { EpochSeconds } from '#src/units.ts';

/** A question that an authorization request has for the person in front of the browser. */
export interface Interaction {
  readonly uid: string;
  /** What the protocol waits for: `login`, `select_account`, `consent`, or what this program has no page for. */
  readonly prompt: string;
  readonly clientId: string;
  readonly clientName: string;
  /** The client's page, if an administrator vouches for it. */
  readonly clientUri: string | undefined;
  readonly says: ClientSays;
  /** Who vouches for what is known of the client: an administrator, nobody, or a host that is its identifier's. */
  readonly vouchedBy: 'administrator' | 'nobody' | { readonly host: string };
  /** Where the browser will be sent in the end; `null` if it stays here. */
  readonly redirectUri: string | null;
  /** Who is signed in already; `null` if nobody is. */
  readonly subject: string | null;
  readonly loginHint: string | undefined;
  readonly uiLocales: string | undefined;
  /** All that the request asks for, whether or not it was agreed to before. */
  readonly requested: Consent;
  /** What it asks for in detail, each time anew: RFC 9396. */
  readonly details: readonly AuthorizationDetail[];
}

/** What a client says of itself: RFC 7591 section 2. Whether anybody has checked it, `vouchedBy` tells. */
export interface ClientSays {
  readonly logoUri: string | undefined;
  readonly clientUri: string | undefined;
  readonly policyUri: string | undefined;
  readonly tosUri: string | undefined;
}

/** How a person has answered. */
export type Answer =
  | {
      readonly answer: 'signed-in';
      readonly subject: string;
      readonly at: EpochSeconds;
      /** How: RFC 8176, and OpenID Connect Core section 2. */
      readonly amr: readonly string[];
      readonly acr: string;
    }
  /** With the account that is signed in. */
  | { readonly answer: 'account-selected' }
  | { readonly answer: 'consented' }
  | { readonly answer: 'denied'; readonly description: string };

/** Where interactions come from and where answers go. `Request` is what the transport knows of the browser. */
export interface Interactions<Request> {
  /** The interaction that this browser is in, or `null` if it has ended, expired, or belongs to another browser. */
  find(request: Request): Promise<Interaction | null>;

  /**
   * Begins the same request anew, with the question of who is there, and says where the browser goes on; `null` as in
   * `find`.
   */
  askWhoIsThere(request: Request): Promise<string | null>;

  /** Takes the answer and says where the browser goes on; `null` as in `find`. */
  answer(request: Request, answer: Answer): Promise<string | null>;
}
