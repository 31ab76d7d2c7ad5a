import { type ParsedUrlQueryInput, stringify } from 'node:querystring';
import type { Context } from 'koa';
import { errors, type InteractionResults, type Interaction as LibraryInteraction } from 'oidc-provider';
import type { Client } from '#src/clients/client.ts';
import type { RegisteredBy } from '#src/clients/registered-by.ts';
import type { Answer, ClientSays, Interaction, Interactions } from '#src/interaction/interaction.ts';
import { ROUTES } from '#src/oidc/endpoints.ts';
import type { Protocol } from '#src/oidc/provider.ts';
import { detailsIn, requestedOf } from '#src/oidc/requested-consent.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';

type Parts = Pick<Protocol, 'provider' | 'whoRegistered' | 'application' | 'begun'>;

/** The interactions of the library. The browser is known by its cookies. */
export function libraryInteractions(parts: Parts, resources: ResourceRegistry): Interactions<Context> {
  const { provider, begun } = parts;
  // Whoever has been shown to have begun an interaction need not show it twice in one request.
  const owners = new WeakSet<Context>();
  const own = async (ctx: Context): Promise<LibraryInteraction | null> => {
    const interaction = await unlessEnded(provider.interactionDetails(ctx.req, ctx.res));
    if (interaction === null || !begun.has(ctx, interaction.uid)) return null;
    owners.add(ctx);
    return interaction;
  };
  return {
    find: async (ctx) => {
      const interaction = await own(ctx);
      return interaction === null ? null : describe(interaction, parts, resources);
    },
    askWhoIsThere: async (ctx) => {
      const interaction = await own(ctx);
      return interaction === null ? null : askedAnew(interaction);
    },
    answer: async (ctx, answer) => {
      if (!owners.has(ctx) && (await own(ctx)) === null) return null;
      return unlessEnded(provider.interactionResult(ctx.req, ctx.res, resultOf(answer)));
    },
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
  { uid, params, prompt, session }: LibraryInteraction,
  { provider, whoRegistered, application }: Parts,
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
    says: saidBy(application(client)),
    vouchedBy: vouchedBy(whoRegistered(client), client.clientId),
    redirectUri: text(params.redirect_uri) ?? null,
    subject: session?.accountId ?? null,
    loginHint: text(params.login_hint),
    uiLocales: text(params.ui_locales),
    requested: await requestedOf(params, resources),
    details: detailsIn(params.authorization_details),
  };
}

function saidBy(client: Client | null): ClientSays {
  const { logo_uri: logoUri, policy_uri: policyUri, tos_uri: tosUri } = client?.metadata ?? {};
  return { logoUri, clientUri: client?.clientUri ?? undefined, policyUri, tosUri };
}

function vouchedBy({ by }: RegisteredBy, clientId: string): Interaction['vouchedBy'] {
  if (by === 'administrator') return by;
  return by === 'registration' ? 'nobody' : { host: new URL(clientId).host };
}

/**
 * An authorization request is sent again, and asks for a sign-in. One of a device cannot be, since its code is taken up
 * already, nor can one that was pushed or signed, which a client may have to do: there the interaction itself goes on,
 * with a sign-in that is always too long ago.
 */
async function askedAnew(interaction: LibraryInteraction): Promise<string> {
  const {
    params,
    deviceCode,
    returnTo,
    parJti,
    trusted = [],
  } = interaction as LibraryInteraction & {
    readonly parJti?: string;
    readonly trusted?: readonly string[];
  };
  if (deviceCode === undefined && parJti === undefined && trusted.length === 0)
    return `${ROUTES.authorization}?${stringify({ ...params, prompt: 'login' } as ParsedUrlQueryInput)}`;
  interaction.params = { ...params, max_age: '-1' };
  await interaction.save((interaction as LibraryInteraction & { remainingTTL: number }).remainingTTL);
  return returnTo;
}

function resultOf(answer: Answer): InteractionResults {
  switch (answer.answer) {
    case 'signed-in':
      return {
        login: { accountId: answer.subject, ts: answer.at, amr: [...answer.amr], acr: answer.acr },
        // Whoever has just signed in has said which account it is to be.
        select_account: {},
      };
    case 'account-selected':
      return { select_account: {} };
    case 'consented':
      return { consent: {} };
    case 'denied':
      return { error: 'access_denied', error_description: answer.description };
  }
}

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
