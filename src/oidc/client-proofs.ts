import type { Configuration, KoaContextWithOIDC, Client as LibraryClient } from 'oidc-provider';
import { errors } from 'oidc-provider';
import { type CertificateSubject, certificateIsAbout } from '#src/clients/certificate-subject.ts';
import {
  CLIENT_ASSERTION_ALGORITHMS,
  CLIENT_SIGNING_ALGORITHMS,
} from '#src/clients/client-authentication.ts';
import { algorithmAllowed } from '#src/clients/profile.ts';
import type { Clock } from '#src/clock.ts';
import {
  type CertificateSource,
  type ClientCertificate,
  clientCertificateOf,
} from '#src/http/client-certificate.ts';
import type { Attestations } from '#src/oidc/attestations.ts';
import type { RegisteredClients } from '#src/oidc/client-model.ts';
import { after, type Seconds } from '#src/units.ts';

/** How clients prove who they are, and that the tokens that they present are theirs. */
export interface ClientProofs {
  readonly certificates: CertificateSource;
  /** Where clients are asked for certificates; `null` if it is the issuer itself, or nowhere. */
  readonly mtlsOrigin: string | null;
  /** Whether anybody here tells certificates that an authority has signed from others. */
  readonly certificatesVerified: boolean;
  readonly dpop: {
    readonly algorithms: readonly string[];
    readonly nonces: 'off' | 'offered' | 'required';
    /** Of 32 bytes, and the same at every node. */
    readonly nonceSecret: Buffer;
  };
  readonly assertions: {
    readonly lifetimeMax: Seconds;
    readonly audience: 'issuer' | 'endpoint';
  };
  readonly attestations: Attestations | null;
  readonly clockSkewMax: Seconds;
}

type Features = NonNullable<Configuration['features']>;

/** What the library is told of them. */
export function proofFeatures(proofs: ClientProofs): Pick<Features, 'dPoP' | 'mTLS' | 'attestClientAuth'> {
  const { dpop, attestations } = proofs;
  const nonces = dpop.nonces !== 'off' || attestations !== null;
  return {
    dPoP: {
      enabled: true,
      ...(nonces ? { nonceSecret: dpop.nonceSecret } : undefined),
      requireNonce: () => dpop.nonces === 'required',
    },
    mTLS: mutualTls(proofs),
    ...(attestations === null ? undefined : { attestClientAuth: attestations.feature() }),
  };
}

/** With what clients and those who attest them may sign. */
export function proofAlgorithms({ dpop }: ClientProofs): NonNullable<Configuration['enabledJWA']> {
  return {
    clientAuthSigningAlgValues: [...CLIENT_ASSERTION_ALGORITHMS],
    dPoPSigningAlgValues: dpop.algorithms as 'ES256'[],
    attestSigningAlgValues: [...CLIENT_SIGNING_ALGORITHMS],
  };
}

/** RFC 8705. The certificate is asked for even where this is off, for the sake of tokens from when it was on. */
function mutualTls({ certificates, certificatesVerified }: ClientProofs): NonNullable<Features['mTLS']> {
  const enabled = certificates.from !== 'off';
  return {
    enabled,
    certificateBoundAccessTokens: enabled,
    selfSignedTlsClientAuth: enabled,
    tlsClientAuth: enabled && certificatesVerified,
    getCertificate: (ctx) => certificateOf(ctx, certificates)?.certificate,
    certificateAuthorized: (ctx) => certificateOf(ctx, certificates)?.verified === true,
    certificateSubjectMatches: (ctx, subject, registered) => {
      const shown = certificateOf(ctx, certificates);
      return (
        shown !== null && certificateIsAbout(shown.certificate, subject as CertificateSubject, registered)
      );
    },
  };
}

function certificateOf(ctx: KoaContextWithOIDC, source: CertificateSource): ClientCertificate | null {
  const found = clientCertificateOf(ctx.req, source);
  if (found === 'unreadable') throw new errors.InvalidRequest('the client certificate cannot be read');
  return found;
}

/**
 * What an assertion must say beyond what the library looks at. It is for one server alone, else that server could show
 * it here: RFC 7523 section 3, draft-ietf-oauth-rfc7523bis section 4. Its end is near, so that one which was made
 * and never used is of no use for long.
 */
export function assertionRules(deps: {
  readonly proofs: ClientProofs;
  readonly registered: RegisteredClients;
  readonly clock: Clock;
}) {
  const { assertions, clockSkewMax } = deps.proofs;
  return async (
    { oidc }: KoaContextWithOIDC,
    claims: Record<string, unknown>,
    { alg }: { readonly alg?: unknown },
    client: LibraryClient,
  ): Promise<void> => {
    const refuse = (detail: string) => {
      throw new errors.InvalidClientAuth(detail);
    };
    const profiles = deps.registered.profilesOf(client);
    const latest = after(deps.clock.now(), clockSkewMax);
    const { aud, exp, iat } = claims;
    const issuerOnly = assertions.audience === 'issuer' || profiles.has('fapi-2.0-security');
    if (!algorithmAllowed(profiles, alg)) refuse('signed with an algorithm that its profile does not allow');
    if (issuerOnly && aud !== oidc.issuer) refuse('audience (aud) must be the issuer and nothing else');
    if (Array.isArray(aud) && aud.length > 1) refuse('audience (aud) must be a single one');
    if ((exp as number) > after(latest, assertions.lifetimeMax)) refuse('expiration (exp) is too far away');
    if (iat !== undefined && (iat as number) > latest) refuse('issued in the future (iat)');
  };
}
