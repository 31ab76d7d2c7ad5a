import type { Middleware } from 'koa';

/**
 * Sets the security headers on every answer, those that Koa makes from a thrown error included. They are set before
 * the answer is made, so that a route can say something else on purpose: a page its own policy, an asset or the JWKS
 * how long it may be kept.
 */
export function securityHeaders(options: { readonly issuer: string }): Middleware {
  const headers = headersOfEveryAnswer(options.issuer);
  return async (ctx, next) => {
    ctx.set(headers);
    try {
      await next();
    } catch (error) {
      // Koa drops every header before it answers for an error, and sets those that the error names.
      if (error instanceof Error) {
        const named = (error as Error & { headers?: Record<string, string> }).headers;
        Object.assign(error, { headers: { ...headers, ...named } });
      }
      throw error;
    }
  };
}

/** RFC 6797: two years, the least that browsers' preload lists take. Subdomains are their owners' to decide. */
const HSTS = 'max-age=63072000';

/** What every answer says, unless it says something else on purpose. OWASP REST Security and HTTP Headers Cheat Sheets. */
export function headersOfEveryAnswer(issuer: string): Record<string, string> {
  return {
    // Whoever may be kept knows it, and says so.
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
    // A client may open the sign-in in a popup and wait for it to come back to the client's origin. Anything but
    // `unsafe-none` on the way cuts the popup off from its opener for good, redirects included.
    'Cross-Origin-Opener-Policy': 'unsafe-none',
    // Keeps our answers out of other origins' images, scripts and styles. Metadata, JWKS and tokens are fetched with
    // CORS, which this header does not concern.
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy':
      'accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()',
    // The address of an interaction must not reach the client whose link is followed.
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'X-Permitted-Cross-Domain-Policies': 'none',
    ...(new URL(issuer).protocol === 'https:' && { 'Strict-Transport-Security': HSTS }),
  };
}
