import type Koa from 'koa';
import type { ProxyTrust } from '#src/http/client-address.ts';
import { clientAddressReader } from '#src/http/client-address.ts';

/**
 * Makes an application take its own address from the issuer and never from a request, so that no `Host`, no
 * `X-Forwarded-*` and no absolute request target finds its way into metadata, redirects or cookies. The address of
 * the client is the only thing that trusted proxies are asked about.
 */
export function pinOrigin(
  app: Koa,
  options: { readonly issuer: string; readonly trustProxy: ProxyTrust },
): void {
  const { protocol, host, hostname, origin } = new URL(options.issuer);
  const addressOf = clientAddressReader(options.trustProxy);
  const pinned = (value: unknown) => ({ get: () => value, configurable: true });
  Object.defineProperties(app.request, {
    protocol: pinned(protocol.slice(0, -1)),
    host: pinned(host),
    hostname: pinned(hostname),
    secure: pinned(protocol === 'https:'),
    href: {
      get(this: Koa.Request) {
        return this.originalUrl.startsWith('/') ? origin + this.originalUrl : origin + this.url;
      },
      configurable: true,
    },
    ip: {
      get(this: Koa.Request) {
        return addressOf(this.socket.remoteAddress ?? '', this.get('X-Forwarded-For'));
      },
      configurable: true,
    },
  });
}
