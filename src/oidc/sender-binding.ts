import { createHash, type X509Certificate } from 'node:crypto';
import type { AccessToken, ClientCredentials, Provider, TokenEndpointGrantContext } from 'oidc-provider';
import {
  checkDpopReplay,
  checkDpopRequired,
  checkMtlsCert,
  validateDpop,
} from 'oidc-provider/lib/helpers/grants.js';
import type { Confirmation } from '#src/tokens/access-token.ts';

/** The key or certificate that a token request proves the possession of: RFC 9449 section 5, RFC 8705 section 3. */
export interface SenderBinding {
  readonly confirmation: Confirmation;
  /** Uses the proof up, and binds the token to its key. */
  bind(token: AccessToken | ClientCredentials): Promise<void>;
}

/**
 * What the request proves, checked as at every other grant; a client that must bind its tokens is refused without.
 * @throws errors.InvalidDpopProof, errors.UseDpopNonce, errors.InvalidGrant
 */
export async function senderBindingOf(
  provider: Provider,
  ctx: TokenEndpointGrantContext,
): Promise<SenderBinding> {
  const proof = await validateDpop(provider, ctx);
  // The library is given parsed certificates, and no text.
  const certificate = checkMtlsCert(provider, ctx) as X509Certificate | undefined;
  checkDpopRequired(provider, ctx, proof);
  return {
    confirmation: {
      ...(proof === undefined ? undefined : { jkt: proof.thumbprint }),
      ...(certificate === undefined ? undefined : { 'x5t#S256': thumbprintOf(certificate) }),
    },
    bind: async (token) => {
      if (certificate !== undefined) token.setThumbprint('x5t', certificate as unknown as string);
      if (proof === undefined) return;
      await checkDpopReplay(provider, ctx, proof, ctx.oidc.client.clientId);
      token.setThumbprint('jkt', proof.thumbprint);
    },
  };
}

/** RFC 8705 section 3.1. */
function thumbprintOf({ raw }: X509Certificate): string {
  return createHash('sha256').update(raw).digest('base64url');
}
