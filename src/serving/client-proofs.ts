import type { Config } from '#src/config/schema.ts';
import { trustedPeers } from '#src/http/client-address.ts';
import { Attestations } from '#src/oidc/attestations.ts';
import type { ClientProofs } from '#src/oidc/client-proofs.ts';
import type { Services } from '#src/services.ts';

/** How the settings let clients prove themselves. */
export function clientProofsOf({ config, store, clients }: Services): ClientProofs {
  const { clientAuthentication, dpop, keys, mutualTls, trustProxy } = config;
  const { header: name, headerFormat: format, headerVerified: verified, from } = mutualTls;
  const attesters = clientAuthentication.attesters;
  return {
    certificates:
      from === 'header' ? { from, name, format, verified, trusts: trustedPeers(trustProxy) } : { from },
    mtlsOrigin: mtlsOriginOf(config),
    certificatesVerified: clients.authenticationMethods.includes('tls_client_auth'),
    dpop: { ...dpop, nonceSecret: store.derive('dpop nonces') },
    assertions: {
      lifetimeMax: clientAuthentication.assertionLifetimeMax,
      audience: clientAuthentication.assertionAudience,
    },
    attestations:
      attesters === null ? null : Attestations.open(attesters, store.derive('attestation challenges')),
    clockSkewMax: keys.clockSkewMax,
  };
}

/** The origin at which clients are asked for certificates, if it is another than the issuer. */
export function mtlsOriginOf({ issuer, mutualTls, tls }: Config): string | null {
  if (mutualTls.origin !== null || tls.mtlsPort === null) return mutualTls.origin;
  const url = new URL(issuer);
  url.port = String(tls.mtlsPort);
  return url.origin;
}
