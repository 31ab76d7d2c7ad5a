import {
  type AccessToken,
  type ClientCredentials,
  errors,
  type KoaContextWithOIDC,
  type Client as LibraryClient,
} from 'oidc-provider';
import { type AuthorizationDetail, firstBeyond } from '#src/authorization-details/detail.ts';
import type { DetailType, DetailTypes } from '#src/authorization-details/detail-type.ts';
import { isNamedIn } from '#src/resources/resource-server.ts';

/** What a token says of what it is for: `resourceServer` as the library keeps it. */
type Token = (AccessToken | ClientCredentials) & { resourceServer?: { identifier(): string } | undefined };

/** The type package knows the feature as on or as off, and not as what the settings make of it. */
interface LibraryFeature {
  enabled: true;
  types: Record<string, { validate(): void }>;
  authorizationDetailsForGrantSource(): undefined;
  authorizationDetailsForAccessToken(): undefined;
  authorizationDetailsForIntrospection(): undefined;
}

/**
 * Authorization details, RFC 9396: of which types there are, for whom, for which resource servers, and never more of
 * them than the person has allowed.
 */
export class RichAuthorizationRequests {
  readonly #types: DetailTypes;
  readonly #charsMax: number;

  constructor(options: { readonly detailTypes: DetailTypes; readonly charsMax: number }) {
    this.#types = options.detailTypes;
    this.#charsMax = options.charsMax;
  }

  /** What the library is told. Without a type there is no such thing, and the metadata is silent about it. */
  feature(): LibraryFeature {
    const types = [...this.#types].map(([name, type]) => [
      name,
      {
        validate: (ctx: KoaContextWithOIDC, detail: AuthorizationDetail, client: LibraryClient) =>
          this.#validate(ctx, detail, client, type),
      },
    ]);
    return {
      enabled: this.#types.size > 0,
      types: Object.fromEntries(types),
      authorizationDetailsForGrantSource: (ctx: KoaContextWithOIDC) => requestedIn(ctx) ?? undefined,
      authorizationDetailsForAccessToken: (
        ctx: KoaContextWithOIDC,
        token: Token,
        source?: { rar?: readonly AuthorizationDetail[] },
      ) => this.#forToken(ctx, token, source),
      // Each token was made for one resource server, and no other may ask about it: RFC 9396 section 9.2.
      authorizationDetailsForIntrospection: (_ctx: KoaContextWithOIDC, token: Token) => token.rar,
    } as unknown as LibraryFeature;
  }

  /** The resource servers that the details of a request are for; empty where it has none. */
  resourcesOf(ctx: KoaContextWithOIDC): readonly string[] {
    return [...new Set((requestedIn(ctx) ?? []).flatMap((detail) => this.#resourcesOf(detail)))];
  }

  /**
   * Refuses a token request that asks for more than was granted, before its code or refresh token is used up.
   * @throws errors.InvalidAuthorizationDetails
   */
  assertGranted(ctx: KoaContextWithOIDC, granted: readonly AuthorizationDetail[] | undefined): void {
    const beyond = firstBeyond(requestedIn(ctx) ?? [], granted ?? []);
    if (beyond !== null) throw refusal('more was asked for than granted', beyond);
  }

  #validate(
    { oidc }: KoaContextWithOIDC,
    detail: AuthorizationDetail,
    client: LibraryClient,
    type: DetailType,
  ): void {
    const refuse = (why: string) => refusal(why, type);
    const { params = {} } = oidc;
    if (String(params.authorization_details).length > this.#charsMax)
      throw new errors.InvalidAuthorizationDetails(`more than ${this.#charsMax} characters`);
    if (type.clients !== null && !type.clients.includes(client.clientId))
      throw refuse('not allowed for this client');
    const forItself = params.grant_type === 'client_credentials';
    if (forItself && !type.clientCredentials.includes(client.clientId))
      throw refuse('not allowed for this client without a person');
    const problem = type.problemWith(detail);
    if (problem !== null) throw refuse(problem);
    const stray = (detail.locations as string[] | undefined)?.find(
      (each) => !isNamedIn(type.resources, each),
    );
    if (stray !== undefined) throw refuse('a location is no resource server of this type');
    const named = [params.resource ?? []].flat() as string[];
    if (named.length > 0 && !named.some((each) => isNamedIn(this.#resourcesOf(detail), each)))
      throw refuse('for none of the resource servers that the request names');
  }

  #forToken(ctx: KoaContextWithOIDC, token: Token, source?: { rar?: readonly AuthorizationDetail[] }) {
    const requested = requestedIn(ctx);
    const forItself = ctx.oidc.params?.grant_type === 'client_credentials';
    if (!forItself) this.assertGranted(ctx, source?.rar);
    const identifier = token.resourceServer?.identifier();
    return (requested ?? source?.rar ?? []).filter(
      (detail) => identifier !== undefined && isNamedIn(this.#resourcesOf(detail), identifier),
    );
  }

  /** Where a detail is good: at its `locations`, or else wherever its type is understood. RFC 9396 section 2.2. */
  #resourcesOf({ type, locations }: AuthorizationDetail): readonly string[] {
    const all = this.#types.get(type)?.resources ?? [];
    if (!Array.isArray(locations) || locations.length === 0) return all;
    return all.filter((each) => isNamedIn(locations, each));
  }
}

/** The parameter of this request, which the library has parsed before; `null` where there is none. */
function requestedIn({ oidc }: KoaContextWithOIDC): readonly AuthorizationDetail[] | null {
  const { authorization_details: text } = oidc.params ?? {};
  return typeof text === 'string' ? (JSON.parse(text) as AuthorizationDetail[]) : null;
}

/** A refusal in words that an `error_description` may hold: RFC 6749 section 5.2. */
function refusal(why: string, { type }: { readonly type: string }): Error {
  const description = `${why} (type ${type})`.replace(/["\\]|[^\x20-\x7e]/g, "'");
  return new errors.InvalidAuthorizationDetails(description);
}
