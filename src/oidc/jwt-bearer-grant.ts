import {
  type AccessToken,
  type ClientCredentials,
  errors,
  type Provider,
  type ResourceServerInstance,
  type TokenEndpointGrantContext,
} from 'oidc-provider';
import { buildTokenResponse, resolveRequestedResources } from 'oidc-provider/lib/helpers/grants.js';
import { standsSince } from '#src/accounts/account.ts';
import type { AccountRegistry } from '#src/accounts/account-registry.ts';
import type { Client } from '#src/clients/client.ts';
import { JWT_BEARER_GRANT, saysWhatIsAsked } from '#src/clients/jwt-bearer-policy.ts';
import { formatScope } from '#src/clients/scope.ts';
import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import { type Assertion, parseAssertion, readAssertion } from '#src/federation/assertion.ts';
import { findAccountOf } from '#src/federation/assertion-account.ts';
import { IssuerKeys } from '#src/federation/issuer-keys.ts';
import { isTrustedFor, type TrustedIssuer } from '#src/federation/trusted-issuer.ts';
import type { TrustedIssuerRegistry } from '#src/federation/trusted-issuer-registry.ts';
import type { RegisteredClients } from '#src/oidc/client-model.ts';
import type { LibraryModel } from '#src/oidc/library.ts';
import { publishedKeys } from '#src/oidc/published-keys.ts';
import { senderBindingOf } from '#src/oidc/sender-binding.ts';
import { newIdentifier, type Random } from '#src/random.ts';
import type { Authorizations } from '#src/tokens/authorization.ts';
import { after, type EpochSeconds, epochSeconds, type Seconds } from '#src/units.ts';

export interface JwtBearerDependencies {
  readonly issuer: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly authorizations: Authorizations;
  readonly accounts: Pick<AccountRegistry, 'findBySubject' | 'findByLogin'>;
  readonly trustedIssuers: TrustedIssuerRegistry;
  readonly clockSkewMax: Seconds;
  readonly keyFetching: { readonly keysMaxAge: Seconds; readonly retryAfter: Seconds };
  /** Told of every assertion that was taken for a token. */
  onAssertion(detail: AssertionDetail): void;
}

export interface AssertionDetail {
  readonly requestId: unknown;
  readonly clientId: string;
  readonly issuer: string;
  /** Whom the assertion is about, in the words of its issuer. */
  readonly asserted: string;
  /** Whom the token is about. */
  readonly subject: string;
  readonly scope: string | undefined;
}

interface Parameters {
  readonly assertion?: string;
}

type Context = TokenEndpointGrantContext<Parameters>;

/** An assertion that may be taken for a token. */
interface Accepted {
  readonly assertion: Assertion;
  readonly trusted: TrustedIssuer;
}

/** What a token is asked for, within what may be had. */
interface Target {
  readonly resourceServer: ResourceServerInstance;
  readonly scope: string | undefined;
}

interface Prepared {
  readonly token: AccessToken | ClientCredentials;
  settle(): Promise<void>;
}

/** JWTs as authorization grants: RFC 7523 section 2.1. */
export function registerJwtBearer(
  provider: Provider,
  registered: RegisteredClients,
  deps: JwtBearerDependencies,
): void {
  const keys = new IssuerKeys({ fetch: publishedKeys(provider), clock: deps.clock, ...deps.keyFetching });
  const grant = new JwtBearerGrant(provider, keys, deps);
  provider.registerGrantType<Parameters>(
    JWT_BEARER_GRANT,
    (ctx) => grant.answer(ctx, registered.application(ctx.oidc.client) as Client),
    ['assertion', 'scope', 'resource'],
    ['resource'],
  );
}

class JwtBearerGrant {
  readonly #provider: Provider;
  readonly #keys: IssuerKeys;
  readonly #deps: JwtBearerDependencies;

  constructor(provider: Provider, keys: IssuerKeys, deps: JwtBearerDependencies) {
    this.#provider = provider;
    this.#keys = keys;
    this.#deps = deps;
  }

  async answer(ctx: Context, client: Client): Promise<void> {
    const accepted = await this.#accept(ctx, client);
    const binding = await senderBindingOf(this.#provider, ctx);
    const target = await this.#target(ctx, accepted);
    const { token, settle } = await this.#tokenFor(ctx, accepted, target);
    await binding.bind(token);
    // Whatever the request got wrong must be told before the assertion is used up.
    await this.#useUp(accepted);
    await settle();
    ctx.oidc.entity(token.kind, token);
    const accessToken = await token.save();
    const { expiration: expiresIn, tokenType } = token;
    ctx.body = buildTokenResponse(this.#provider, { accessToken, expiresIn, scope: token.scope, tokenType });
    const { issuer, subject: asserted } = accepted.assertion;
    const subject = 'accountId' in token ? token.accountId : client.clientId;
    const { requestId } = ctx.state;
    this.#deps.onAssertion({
      requestId,
      clientId: client.clientId,
      issuer,
      asserted,
      subject,
      scope: token.scope,
    });
  }

