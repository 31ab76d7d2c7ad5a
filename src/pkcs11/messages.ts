import type { JsonWebKey } from 'node:crypto';
import type { TokenAppearance, TokenKey } from '#src/pkcs11/token.ts';
import type { TokenProblemKind } from '#src/pkcs11/token-problem.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';

/** What the process that holds a token is asked, one at a time, and what it answers. */
export interface TokenRequests {
  /** The first one: which module and token, and the PIN. */
  open: { readonly ask: TokenLocation & { readonly pin: string }; readonly answer: null };
  sign: { readonly ask: readonly SignRequest[]; readonly answer: readonly SignAnswer[] };
  generate: {
    readonly ask: { readonly label: string; readonly alg: SigningAlgorithm };
    readonly answer: JsonWebKey;
  };
  read: { readonly ask: { readonly label: string }; readonly answer: TokenKey };
  destroy: { readonly ask: { readonly label: string }; readonly answer: null };
  look: { readonly ask: null; readonly answer: TokenAppearance };
}

export interface TokenLocation {
  /** The path of the module. */
  readonly module: string;
  /** The label of the token. */
  readonly token: string;
}

export interface SignRequest {
  readonly label: string;
  readonly alg: SigningAlgorithm;
  readonly data: Uint8Array;
}

/** What went wrong, as it travels between processes. */
export interface ToldProblem {
  readonly kind: TokenProblemKind;
  readonly message: string;
}

export type SignAnswer = { readonly signature: Uint8Array } | { readonly problem: ToldProblem };

export type RequestName = keyof TokenRequests;

/** A request with its name. */
export type TokenRequest = {
  readonly [Name in RequestName]: { readonly op: Name; readonly ask: TokenRequests[Name]['ask'] };
}[RequestName];

export type TokenAnswer = { readonly answer: unknown } | { readonly problem: ToldProblem };
