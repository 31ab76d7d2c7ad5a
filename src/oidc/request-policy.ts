import type { OtherResponseType } from '#src/clients/response-type.ts';
import type { Seconds } from '#src/units.ts';

/** What the settings say of authorization requests. */
export interface RequestPolicy {
  /** Every client pushes its requests: RFC 9126 section 5. */
  readonly pushedRequired: boolean;
  readonly pushedLifetime: Seconds;
  /** The most bytes of a request that is pushed: RFC 9126 section 2.3. */
  readonly pushedMax: number;
  /** Every client signs its requests: RFC 9101 section 10.5. */
  readonly signedRequired: boolean;
  readonly webMessage: boolean;
  readonly otherResponseTypes: readonly OtherResponseType[];
  /** The most characters of the authorization details of one request. */
  readonly authorizationDetailsMax: number;
  /** The authentication context of a sign-in by password: OpenID Connect Core section 2, `acr`. */
  readonly passwordAcr: string;
}
