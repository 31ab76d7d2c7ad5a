import type { KoaContextWithOIDC } from 'oidc-provider';

/** What came of a question about a token. */
export type IntrospectionResult = 'active' | 'inactive' | 'refused';

type Policy<Caller, Token> = (ctx: KoaContextWithOIDC, caller: Caller, token: Token) => boolean;

/** A policy of who may ask about a token, which notes what it said: it is asked last, and of tokens that stand. */
export function notingResult<Caller, Token>(allowed: Policy<Caller, Token>): Policy<Caller, Token> {
  return (ctx, caller, token) => {
    const told = allowed(ctx, caller, token);
    ctx.state.toldActive = told;
    return told;
  };
}

/** What the caller is told. The answer itself may be signed or encrypted. */
export function introspectionResult({
  status,
  state,
}: Pick<KoaContextWithOIDC, 'status' | 'state'>): IntrospectionResult {
  if (status !== 200) return 'refused';
  return state.toldActive === true ? 'active' : 'inactive';
}
