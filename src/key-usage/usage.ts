import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import { type EpochSeconds, minutes } from '#src/units.ts';

/**
 * The tokens that live on after they were signed. What else is signed, such as an answer of userinfo or introspection,
 * is verified at once and kept by nobody.
 */
export const TOKEN_KINDS = ['access', 'id'] as const;

export type TokenKind = (typeof TOKEN_KINDS)[number];

/**
 * What somebody has to do with something that was signed. `client`: it verifies it, as an ID token. `holder`: it was
 * given an access token, which it need not read. `resource-server`: it verifies access tokens or answers.
 */
export const ROLES = ['client', 'holder', 'resource-server'] as const;

export type Role = (typeof ROLES)[number];

/** By how much a last use may be later than it is told: whoever uses an algorithm all the time is written down this often. */
export const USE_STEP = minutes(10);

/** When somebody was last given something that was signed with an algorithm. */
export interface AlgorithmUse {
  readonly alg: SigningAlgorithm;
  readonly role: Role;
  /** The client identifier, or the audience of the resource server. */
  readonly name: string;
  readonly lastAt: EpochSeconds;
}

/** How many tokens expire when, as one server has counted them that signed them with a key. */
export interface KeyCount {
  readonly kid: string;
  readonly alg: SigningAlgorithm;
  readonly countedAt: EpochSeconds;
  readonly tokens: Readonly<Record<TokenKind, TokenCount>>;
}

export interface TokenCount {
  /** Until when those counted together are alive, all of them at least, and how many they are. */
  readonly expiring: readonly (readonly [EpochSeconds, number])[];
  /** When the last of them expires, to the second; 0 if there never was one. */
  readonly lastExpiresAt: EpochSeconds;
}
