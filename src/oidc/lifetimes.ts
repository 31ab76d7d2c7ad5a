import type { Configuration } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import type { RefreshLifetimes } from '#src/tokens/refresh-token.ts';
import { after, between, type EpochSeconds, epochSeconds, type Seconds, seconds } from '#src/units.ts';

/** How long what the protocol makes lives. */
export interface ProviderLifetimes {
  readonly accessToken: Seconds;
  readonly accessTokenMax: Seconds;
  readonly authorizationCode: Seconds;
  readonly backchannelRequest: Seconds;
  readonly deviceCode: Seconds;
  readonly idToken: Seconds;
  readonly interaction: Seconds;
  readonly session: Seconds;
  readonly refreshIdle: Seconds;
  readonly refreshAbsolute: Seconds;
  readonly refreshGrace: Seconds;
}

/** Of refresh tokens. */
export function refreshLifetimesOf(lifetimes: ProviderLifetimes): RefreshLifetimes {
  const { refreshIdle: idle, refreshAbsolute: absolute, refreshGrace: grace } = lifetimes;
  return { idle, absolute, grace };
}

/** How long the library lets things live, in seconds. */
export function ttlOf(lifetimes: ProviderLifetimes, clock: Clock): NonNullable<Configuration['ttl']> {
  const accessTokenTtl = (
    _ctx: unknown,
    token: { resourceServer?: { accessTokenTTL?: number | undefined } | undefined },
  ) => token.resourceServer?.accessTokenTTL ?? lifetimes.accessToken;
  return {
    AccessToken: accessTokenTtl,
    ClientCredentials: accessTokenTtl,
    BackchannelAuthenticationRequest: (ctx) =>
      Math.min(
        Number(ctx.oidc.params?.requested_expiry ?? lifetimes.backchannelRequest),
        lifetimes.backchannelRequest,
      ),
    AuthorizationCode: lifetimes.authorizationCode,
    DeviceCode: lifetimes.deviceCode,
    Grant: lifetimes.refreshAbsolute,
    IdToken: lifetimes.idToken,
    Interaction: lifetimes.interaction,
    RefreshToken: lifetimes.refreshIdle,
    Session: (_ctx, session) => sessionTtl(session, lifetimes, clock),
  };
}

/** When a session ends whose person signed in then. */
export function sessionEndsAt(signedInAt: number, lifetimes: ProviderLifetimes): EpochSeconds {
  return after(epochSeconds(signedInAt), lifetimes.session);
}

/**
 * How long a session is kept from now on. The library asks at every use, and a use is no sign-in: that ends by the
 * interaction policy. Without one, a session is but the memory of a question, which has to last as long as somebody may
 * take to answer it.
 */
export function sessionTtl(
  { loginTs }: { readonly loginTs?: number | undefined },
  lifetimes: ProviderLifetimes,
  clock: Clock,
): Seconds {
  const question = Math.min(lifetimes.interaction, lifetimes.session);
  if (loginTs === undefined) return seconds(question);
  return seconds(Math.max(question, between(clock.now(), sessionEndsAt(loginTs, lifetimes))));
}
