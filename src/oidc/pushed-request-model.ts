import type { Provider } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import { type LibraryModel, teachable } from '#src/oidc/library.ts';
import { after, type Seconds } from '#src/units.ts';

interface PushedRequest {
  /** A signed request object as it was pushed, or an unsecured JWT that the library has made of the parameters. */
  request: string;
  /** When it ends, in seconds since the epoch. */
  exp: number;
}

/**
 * Teaches the library how long a pushed request is good for: as long as the settings say, and no longer than the
 * request object that was pushed. RFC 9126 section 2.2.
 */
export function teachPushedRequests(
  provider: Provider,
  { clock, lifetime }: { readonly clock: Clock; readonly lifetime: Seconds },
): void {
  const PushedRequests = teachable<PushedRequest>(provider.PushedAuthorizationRequest);
  const { save } = PushedRequests.prototype;
  PushedRequests.prototype.save = function savePushed(this: PushedRequest & LibraryModel) {
    const { header, claims } = partsOf(this.request);
    const end = after(clock.now(), lifetime);
    if (header.alg === 'none') {
      this.request = unsecured(header, { ...claims, exp: end });
      return save.call(this, lifetime);
    }
    const ownEnd = typeof claims.exp === 'number' ? Math.floor(claims.exp) : end;
    return save.call(this, Math.max(1, Math.min(end, ownEnd) - clock.now()));
  };
  provider.on('pushed_authorization_request.success', (ctx) => {
    const pushed = ctx.oidc.entities.PushedAuthorizationRequest as unknown as PushedRequest;
    (ctx.body as { expires_in: number }).expires_in = pushed.exp - clock.now();
  });
}

type Json = Readonly<Record<string, unknown>>;

/** What a request says as it is kept, signed or not. The library has parsed it before. */
export function partsOf(jwt: string): { readonly header: Json; readonly claims: Json } {
  const [header = '', claims = ''] = jwt.split('.');
  const read = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Json;
  return { header: read(header), claims: read(claims) };
}

/** An unsecured JWT: RFC 7519 section 6. */
export function unsecured(header: Json, claims: Json): string {
  const write = (part: Json) => Buffer.from(JSON.stringify(part)).toString('base64url');
  return `${write(header)}.${write(claims)}.`;
}
