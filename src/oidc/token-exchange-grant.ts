import {
  errors,
  type ResourceServer as LibraryResourceServer,
  type Provider,
  type TokenEndpointGrantContext,
} from 'oidc-provider';
import { buildTokenResponse } from 'oidc-provider/lib/helpers/grants.js';
import type { Client } from '#src/clients/client.ts';
import { formatScope, parseScope } from '#src/clients/scope.ts';
import { TOKEN_EXCHANGE_GRANT } from '#src/clients/token-exchange-policy.ts';
import { Refusal } from '#src/fault.ts';
import type { RegisteredClients } from '#src/oidc/client-model.ts';
import { type PresentedTokenDependencies, PresentedTokens, TOKEN_TYPE } from '#src/oidc/presented-tokens.ts';
import type { ResourcePolicy } from '#src/oidc/resource-policy.ts';
import { type SenderBinding, senderBindingOf } from '#src/oidc/sender-binding.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';
import type { PresentedToken } from '#src/tokens/presented-token.ts';
import { type Exchange, type ExchangeRequest, exchange } from '#src/tokens/token-exchange.ts';
import { after, seconds } from '#src/units.ts';

export interface TokenExchangeDependencies extends Omit<PresentedTokenDependencies, 'provider'> {
  readonly issuer: string;
  readonly resources: ResourceRegistry;
  /** Told of every exchange, so that it can be seen afterwards who acted as whom. */
  onExchange(detail: ExchangeDetail): void;
}

export interface ExchangeDetail {
  readonly requestId: unknown;
  readonly clientId: string;
  readonly semantics: Exchange['semantics'];
  readonly subject: string;
  /** Who acts; `null` where the subject is impersonated. */
  readonly actor: string | null;
  /** The client that the subject token was issued to. */
  readonly subjectClientId: string;
  readonly resource: string;
  readonly scope: string;
}

interface Parameters {
  readonly resource?: string | readonly string[];
  readonly audience?: string | readonly string[];
  readonly scope?: string;
  readonly requested_token_type?: string;
  readonly subject_token?: string;
  readonly subject_token_type?: string;
  readonly actor_token?: string;
  readonly actor_token_type?: string;
}

type Context = TokenEndpointGrantContext<Parameters>;

/** Everything that an issued token is made of. */
interface Issuance {
  readonly provider: Provider;
  readonly info: LibraryResourceServer;
  readonly deps: TokenExchangeDependencies;
  readonly binding: SenderBinding;
  readonly target: ResourceServer;
  readonly subject: PresentedToken;
  readonly decided: Exchange;
}

const PARAMETERS = [
  'actor_token',
  'actor_token_type',
  'audience',
  'requested_token_type',
  'resource',
  'scope',
  'subject_token',
  'subject_token_type',
] as const;

/** Those that may be given several times: RFC 8693 section 2.1. */
const REPEATABLE = ['audience', 'resource'] as const;

const PRESENTABLE: ReadonlySet<string> = new Set(Object.values(TOKEN_TYPE));

/** Token exchange: RFC 8693. */
export function registerTokenExchange(
  provider: Provider,
  registered: RegisteredClients,
  policy: ResourcePolicy,
  deps: TokenExchangeDependencies,
): void {
  const tokens = new PresentedTokens({ ...deps, provider });
  provider.registerGrantType<Parameters>(
    TOKEN_EXCHANGE_GRANT,
    async (ctx) => {
      assertWellFormed(ctx.oidc.params);
      const client = registered.application(ctx.oidc.client) as Client;
      const binding = await senderBindingOf(provider, ctx);
      const target = await targetOf(ctx.oidc.params, client, deps.resources);
      const subject = await present(ctx, 'subject', tokens, target, binding);
      const { actor_token } = ctx.oidc.params;
      const actor = actor_token ? await present(ctx, 'actor', tokens, target, binding) : null;
      const decided = decide(ctx.oidc.params, { issuer: deps.issuer, client, subject, actor, target });
      const info = await policy.describe(ctx, target.identifier, ctx.oidc.client);
      await issue(ctx, { provider, info, deps, binding, target, subject, decided });
      deps.onExchange({
        requestId: ctx.state.requestId,
        clientId: client.clientId,
        semantics: decided.semantics,
        subject: subject.subject,
        actor: decided.act?.sub ?? null,
        subjectClientId: subject.clientId,
        resource: target.identifier,
        scope: formatScope(decided.scope),
      });
    },
    PARAMETERS,
    REPEATABLE,
  );
}

/** @throws errors.InvalidRequest, RFC 8693 section 2.1. */
function assertWellFormed(params: Parameters): void {
  const { subject_token, subject_token_type, actor_token, actor_token_type, requested_token_type } = params;
  if (!subject_token) throw new errors.InvalidRequest('subject_token is missing');
  if (!subject_token_type) throw new errors.InvalidRequest('subject_token_type is missing');
  if (actor_token && !actor_token_type) throw new errors.InvalidRequest('actor_token_type is missing');
  if (!actor_token && actor_token_type)
    throw new errors.InvalidRequest('actor_token_type must not be sent without actor_token');
  for (const [name, type] of Object.entries({ subject_token_type, actor_token_type })) {
    if (type !== undefined && !PRESENTABLE.has(type))
      throw new errors.InvalidRequest(`${name} is none that can be exchanged here`);
  }
  const requested = requested_token_type ?? TOKEN_TYPE.accessToken;
  if (requested !== TOKEN_TYPE.accessToken && requested !== TOKEN_TYPE.jwt)
    throw new errors.InvalidRequest('requested_token_type is none that is issued here');
}