  /** @throws errors.InvalidGrant for whatever is wrong with the assertion: RFC 7521 section 4.1.1. */
  async #accept({ oidc }: Context, client: Client): Promise<Accepted> {
    const { assertion: text } = oidc.params;
    if (!text) throw new errors.InvalidRequest('assertion is missing');
    const parsed = parseAssertion(text);
    const policy = client.jwtBearer;
    if (parsed === null || policy === null || parsed.issuer !== policy.issuer)
      throw new errors.InvalidGrant('no assertion of the issuer that the client is registered for');
    const trusted = await this.#deps.trustedIssuers.find(parsed.issuer);
    if (trusted === null || !isTrustedFor(trusted, 'assertions'))
      throw new errors.InvalidGrant('the issuer is not trusted');
    const assertion = this.#read(parsed.jwt, trusted);
    // Whoever can have the issuer sign anything would else act as the client.
    if (trusted.subjects === 'client' && Object.keys(policy.claims).length === 0)
      throw new errors.InvalidGrant(
        'the client is registered for no claim by which its assertions are known',
      );
    if (!saysWhatIsAsked(policy, parsed.jwt.claims))
      throw new errors.InvalidGrant('the assertion does not say what the client is registered for');
    if (!(await this.#isSigned(trusted, assertion)))
      throw new errors.InvalidGrant('the assertion is not signed by a key of its issuer');
    return { assertion, trusted };
  }

  #read(jwt: Assertion['jwt'], trusted: TrustedIssuer): Assertion {
    const { issuer, clock, clockSkewMax } = this.#deps;
    const audiences = [issuer, this.#provider.urlFor('token')];
    try {
      return readAssertion(jwt, { trusted, audiences, now: clock.now(), clockSkewMax });
    } catch (problem) {
      throw problem instanceof Refusal ? new errors.InvalidGrant(problem.message) : problem;
    }
  }

  async #isSigned(trusted: TrustedIssuer, { jwt }: Assertion): Promise<boolean> {
    try {
      return await this.#keys.verifies(trusted, jwt);
    } catch (cause) {
      throw new errors.InvalidGrant({ detail: 'the keys of the issuer cannot be fetched', cause });
    }
  }

  /** The one resource server that the request is about, and what it asks for of what issuer and client allow. */
  async #target(ctx: Context, { trusted }: Accepted): Promise<Target> {
    const asked = ctx.oidc.params.scope !== undefined;
    const [resourceServer, ...others] = await resolveRequestedResources(this.#provider, ctx);
    if (resourceServer === undefined || others.length > 0)
      throw new errors.InvalidTarget(
        'a token is issued for one resource server; name it, or one of its scopes',
      );
    const scopes = [...ctx.oidc.requestParamScopes].filter((each) => each !== '');
    const allowed = scopes.filter(
      (each) => resourceServer.scopes.has(each) && (trusted.scope?.includes(each) ?? true),
    );
    const refused = scopes.find((each) => !allowed.includes(each));
    if (refused !== undefined && (asked || allowed.length === 0))
      throw new errors.InvalidScope(
        'the scope is beyond what assertions of this issuer are taken for',
        refused,
      );
    return { resourceServer, scope: formatScope(allowed) || undefined };
  }

  /** The token, and what remains to be done before it is worth anything. */
  async #tokenFor({ oidc: { client } }: Context, accepted: Accepted, target: Target): Promise<Prepared> {
    const { trusted } = accepted;
    const lifetime = target.resourceServer.accessTokenTTL as number;
    const expiresIn = Math.min(lifetime, trusted.accessTokenLifetimeMax ?? lifetime);
    const common = { client, ...target, expiresIn };
    if (trusted.subjects === 'client')
      return { token: new this.#provider.ClientCredentials(common), settle: async () => {} };
    const person = await this.#person(accepted, trusted.subjects);
    const grantId = newIdentifier(this.#deps.random);
    const token = new this.#provider.AccessToken({
      ...common,
      accountId: person.subject,
      grantId,
      gty: JWT_BEARER_GRANT,
    });
    return { token, settle: () => this.#authorize(grantId, person, client.clientId, target) };
  }

  /** The person that an assertion is about, and since when that can be relied on. @throws errors.InvalidGrant */
  async #person(
    { assertion }: Accepted,
    by: Exclude<TrustedIssuer['subjects'], 'client'>,
  ): Promise<{ subject: string; signedInAt: EpochSeconds }> {
    const { clock, clockSkewMax } = this.#deps;
    // It may have been made before the person signed out everywhere.
    if (assertion.issuedAt === null)
      throw new errors.InvalidGrant('an assertion about a person says when it was made');
    const account = await findAccountOf(this.#deps.accounts, by, assertion.jwt.claims);
    const signedInAt = epochSeconds(Math.min(assertion.issuedAt, clock.now()));
    if (!standsSince(account, signedInAt))
      throw new errors.InvalidGrant('the assertion is about nobody who has an account that stands');
    // Somebody else may have had the name before.
    if (after(signedInAt, clockSkewMax) < account.createdAt)
      throw new errors.InvalidGrant('the assertion was made before the account was');
    return { subject: account.subject, signedInAt };
  }

  /** What an administrator's trust stands for, a person's authorization, is one like any other from here on. */
  async #authorize(
    id: string,
    { subject, signedInAt }: { subject: string; signedInAt: EpochSeconds },
    clientId: string,
    { resourceServer, scope = '' }: Target,
  ): Promise<void> {
    const grant = new this.#provider.Grant({ accountId: subject, clientId });
    grant.jti = id;
    grant.addResourceScope(resourceServer.identifier(), scope);
    const { payload = {} } = await (grant as unknown as LibraryModel).getValueAndPayload();
    const authorization = { subject, clientId, signedInAt, grant: payload, family: null, sessionUid: null };
    await this.#deps.authorizations.open(id, authorization);
  }

  /** @throws errors.InvalidGrant for an assertion that has been taken before: RFC 7523 section 3, item 7. */
  async #useUp({ assertion: { issuer, jti, expiresAt }, trusted }: Accepted): Promise<void> {
    if (!trusted.singleUse || jti === null) return;
    const until = after(expiresAt, this.#deps.clockSkewMax);
    const unique = await this.#provider.ReplayDetection.unique(`${JWT_BEARER_GRANT} ${issuer}`, jti, until);
    if (!unique) throw new errors.InvalidGrant('the assertion has been used');
  }
}
