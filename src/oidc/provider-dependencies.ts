import type { Configuration } from 'oidc-provider';
import type { Account } from '#src/accounts/account.ts';
import type { DetailTypes } from '#src/authorization-details/detail-type.ts';
import type { Client } from '#src/clients/client.ts';
import type { ResponseAlgorithms } from '#src/clients/response-protection.ts';
import type { Consents } from '#src/interaction/consent.ts';
import type { BackchannelDependencies } from '#src/oidc/backchannel-authentication.ts';
import type { ClientDependencies } from '#src/oidc/client-model.ts';
import type { ClientProofs } from '#src/oidc/client-proofs.ts';
import type { DeviceCodeDependencies } from '#src/oidc/device-code-model.ts';
import type { DeviceAuthorizationPolicy } from '#src/oidc/device-flow.ts';
import type { IntrospectionResult } from '#src/oidc/introspection-result.ts';
import type { JwtBearerDependencies } from '#src/oidc/jwt-bearer-grant.ts';
import type { ProviderLifetimes } from '#src/oidc/lifetimes.ts';
import type { OnProblem } from '#src/oidc/problem.ts';
import type { ProtocolPages } from '#src/oidc/protocol-pages.ts';
import type { RefreshTokenDependencies } from '#src/oidc/refresh-token-model.ts';
import type { RequestPolicy } from '#src/oidc/request-policy.ts';
import type { StatusClaimPorts } from '#src/oidc/status-claim.ts';
import type { TokenExchangeDependencies } from '#src/oidc/token-exchange-grant.ts';
import type { Outbox } from '#src/outbox/outbox.ts';
import type { Random } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import type { Sessions } from '#src/sessions/sessions.ts';
import type { DecryptionKey } from '#src/signing/decryption-key.ts';
import type { KeyHolder } from '#src/signing/key-holder.ts';
import type { PendingLimit } from '#src/throttle/pending-limit.ts';
import type { Authorizations } from '#src/tokens/authorization.ts';
import type { PairwiseSubjects } from '#src/tokens/pairwise-subject.ts';
import type { StandingSources } from '#src/tokens/standing.ts';
import type { TokenReader } from '#src/tokens/token-reader.ts';

/** What the protocol needs of the rest of the house. */
export interface ProviderDependencies
  extends ClientDependencies,
    Omit<BackchannelDependencies, 'accounts'>,
    Pick<TokenExchangeDependencies, 'onExchange'>,
    Pick<JwtBearerDependencies, 'accounts' | 'trustedIssuers' | 'clockSkewMax' | 'onAssertion'> {
  readonly random: Random;
  readonly records: Records;
  readonly keys: KeyHolder;
  /** What answers are signed and encrypted with. */
  readonly algorithms: ResponseAlgorithms;
  readonly cookieKeys: readonly string[];
  readonly authorizations: Authorizations;
  readonly sessions: Sessions;
  readonly consents: Consents;
  readonly pairwise: PairwiseSubjects;
  /** What clients encrypt their request objects to. */
  readonly decryptionKey: DecryptionKey;
  readonly reader: TokenReader;
  readonly standing: StandingSources;
  readonly statusLists: StatusClaimPorts['statusLists'];
  readonly proofs: ClientProofs;
  readonly pages: ProtocolPages;
  readonly lifetimes: ProviderLifetimes;
  readonly requests: RequestPolicy;
  /** Told whenever a client has got a token, and by which grant. */
  readonly onClientUsed: (client: Client, grantType: string) => void;
  /** Told whenever a client has got an authorization code. */
  readonly onCodeIssued: (client: Client) => void;
  /** Told of every answer to a question about a token: RFC 7662 section 2. */
  readonly onIntrospected: (result: IntrospectionResult, clientId?: string) => void;
  /** Told of every client that was told who signed in: OpenID Connect Core section 5.3. */
  readonly onUserinfo: (clientId: string) => void;
  /** Told of what is refused without the library. */
  readonly onProblem: OnProblem;
  readonly deviceAuthorization: DeviceAuthorizationPolicy;
  readonly pendingLimit: PendingLimit;
  readonly outbox: Pick<Outbox, 'post'>;
  readonly userCodeThrottle: DeviceCodeDependencies['userCodeThrottle'];
  readonly detailTypes: DetailTypes;
  readonly onReuse: RefreshTokenDependencies['onReuse'];
  readonly onRetry: RefreshTokenDependencies['onRetry'];
  findAccount(subject: string): Promise<Account | null>;
  /** Fetches what a client published elsewhere, within the limits that the settings draw. */
  readonly fetch: NonNullable<Configuration['fetch']>;
}
