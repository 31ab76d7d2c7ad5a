import { z } from 'zod';

export const TOKEN_EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';

/** What may become of a subject in the token that is issued: RFC 8693 section 1.1. */
export const EXCHANGE_SEMANTICS = ['delegation', 'impersonation'] as const;

export type ExchangeSemantics = (typeof EXCHANGE_SEMANTICS)[number];

/**
 * Which tokens a client may exchange, and for what. An administrator decides, and nothing is allowed that is not said
 * here: RFC 8693 section 5.
 */
export interface TokenExchangePolicy {
  /** Audiences whose tokens the client is given by its callers. Those that were issued to itself it may always bring. */
  readonly from: readonly string[];
  /** Identifiers of the resource servers that it may get tokens for. */
  readonly to: readonly string[];
  /** `delegation`: the token tells who acts. `impersonation`: it tells of the subject alone. */
  readonly semantics: readonly ExchangeSemantics[];
}

const NAMES_MAX = 50;
const NAME_LENGTH_MAX = 512;

const names = z
  .array(
    z
      .string()
      .max(NAME_LENGTH_MAX)
      .regex(/^[\x21-\x7e]+$/, 'only printable ASCII without spaces is allowed'),
  )
  .max(NAMES_MAX)
  .transform((all) => [...new Set(all)]);

export const tokenExchangePolicy = z.strictObject({
  from: names.default([]),
  to: names.refine((all) => all.length > 0, 'name at least one resource server'),
  semantics: z
    .array(z.enum(EXCHANGE_SEMANTICS))
    .min(1)
    .transform((all) => [...new Set(all)])
    .default(['delegation']),
});
