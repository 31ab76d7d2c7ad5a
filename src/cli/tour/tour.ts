import { Browser } from '#src/cli/parties/browser.ts';
import { type Cast, engage, SCOPE } from '#src/cli/parties/cast.ts';
import { discover, RelyingParty, type ServerMetadata } from '#src/cli/parties/relying-party.ts';
import { Api } from '#src/cli/tour/api.ts';
import type { Company } from '#src/cli/tour/company.ts';
import type { Narrator } from '#src/cli/tour/narrator.ts';
import { revoke } from '#src/cli/tour/revoking.ts';
import { rotate } from '#src/cli/tour/rotating.ts';
import { redeem, signIn } from '#src/cli/tour/signing-in.ts';
import { askWhoItIs, introspect, refresh, retryRefresh, verify } from '#src/cli/tour/using-tokens.ts';
import { SetupFault } from '#src/fault.ts';
import type { Random } from '#src/random.ts';
import type { Services } from '#src/services.ts';

export interface TourParts {
  readonly services: Services;
  readonly narrator: Narrator;
  readonly random: Random;
  /** Ends the tour early; it still cleans up. */
  readonly signal: AbortSignal;
}

/**
 * Walks the whole main job against the running server: what an administrator registers, it registers on the store,
 * everything else goes over HTTP. Throws at the first thing that does not hold, and cleans up whatever happens.
 */
export async function walk(parts: TourParts): Promise<void> {
  const { narrator } = parts;
  const cast = await register(parts);
  try {
    await walkWith(cast, parts);
  } finally {
    const why = 'What the tour has registered is removed. Whatever was issued for it would end with it.';
    await narrator.step('Clean up', why, async (show) => {
      await cast[Symbol.asyncDispose]();
      show.say('The client, the resource server and the account are gone.');
    });
  }
}

async function walkWith(cast: Cast, { services, narrator, random, signal }: TourParts): Promise<void> {
  const server = await discovery(narrator, services.config.issuer, signal);
  const { client } = cast;
  const company: Company = {
    narrator,
    cast,
    app: new RelyingParty({ server, credentials: client, redirectUri: client.redirectUri, random, signal }),
    api: new Api({ server, audience: cast.api.identifier, credentials: cast.api, signal }),
  };
  const authorized = await signIn(company, new Browser(signal));
  const first = await redeem(company, authorized);
  await verify(company, first);
  await introspect(company, first);
  const second = await refresh(company, first);
  await retryRefresh(company, {
    used: first,
    successor: second,
    grace: services.config.lifetimes.refreshGrace,
  });
  await askWhoItIs(company, second);
  const third = await rotate(company, second, services.rotation, signal);
  await revoke(company, third);
}

/** @throws SetupFault when no server answers. */
export async function assertRunning(issuer: string, signal: AbortSignal): Promise<void> {
  try {
    const response = await fetch(`${issuer}/healthz`, { signal });
    await response.body?.cancel();
  } catch (cause) {
    signal.throwIfAborted();
    throw new SetupFault(`no server answers at ${issuer}`, 'start it in another terminal first: npm start', {
      cause,
    });
  }
}

function register({ services, narrator, random }: TourParts): Promise<Cast> {
  const title = 'Register a client, a resource server and a person';
  const why =
    'Done once by an administrator: keyturn clients add, resources add, accounts add. They work on the same store as\n' +
    'the server, which needs no restart. Secrets are shown once and kept as digests.';
  return narrator.step(title, why, async (show) => {
    const cast = await engage(services, random, { prefix: 'tour' });
    const { client, api, person } = cast;
    show.received('client', { client_id: client.clientId, redirect_uri: client.redirectUri, scope: SCOPE });
    show.received('resource server', { identifier: api.identifier, client_id: api.clientId });
    show.received('account', { sub: person.subject, username: person.username });
    return cast;
  });
}

function discovery(narrator: Narrator, issuer: string, signal: AbortSignal): Promise<ServerMetadata> {
  const why =
    'The issuer is all that a client has to be told: the rest is in the metadata (RFC 8414, OpenID Discovery).';
  return narrator.step('Discover the server', why, async (show) => {
    show.sent('GET /.well-known/openid-configuration');
    const server = await discover(issuer, signal);
    const { authorization_endpoint, token_endpoint, jwks_uri, introspection_endpoint } = server;
    show.received('200', { authorization_endpoint, token_endpoint, jwks_uri, introspection_endpoint });
    show.check(server.issuer === issuer, `the metadata is that of ${issuer}`);
    return server;
  });
}
