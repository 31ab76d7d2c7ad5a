import { stringify } from 'node:querystring';
import type { Context } from 'koa';
import { errors, type Provider } from 'oidc-provider';
import type { Visitors } from '#src/account-page/visitor.ts';
import { standsSince } from '#src/accounts/account.ts';
import type { AccountRegistry } from '#src/accounts/account-registry.ts';
import { ACCOUNT_CALLBACK_PATH, ACCOUNT_CLIENT_ID } from '#src/clients/account-client.ts';
import type { Clock } from '#src/clock.ts';
import { cookiesOf } from '#src/oidc/cookies.ts';
import { ROUTES } from '#src/oidc/endpoints.ts';
import { type ProviderLifetimes, sessionEndsAt } from '#src/oidc/lifetimes.ts';
import type { Protocol } from '#src/oidc/provider.ts';
import { type LibrarySession, seenIn, sessionOf } from '#src/oidc/session-model.ts';
import type { Random } from '#src/random.ts';
import { between, type EpochSeconds, epochSeconds } from '#src/units.ts';

/** As many bytes as the digest has that RFC 7636 section 4.2 makes of a verifier. */
const CODE_CHALLENGE_BYTES = 32;

export interface AccountVisitorsOptions {
  readonly provider: Provider;
  readonly issuer: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly lifetimes: ProviderLifetimes;
  readonly cookieKeys: readonly string[];
  readonly accounts: Pick<AccountRegistry, 'findBySubject'>;
}

/** Who visits the page of their account: whoever has a session of the library's that the protocol would take as well. */
export function accountVisitors(options: AccountVisitorsOptions): Visitors<Context> {
  const { provider, issuer, clock, random, lifetimes } = options;
  const { long: cookieOptions } = cookiesOf(issuer, options.cookieKeys);
  const Sessions = provider.Session as unknown as new () => LibrarySession;
  return {
    find: async (ctx) => {
      const { accountId, loginTs, uid, acr, amr } = await sessionOf(provider, ctx);
      if (accountId === undefined || loginTs === undefined) return null;
      if (sessionEndsAt(loginTs, lifetimes) <= clock.now()) return null;
      const signedInAt = epochSeconds(loginTs);
      const account = await options.accounts.findBySubject(accountId);
      if (!standsSince(account, signedInAt)) return null;
      return { account, sessionUid: uid, signedInAt, acr, amr };
    },
    signInAddress: (section, { maxAge } = {}) => {
      const request = {
        client_id: ACCOUNT_CLIENT_ID,
        response_type: 'code',
        scope: 'openid',
        redirect_uri: issuer + ACCOUNT_CALLBACK_PATH,
        state: section,
        // Of no verifier: the code is not to be redeemed by anybody.
        code_challenge: random.bytes(CODE_CHALLENGE_BYTES).toString('base64url'),
        code_challenge_method: 'S256',
        ...(maxAge === undefined ? undefined : { max_age: maxAge }),
      };
      return `${ROUTES.authorization}?${stringify(request)}`;
    },
    renew: async (ctx, { account, signedInAt, acr, amr }) => {
      const session = new Sessions();
      session.loginAccount({
        accountId: account.subject,
        loginTs: signedInAt,
        ...(acr === undefined ? undefined : { acr }),
        ...(amr === undefined ? undefined : { amr: [...amr] }),
      });
      session.seen = seenIn(ctx, clock);
      const endsAt: EpochSeconds = sessionEndsAt(signedInAt, lifetimes);
      await session.save(Math.max(1, between(clock.now(), endsAt)));
      const expires = new Date(endsAt * 1000);
      ctx.cookies.set(provider.cookieName('session'), session.jti, { ...cookieOptions, expires });
    },
  };
}

/**
 * What a client calls itself, wherever it is registered, and its page if an administrator has vouched for that; `null`
 * if it is there no more, or cannot be read now.
 */
export async function describeClient(
  { provider }: Pick<Protocol, 'provider'>,
  clientId: string,
): Promise<{ name: string; uri: string | undefined } | null> {
  try {
    const client = await provider.Client.find(clientId);
    if (client === undefined) return null;
    return { name: client.clientName ?? client.clientId, uri: client.clientUri };
  } catch (problem) {
    if (problem instanceof errors.OIDCProviderError) return null;
    throw problem;
  }
}
