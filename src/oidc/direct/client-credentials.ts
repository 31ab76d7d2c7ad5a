import type { Client as LibraryClient } from 'oidc-provider';
import type { Client } from '#src/clients/client.ts';
import { formatScope, isOpenIdScope } from '#src/clients/scope.ts';
import type { Clock } from '#src/clock.ts';
import { defaultScopeOf, havingAll, isOffered, mayAddress } from '#src/oidc/asked-scope.ts';
import type { RegisteredClients } from '#src/oidc/client-model.ts';
import type { OpaqueTokens } from '#src/oidc/opaque-tokens.ts';
import { type AccessTokenLifetimes, accessTokenLifetime } from '#src/oidc/resource-policy.ts';
import { newIdentifier, type Random } from '#src/random.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { Signer } from '#src/signing/jws.ts';
import type { AccessTokenClaims } from '#src/tokens/access-token.ts';
import { signAccessToken } from '#src/tokens/signed-access-token.ts';
import type { TokenReader } from '#src/tokens/token-reader.ts';
import { after } from '#src/units.ts';

export interface ClientCredentialsDependencies {
  readonly issuer: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly registered: RegisteredClients;
  readonly resources: ResourceRegistry;
  readonly opaqueTokens: OpaqueTokens;
  readonly lifetimes: AccessTokenLifetimes;
  readonly reader: TokenReader;
  signer(alg: SigningAlgorithm): Signer;
}

/** What the request asks for; `undefined` where it leaves that to the server. */
export interface Asked {
  readonly scope: string | undefined;
  readonly resource: string | undefined;
}

/**
 * The answer to a client that asks for a token of its own: RFC 6749 section 4.4, RFC 8707, RFC 9068. `null` where the
 * library is to say it: every refusal, and tokens that are more than a signature.
 * @throws StorageFault, SigningFault
 */
export async function ownToken(
  libraryClient: LibraryClient,
  asked: Asked,
  deps: ClientCredentialsDependencies,
): Promise<object | null> {
  const client = deps.registered.application(libraryClient);
  if (client === null || !libraryClient.grantTypeAllowed('client_credentials')) return null;
  if (libraryClient.tlsClientCertificateBoundAccessTokens || libraryClient.dpopBoundAccessTokens) return null;
  const target = await targetOf(client, asked, deps.resources);
  if (target === null || target.resourceServer.statusList) return null;
  const { resourceServer, scope } = target;
  const issue = resourceServer.tokenFormat === 'jwt' ? signedToken : keptToken;
  return {
    access_token: await issue(client, target, deps),
    expires_in: accessTokenLifetime(resourceServer, deps.lifetimes),
    ...(scope === '' ? undefined : { scope }),
    token_type: 'Bearer',
  };
}

async function signedToken(
  { clientId }: Client,
  { resourceServer, scope }: Target,
  deps: ClientCredentialsDependencies,
): Promise<string> {
  const now = deps.clock.now();
  const claims: AccessTokenClaims = {
    iss: deps.issuer,
    sub: clientId,
    aud: resourceServer.audience,
    client_id: clientId,
    iat: now,
    exp: after(now, accessTokenLifetime(resourceServer, deps.lifetimes)),
    jti: newIdentifier(deps.random),
    ...(scope === '' ? undefined : { scope }),
  };
  const signer = deps.signer(resourceServer.signingAlgorithm as SigningAlgorithm);
  return signAccessToken({ ...claims }, { signer, reader: deps.reader });
}

async function keptToken(
  { clientId }: Client,
  { resourceServer, scope }: Target,
  deps: ClientCredentialsDependencies,
): Promise<string> {
  const { audience: aud } = resourceServer;
  const iat = deps.clock.now();
  const exp = after(iat, accessTokenLifetime(resourceServer, deps.lifetimes));
  return deps.opaqueTokens.issue({ clientId, aud, iat, exp, ...(scope === '' ? undefined : { scope }) });
}

interface Target {
  readonly resourceServer: ResourceServer;
  readonly scope: string;
}

/** RFC 6749 section 3.3: visible characters, each scope apart from the next by one space. */
const SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*$/;

/** The resource server that is meant, and what is asked of it; `null` unless that is clear, and allowed. */
async function targetOf(client: Client, asked: Asked, resources: ResourceRegistry): Promise<Target | null> {
  if (asked.scope !== undefined && !SCOPE.test(asked.scope)) return null;
  const named = asked.resource === undefined ? undefined : await resources.findByIndicator(asked.resource);
  if (named === null) return null;
  const scopes =
    asked.scope === undefined
      ? defaultScopeOf(client, { forPerson: false, named: named && [named] })
      : [...new Set(asked.scope.split(' '))];
  if (scopes.some((scope) => isOpenIdScope(scope) || !client.scope.includes(scope))) return null;
  const resourceServer = named ?? (await onlyOneHaving(scopes, resources));
  if (resourceServer === null || !mayAddress(client, resourceServer)) return null;
  if (!scopes.every((scope) => isOffered(scope, [resourceServer]))) return null;
  return { resourceServer, scope: formatScope(scopes) };
}

async function onlyOneHaving(
  scopes: readonly string[],
  resources: ResourceRegistry,
): Promise<ResourceServer | null> {
  if (scopes.length === 0) return null;
  const [only, ...more] = havingAll(await Array.fromAsync(resources.list()), scopes);
  return only === undefined || more.length > 0 ? null : only;
}
