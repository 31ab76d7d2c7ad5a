import type { Configuration } from 'oidc-provider';
import { CookieSignatures } from '#src/http/cookie-signatures.ts';

/**
 * Cookies that no page can read and no other site can send along. Under https no other host can set the one of the
 * session. Those of one interaction are bound to its path, which `__Host-` does not allow, so that a host of the same
 * registrable domain could set them; `begun-interactions.ts` sees to it that this is of no use.
 */
export function cookiesOf(
  issuer: string,
  cookieKeys: readonly string[],
): NonNullable<Configuration['cookies']> {
  const secure = issuer.startsWith('https:');
  const options = { httpOnly: true, sameSite: 'lax', signed: true, secure } as const;
  return {
    keys: new CookieSignatures(cookieKeys),
    long: options,
    short: options,
    names: {
      session: secure ? '__Host-keyturn-session' : 'keyturn-session',
      interaction: secure ? '__Secure-keyturn-interaction' : 'keyturn-interaction',
      resume: secure ? '__Secure-keyturn-resume' : 'keyturn-resume',
    },
  };
}
