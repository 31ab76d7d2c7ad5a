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
import { mediaTypeOf, parseJwt } from '#src/signing/jws.ts';
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

/** What the proofs of a client are held against. */
export interface ProofDependencies {
  readonly proofs: ClientProofs;
  readonly registered: RegisteredClients;
  readonly clock: Clock;
}

/** What the library is told of them. */
export function proofFeatures(deps: ProofDependencies): Pick<Features, 'dPoP' | 'mTLS' | 'attestClientAuth'> {
  const { dpop, attestations } = deps.proofs;
  const nonces = dpop.nonces !== 'off' || attestations !== null;
  return {
    dPoP: {
      enabled: true,
      ...(nonces ? { nonceSecret: dpop.nonceSecret } : undefined),
      // The library asks this of every proof, before it looks at one.
      requireNonce: (ctx) => {
        assertProofKeepsProfile(ctx, deps);
        return dpop.nonces === 'required';
      },
    },
    mTLS: mutualTls(deps.proofs),
    ...(attestations === null ? undefined : { attestClientAuth: attestations.feature() }),
  };
}

/**
 * A proof of DPoP is signed by an algorithm of the profile that its client is held to, and no further ahead of our clock
 * than an assertion may be: FAPI 2.0 Security Profile sections 5.3.2.1 and 5.4.1. At userinfo, a resource server, no
 * client is known yet. @throws errors.InvalidDpopProof
 */
function assertProofKeepsProfile(
  ctx: KoaContextWithOIDC,
  { proofs, registered, clock }: ProofDependencies,
): void {
  const { client } = ctx.oidc;
  const profiles = client === undefined ? null : registered.profilesOf(client);
  if (profiles?.has('fapi-2.0-security') !== true) return;
  const proof = parseJwt(ctx.get('DPoP'));
  if (proof === null || !algorithmAllowed(profiles, proof.header.alg))
    throw new errors.InvalidDpopProof('DPoP proof is not signed as the profile of the client asks');
  const { iat } = proof.claims;
  if (typeof iat === 'number' && iat > after(clock.now(), proofs.clockSkewMax))
    throw new errors.InvalidDpopProof('DPoP proof iat is in the future');
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

/** What an assertion may call itself: draft-ietf-oauth-rfc7523bis section 4; RFC 8725 section 3.11. */
const ASSERTION_TYPES: ReadonlySet<unknown> = new Set([undefined, 'jwt', 'client-authentication+jwt']);

/**
 * What an assertion must say beyond what the library looks at. It is for one server alone, else that server could show
 * it here: RFC 7523 section 3, draft-ietf-oauth-rfc7523bis section 4. Its end is near, so that one which was made
 * and never used is of no use for long.
 */
export function assertionRules(deps: ProofDependencies) {
  const { assertions, clockSkewMax } = deps.proofs;
  return async (
    { oidc }: KoaContextWithOIDC,
    claims: Record<string, unknown>,
    { alg, typ }: { readonly alg?: unknown; readonly typ?: unknown },
    client: LibraryClient,
  ): Promise<void> => {
    const refuse = (detail: string) => {
      throw new errors.InvalidClientAuth(detail);
    };
    const profiles = deps.registered.profilesOf(client);
    const latest = after(deps.clock.now(), clockSkewMax);
    const { aud, exp, iat } = claims;
    const issuerOnly = assertions.audience === 'issuer' || profiles.has('fapi-2.0-security');
    if (!ASSERTION_TYPES.has(mediaTypeOf(typ))) refuse('another kind of JWT (typ)');
    if (!algorithmAllowed(profiles, alg)) refuse('signed with an algorithm that its profile does not allow');
    if (issuerOnly && aud !== oidc.issuer) refuse('audience (aud) must be the issuer and nothing else');
    if (Array.isArray(aud) && aud.length > 1) refuse('audience (aud) must be a single one');
    if ((exp as number) > after(latest, assertions.lifetimeMax)) refuse('expiration (exp) is too far away');
    if (iat !== undefined && (iat as number) > latest) refuse('issued in the future (iat)');
  };
}
