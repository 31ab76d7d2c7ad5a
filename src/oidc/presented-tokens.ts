import type { AccessToken, ClientCredentials, Client as LibraryClient, Provider } from 'oidc-provider';
import { subjectFor } from '#src/oidc/subjects.ts';
import { isNamedIn } from '#src/resources/resource-server.ts';
import { resourcesOf } from '#src/revocations/revocation.ts';
import {
  type AccessTokenClaims,
  type Actor,
  audiencesOf,
  type Confirmation,
  type RestsOn,
} from '#src/tokens/access-token.ts';
import type { PairwiseSubjects } from '#src/tokens/pairwise-subject.ts';
import type { PresentedToken, SignInClaims } from '#src/tokens/presented-token.ts';
import { opaqueTokenName, type StandingSources, standingOf, standingOfGround } from '#src/tokens/standing.ts';
import type { TokenReader } from '#src/tokens/token-reader.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

/** The identifiers of token types: RFC 8693 section 3. */
export const TOKEN_TYPE = {
  accessToken: 'urn:ietf:params:oauth:token-type:access_token',
  idToken: 'urn:ietf:params:oauth:token-type:id_token',
  jwt: 'urn:ietf:params:oauth:token-type:jwt',
} as const;

export interface PresentedTokenDependencies {
  readonly provider: Provider;
  readonly reader: TokenReader;
  readonly standing: StandingSources;
  readonly pairwise: PairwiseSubjects;
  readonly clock: { now(): EpochSeconds };
}

type Opaque = (AccessToken | ClientCredentials) & {
  readonly extra?: SignInClaims & {
    readonly sub?: string;
    readonly act?: Actor;
    readonly rests_on?: RestsOn;
  };
};

/** Who presents a token, and for what. */
interface Presentation {
  readonly client: LibraryClient;
  /** The resource server that another token is asked for. */
  readonly target: string;
}

/**
 * Finds the tokens that clients bring to be exchanged. Only tokens of this server that stand are found, each under its
 * own type alone (RFC 8725 section 3.11).
 */
export class PresentedTokens {
  readonly #deps: PresentedTokenDependencies;

  constructor(deps: PresentedTokenDependencies) {
    this.#deps = deps;
  }

  /** The token, or `null` for whatever is none of ours, expired, ended, or of another type than it is said to be. */
  async find(value: string, type: string, presentation: Presentation): Promise<PresentedToken | null> {
    if (type === TOKEN_TYPE.idToken) return this.#findIdToken(value, presentation);
    if (value.includes('.')) return this.#findAccessToken(value);
    return type === TOKEN_TYPE.accessToken ? this.#findOpaque(value) : null;
  }

  async #findAccessToken(jwt: string): Promise<PresentedToken | null> {
    const read = this.#deps.reader.read(jwt);
    if (read.kind !== 'access') return null;
    const { claims } = read;
    const state = await standingOf(this.#deps.standing, read.kid, claims);
    if (!state.stands) return null;
    return {
      kind: 'access',
      jti: claims.jti,
      subject: state.authorization?.subject ?? claims.sub,
      sub: claims.sub,
      clientId: claims.client_id,
      audiences: audiencesOf(claims),
      scope: listOf(claims.scope),
      resources: null,
      expiresAt: claims.exp,
      authorizationId: claims.grant_id ?? null,
      confirmation: claims.cnf ?? null,
      act: claims.act ?? null,
      mayAct: claims.may_act ?? null,
      restsOn: claims.rests_on ?? {},
      signIn: signInOf(claims),
    };
  }

