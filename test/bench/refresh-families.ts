import { systemClock } from '#src/clock.ts';
import { newIdentifier, systemRandom } from '#src/random.ts';
import type { Services } from '#src/services.ts';
import { signJwt } from '#src/signing/jws.ts';
import { KeyHolder } from '#src/signing/key-holder.ts';
import {
  newFamily,
  REFRESH_TOKEN_TYPE,
  type RefreshFamily,
  refreshTokenClaims,
} from '#src/tokens/refresh-token.ts';
import { epochSeconds } from '#src/units.ts';
import { identifierOf, scopeOf } from '#test/bench/servers/served.ts';

/** A refresh family as a sign-in for an API begins one, at that time. */
export function familyOf(beganAt = systemClock.now()): RefreshFamily {
  const says = {
    authTime: beganAt,
    gty: 'authorization_code',
    resource: identifierOf('es256'),
    scope: scopeOf('es256'),
  };
  return newFamily(says, beganAt);
}

/** Signs refresh tokens as a server on the same store does. Disposing it forgets the keys. */
export function refreshTokenSigner({ rotation, config: { issuer, lifetimes } }: Services) {
  const keys = new KeyHolder({ rotation, clock: systemClock, onFault: () => {} });
  return {
    /** The current token of a family. */
    sign: async (id: string, family: RefreshFamily): Promise<string> => {
      const claims = refreshTokenClaims(issuer, id, family, {
        idle: lifetimes.refreshIdle,
        absolute: lifetimes.refreshAbsolute,
        grace: lifetimes.refreshGrace,
      });
      return signJwt(keys.refreshKeyAt(systemClock.now()), { typ: REFRESH_TOKEN_TYPE }, { ...claims });
    },
    [Symbol.asyncDispose]: () => keys[Symbol.asyncDispose](),
  };
}

/** Refresh tokens that nobody has used for longer than they live. */
export async function expiredRefreshTokens(services: Services, count: number): Promise<readonly string[]> {
  await using signer = refreshTokenSigner(services);
  const longAgo = epochSeconds(systemClock.now() - 2 * services.config.lifetimes.refreshIdle);
  const tokens = Array.from({ length: count }, () =>
    signer.sign(newIdentifier(systemRandom), familyOf(longAgo)),
  );
  return Promise.all(tokens);
}
