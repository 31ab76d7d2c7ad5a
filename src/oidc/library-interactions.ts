import { type ParsedUrlQueryInput, stringify } from 'node:querystring';
import type { Context } from 'koa';
import {
  errors,
  type InteractionResults,
  type Interaction as LibraryInteraction,
  type Provider,
} from 'oidc-provider';
import type { AuthorizationDetail } from '#src/authorization-details/detail.ts';
import { isOpenIdScope } from '#src/clients/scope.ts';
import type { Consent } from '#src/interaction/consent.ts';
import type { Answer, Interaction, Interactions } from '#src/interaction/interaction.ts';
import { claimsOfScopes, PERSONAL_CLAIMS } from '#src/oidc/account-claims.ts';
import { ROUTES } from '#src/oidc/endpoints.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';

/** The interactions of the library. The browser is known by its cookies. */
export function libraryInteractions(provider: Provider, resources: ResourceRegistry): Interactions<Context> {
  return {
    find: async (ctx) => {
      const details = await unlessEnded(provider.interactionDetails(ctx.req, ctx.res));
      return details === null ? null : describe(details, provider, resources);
    },
    answer: (ctx, answer) => unlessEnded(provider.interactionResult(ctx.req, ctx.res, resultOf(answer))),
  };
}

async function unlessEnded<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await promise;
  } catch (problem) {
    if (problem instanceof errors.SessionNotFound) return null;
    throw problem;
  }
}

async function describe(
  { uid, params, prompt, session, deviceCode }: LibraryInteraction,
  provider: Provider,
  resources: ResourceRegistry,
): Promise<Interaction | null> {
  const clientId = text(params.client_id);
  const client = clientId === undefined ? undefined : await provider.Client.find(clientId);
  if (client === undefined) return null;
  return {
    uid,
    prompt: prompt.name,
    clientId: client.clientId,
    clientName: client.clientName ?? client.clientId,
    clientUri: client.clientUri,
    redirectUri: text(params.redirect_uri) ?? null,
    subject: session?.accountId ?? null,
    loginHint: text(params.login_hint),
    uiLocales: text(params.ui_locales),
    asSomeoneElse:
      deviceCode !== undefined
        ? null
        : `${ROUTES.authorization}?${stringify({ ...params, prompt: 'login' } as ParsedUrlQueryInput)}`,
    requested: await requestedOf(params, resources),
    details: detailsIn(params.authorization_details),
  };
}

async function requestedOf(params: Record<string, unknown>, resources: ResourceRegistry): Promise<Consent> {
  const scopes = (text(params.scope) ?? '').split(' ').filter((scope) => scope !== '');
  const identifiers = [params.resource ?? []].flat().filter((value) => typeof value === 'string');
  const perResource = await Promise.all(
    identifiers.map(async (identifier): Promise<[string, string[]]> => {
      const offered = (await resources.findByIndicator(identifier))?.scope ?? [];
      return [identifier, scopes.filter((scope) => offered.includes(scope))];
    }),
  );
  return {
    scope: scopes.filter(isOpenIdScope),
    resources: Object.fromEntries(perResource),
    claims: claimsBeyond(scopes, params.claims),
  };
}

/** The personal claims that the parameter `claims` asks for and no scope does. The library has looked at its form. */
function claimsBeyond(scopes: readonly string[], claims: unknown): readonly string[] {
  if (typeof claims !== 'string') return [];
  const { id_token: idToken = {}, userinfo = {} } = JSON.parse(claims) as Record<string, object | undefined>;
  const byScope = claimsOfScopes(scopes);
  const names = new Set([...Object.keys(idToken), ...Object.keys(userinfo)]);
  return [...names].filter((name) => PERSONAL_CLAIMS.has(name) && !byScope.includes(name));
}

function resultOf(answer: Answer): InteractionResults {
  switch (answer.answer) {
    case 'signed-in':
      return {
        login: { accountId: answer.subject, ts: answer.at, amr: [...answer.amr], acr: answer.acr },
      };
    case 'consented':
      return { consent: {} };
    case 'denied':
      return { error: 'access_denied', error_description: answer.description };
  }
}

/** The library has looked at its form. */
function detailsIn(parameter: unknown): readonly AuthorizationDetail[] {
  return typeof parameter === 'string' ? (JSON.parse(parameter) as AuthorizationDetail[]) : [];
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
