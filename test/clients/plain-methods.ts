import { authenticationMethodsOf } from '#src/clients/client-authentication.ts';

/** How clients authenticate at a server that sees no certificates and believes no attesters. */
export const PLAIN_METHODS = authenticationMethodsOf({
  certificates: false,
  verifiedCertificates: false,
  attestations: false,
});
