import type { SectionName } from '#src/account-page/section.ts';
import type { ActiveAccount } from '#src/accounts/account.ts';
import type { EpochSeconds, Seconds } from '#src/units.ts';

/** Somebody who is signed in and has come to the page of their account. */
export interface Visitor {
  readonly account: ActiveAccount;
  readonly sessionUid: string;
  readonly signedInAt: EpochSeconds;
  readonly acr: string | undefined;
  readonly amr: readonly string[] | undefined;
}

/** Where visitors come from. `Request` is what the transport knows of the browser. */
export interface Visitors<Request> {
  /** Who is signed in in this browser; `null` if nobody is. */
  find(request: Request): Promise<Visitor | null>;

  /** Where somebody signs in, and comes back to this section. With `maxAge` a sign-in that is older does not count. */
  signInAddress(section: SectionName, options?: { readonly maxAge?: Seconds | undefined }): string;

  /** Signs somebody in anew in this browser, now that every sign-in before has ended. */
  renew(request: Request, visitor: Visitor): Promise<void>;
}

/** True if the sign-in is recent enough for what matters. */
export function isFresh(visitor: Visitor, now: EpochSeconds, freshFor: Seconds): boolean {
  return now - visitor.signedInAt <= freshFor;
}
