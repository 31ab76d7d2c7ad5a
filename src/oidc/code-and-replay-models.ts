import { type AuthorizationCode, errors, type Provider, type ReplayDetection } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import type { AssertAnswerable } from '#src/oidc/assert-answerable.ts';
import { openingAuthorization } from '#src/oidc/authorization-opening.ts';
import { currentRequest, type LibraryModel, teachable } from '#src/oidc/library.ts';
import type { Records } from '#src/records.ts';
import type { Authorization, Authorizations } from '#src/tokens/authorization.ts';
import { after, days, epochSeconds, minutes } from '#src/units.ts';

interface Dependencies {
  readonly records: Records;
  readonly clock: Clock;
  readonly authorizations: Authorizations;
  readonly assertAnswerable: AssertAnswerable;
}

/** A code; one that is made without the library's request says itself which authorization it `opens`. */
type Code = AuthorizationCode & { readonly opens?: Authorization };

/** Teaches the library that an authorization opens with its code, and that nothing is taken twice. */
export function teachCodesAndReplays(provider: Provider, deps: Dependencies): void {
  teachCodes(provider, deps);
  teachReplayDetection(provider, deps);
}

function teachCodes(provider: Provider, { authorizations, assertAnswerable }: Dependencies): void {
  const Codes = teachable<Code>(provider.AuthorizationCode);
  const { save, consume } = Codes.prototype;
  Codes.prototype.save = async function saveCode(this: Code & LibraryModel) {
    if (this.grantId === undefined) throw new Error('a code carries a grant');
    const authorization = this.opens ?? (await openingAuthorization(currentRequest().oidc, this));
    // Both writes belong to one turn, so the store commits them together.
    const [opened, value] = await Promise.all([
      authorizations.open(this.grantId, authorization),
      save.call(this),
    ]);
    if (!opened) throw new errors.AccessDenied('the session has ended');
    return value;
  };
  Codes.prototype.consume = async function consumeCode(this: Code & LibraryModel) {
    // Whatever the request got wrong must be told before the code is used up, else a typing error costs a sign-in.
    await assertAnswerable(currentRequest(), this);
    await consume.call(this);
  };
}

/** No client's secret or key lives that long, whatever its assertion says of its own lifetime. */
const REPLAY_MEMORY_MAX = days(3650);

/**
 * How far ahead a proof of DPoP may be dated: the library takes it from then on for as long again, and has forgotten it
 * halfway.
 */
const DATED_AHEAD_MAX = minutes(5);

/** Whoever presents an assertion or a proof first has used it: RFC 7523 section 3, RFC 9449 section 11.1. */
function teachReplayDetection(provider: Provider, { records, clock }: Dependencies): void {
  const Replays = provider.ReplayDetection as unknown as {
    unique(issuer: string, id: string, expiresAt: number): Promise<boolean>;
  } & typeof ReplayDetection;
  Replays.unique = async (issuer, id, expiresAt) => {
    const now = clock.now();
    const wanted = Math.max(Math.ceil(expiresAt), now) + DATED_AHEAD_MAX;
    const remembered = Math.min(wanted, after(now, REPLAY_MEMORY_MAX));
    const { outcome } = await records.put({
      kind: 'replay',
      id: JSON.stringify([issuer, id]),
      value: null,
      expiresAt: epochSeconds(remembered),
      onlyIf: 'absent',
    });
    return outcome === 'stored';
  };
}
