import { errors, interactionPolicy, type KoaContextWithOIDC } from 'oidc-provider';

const { Check } = interactionPolicy;

interface AcrRequest {
  readonly essential?: unknown;
  readonly value?: unknown;
  readonly values?: unknown;
}

/**
 * Asks for a new sign-in where the session's is not of the kind that the client wants, as far as this server has it.
 * What only would be welcome and is not to be had is passed over; what is essential is refused at once, and not by
 * asking for a password again and again. OpenID Connect Core section 5.5.1.1; RFC 9470 section 4; Unmet Authentication
 * Requirements section 2.
 */
export function authenticationContextChecks(
  offered: readonly string[],
): readonly InstanceType<typeof Check>[] {
  const isOffered = (acr: string) => offered.includes(acr);
  return [
    new Check('acr_unmet', 'the requested authentication context cannot be had', ({ oidc }) => {
      const essential = essentialAcrs(oidc);
      const hopeless = essential !== null && !essential.some(isOffered);
      const vain =
        essential !== null && oidc.result?.login !== undefined && !essential.includes(oidc.acr ?? '');
      if (hopeless || vain)
        throw new errors.UnmetAuthenticationRequirements('no requested acr can be had here');
      return false;
    }),
    new Check('acr_voluntary', 'another authentication context was asked for', ({ oidc }) => {
      const wanted = voluntaryAcrs(oidc).filter(isOffered);
      const signedInJustNow = oidc.result?.login !== undefined;
      return wanted.length > 0 && !signedInJustNow && !wanted.includes(oidc.acr ?? '');
    }),
  ];
}

/** What the parameter `claims` says `acr` must be; `null` where it says nothing of the kind. */
function essentialAcrs(oidc: KoaContextWithOIDC['oidc']): readonly string[] | null {
  const { essential, value, values } = acrRequest(oidc);
  if (essential !== true || (value === undefined && values === undefined)) return null;
  return [value, values].flat().filter((each) => typeof each === 'string');
}

/** What `acr_values` and the parameter `claims` say that `acr` should be. */
function voluntaryAcrs(oidc: KoaContextWithOIDC['oidc']): readonly string[] {
  const { acr_values: listed } = oidc.params ?? {};
  const { value, values } = acrRequest(oidc);
  const inClaims = [value, values].flat().filter((each) => typeof each === 'string');
  return typeof listed === 'string' ? [...listed.split(' '), ...inClaims] : inClaims;
}

function acrRequest(oidc: KoaContextWithOIDC['oidc']): AcrRequest {
  const { id_token: idToken } = oidc.claims as { id_token?: { acr?: AcrRequest | null } };
  return idToken?.acr ?? {};
}