/**
 * The one resource server that `resource` and `audience` name; if neither is sent, the one that the client may get
 * tokens for, if it is one. @throws errors.InvalidTarget
 */
async function targetOf(params: Parameters, client: Client, resources: ResourceRegistry) {
  const { resource, audience, requested_token_type } = params;
  const onlyTarget = client.tokenExchange?.to.length === 1 ? client.tokenExchange.to : [];
  const indicators = resource ?? (audience === undefined ? onlyTarget : []);
  const found = await Promise.all([
    ...[indicators].flat().map((each) => resources.findByIndicator(each)),
    ...[audience ?? []].flat().map((each) => resources.findByAudience(each)),
  ]);
  const [target = null, ...others] = found;
  if (found.length === 0) throw new errors.InvalidTarget("name the target in 'resource' or 'audience'");
  if (target === null || others.includes(null)) throw new errors.InvalidTarget();
  if (others.some((each) => each?.identifier !== target.identifier))
    throw new errors.InvalidTarget('a token is issued for one target only');
  if (requested_token_type === TOKEN_TYPE.jwt && target.tokenFormat !== 'jwt')
    throw new errors.InvalidRequest('tokens for this target are no JWTs');
  return target;
}

/** Finds a token that the request brings, and sees that whoever brings it holds its key. @throws errors.InvalidRequest */
async function present(
  { oidc: { params, client } }: Context,
  which: 'subject' | 'actor',
  tokens: PresentedTokens,
  target: ResourceServer,
  { confirmation }: SenderBinding,
): Promise<PresentedToken> {
  const value = params[`${which}_token`] as string;
  const type = params[`${which}_token_type`] as string;
  const token = await tokens.find(value, type, { client, target: target.identifier });
  // Whatever is wrong with a token, this is the code: RFC 8693 section 2.2.2.
  if (token === null)
    throw new errors.InvalidRequest(
      `the ${which} token is not of its type, not of this server, or has ended`,
    );
  const { jkt, 'x5t#S256': certificate } = token.confirmation ?? {};
  const proven =
    (jkt === undefined || jkt === confirmation.jkt) &&
    (certificate === undefined || certificate === confirmation['x5t#S256']);
  if (!proven)
    throw new errors.InvalidRequest(`the ${which} token is bound to a key that the request does not prove`);
  return token;
}

/** The decision, with its refusals in the words of RFC 8693 section 2.2.2. */
function decide(params: Parameters, request: Omit<ExchangeRequest, 'scope'>): Exchange {
  try {
    const scope = parseScope(params.scope ?? '');
    return exchange({ ...request, scope: scope.length === 0 ? null : scope });
  } catch (problem) {
    if (!(problem instanceof Refusal)) throw problem;
    const { code, message, detail } = problem;
    if (code === 'target_unacceptable') throw new errors.InvalidTarget(message);
    if (code === 'scope_unacceptable')
      throw new errors.InvalidScope(message, String(detail.scope ?? params.scope));
    // Its own words name the scope in quotes, which no description may have: RFC 6749 section 5.2.
    if (code === 'invalid_scope')
      throw new errors.InvalidScope('there is no such scope', String(params.scope));
    throw new errors.InvalidRequest(message);
  }
}

/** Issues what was decided: RFC 8693 section 2.2.1. */
async function issue(
  ctx: Context,
  { provider, info, deps, binding, target, subject, decided }: Issuance,
): Promise<void> {
  const { client, params } = ctx.oidc;
  const { act, restsOn, scope } = decided;
  const now = deps.clock.now();
  const exp = Math.min(after(now, seconds(info.accessTokenTTL as number)), decided.expiresAt);
  // Deciding takes a moment, and the library takes no time left for its own default.
  if (exp <= now) throw new errors.InvalidRequest('the subject token or the actor token has ended');
  const common = {
    client,
    scope: formatScope(scope) || undefined,
    exp,
    expiresIn: exp - now,
    extra: {
      ...subject.signIn,
      ...(act === null ? undefined : { act }),
      ...(Object.keys(restsOn).length === 0 ? undefined : { rests_on: restsOn }),
      ...(subject.authorizationId === null ? { sub: subject.subject } : undefined),
    },
  };
  const token =
    subject.authorizationId === null
      ? new provider.ClientCredentials(common)
      : new provider.AccessToken({
          ...common,
          accountId: subject.subject,
          grantId: subject.authorizationId,
          gty: TOKEN_EXCHANGE_GRANT,
        });
  token.resourceServer = new provider.ResourceServer(target.identifier, info);
  await binding.bind(token);
  ctx.oidc.entity(token.kind, token);
  ctx.body = buildTokenResponse(provider, {
    accessToken: await token.save(),
    issuedTokenType: params.requested_token_type ?? TOKEN_TYPE.accessToken,
    tokenType: token.tokenType,
    expiresIn: token.expiration,
    scope: token.scope,
  });
}