  async #findOpaque(value: string): Promise<PresentedToken | null> {
    const { provider } = this.#deps;
    const token = ((await provider.AccessToken.find(value)) ??
      (await provider.ClientCredentials.find(value))) as Opaque | undefined;
    if (token === undefined) return null;
    const { extra = {} } = token;
    const person = 'accountId' in token ? token : null;
    return {
      kind: 'access',
      jti: opaqueTokenName(value),
      subject: person?.accountId ?? extra.sub ?? (token.clientId as string),
      sub: await this.#nameOf(token),
      clientId: token.clientId as string,
      audiences: [token.aud].flat() as string[],
      scope: listOf(token.scope),
      resources: null,
      expiresAt: epochSeconds(token.exp as number),
      authorizationId: person?.grantId ?? null,
      confirmation: confirmationOf(token),
      act: extra.act ?? null,
      mayAct: null,
      restsOn: extra.rests_on ?? {},
      signIn: signInOf(extra),
    };
  }

  /** What an opaque token calls its subject, as introspection tells it. */
  async #nameOf(token: Opaque): Promise<string> {
    const { provider, pairwise } = this.#deps;
    const clientId = token.clientId as string;
    if (!('accountId' in token)) return token.extra?.sub ?? clientId;
    const client = await provider.Client.find(clientId);
    if (client === undefined) throw new Error('a token that stands has a client');
    return subjectFor(client, token.accountId, pairwise);
  }

  /** An ID token allows nothing by itself: what counts is what was asked for, and allowed, at that sign-in. */
  async #findIdToken(jwt: string, { client, target }: Presentation): Promise<PresentedToken | null> {
    const { provider, standing, clock } = this.#deps;
    const claims = await validIdToken(provider, jwt, client);
    if (claims === null || clock.now() >= claims.exp) return null;
    const { grant_id: authorizationId, iat: issuedAt } = claims;
    const { clientId } = client;
    const state = await standingOfGround(standing, { clientId, authorizationId, issuedAt });
    if (!state.stands || state.authorization === null) return null;
    const resources = resourcesOf(state.authorization.grant);
    const grant = await provider.Grant.find(authorizationId, { ignoreExpiration: true });
    const atTarget = resources.filter((each) => isNamedIn([target], each));
    return {
      kind: 'id',
      jti: null,
      subject: state.authorization.subject,
      sub: claims.sub,
      clientId,
      audiences: [clientId],
      scope: atTarget.flatMap((each) => listOf(grant?.getResourceScope(each))),
      resources,
      expiresAt: claims.exp,
      authorizationId,
      confirmation: null,
      act: null,
      mayAct: null,
      restsOn: {},
      signIn: signInOf({ ...claims, auth_time: state.authorization.signedInAt }),
    };
  }
}

type IdTokenClaims = SignInClaims & {
  readonly sub: string;
  readonly grant_id: string;
  readonly iat: EpochSeconds;
  readonly exp: EpochSeconds;
};

async function validIdToken(
  provider: Provider,
  jwt: string,
  client: LibraryClient,
): Promise<IdTokenClaims | null> {
  try {
    const { header, payload } = await provider.IdToken.validate(jwt, client);
    // Nothing else that this server signs for a client has a type of its own and names an authorization.
    const isIdToken = (header.typ ?? 'JWT') === 'JWT' && typeof payload.grant_id === 'string';
    const isDated = Number.isSafeInteger(payload.iat) && Number.isSafeInteger(payload.exp);
    return isIdToken && isDated ? (payload as unknown as IdTokenClaims) : null;
  } catch {
    return null;
  }
}

function signInOf({ auth_time, acr, amr }: Pick<AccessTokenClaims, keyof SignInClaims>): SignInClaims {
  return {
    ...(auth_time === undefined ? undefined : { auth_time }),
    ...(acr === undefined ? undefined : { acr }),
    ...(amr === undefined ? undefined : { amr }),
  };
}

function confirmationOf(token: Opaque): Confirmation | null {
  if (token.jkt !== undefined) return { jkt: token.jkt };
  const thumbprint = token['x5t#S256'];
  return thumbprint === undefined ? null : { 'x5t#S256': thumbprint };
}

const listOf = (scope: string | undefined) => (scope ?? '').split(' ').filter((each) => each !== '');
