/**
 * `away`: the token cannot be opened now. `pin`: it can be, and not with this PIN, which must not be tried again.
 * `no-such-key` `misfit` `refused`: it is there, and this cannot be had of it. `setup`: the module cannot be loaded.
 */
export type TokenProblemKind = 'away' | 'pin' | 'no-such-key' | 'misfit' | 'refused' | 'setup';

/** What is said of a PIN that nobody tries again. */
export const REFUSED_BEFORE = 'the token has refused the PIN, which is not tried again until it changes';

/** Why a token does not do what it was asked to. Holds no secret. */
export class TokenProblem extends Error {
  readonly kind: TokenProblemKind;

  constructor(kind: TokenProblemKind, message: string) {
    super(message);
    this.name = 'TokenProblem';
    this.kind = kind;
  }
}
