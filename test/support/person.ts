/** A person with a browser that runs no scripts: keeps cookies, follows redirects, fills in forms. */
export class Person {
  readonly #cookies = new Map<string, { value: string; path: string }>();
  readonly #headers: Readonly<Record<string, string>>;

  /** `headers` are what the browser sends with everything. */
  constructor(headers: Readonly<Record<string, string>> = {}) {
    this.#headers = headers;
  }

  /**
   * Follows redirects from `url` until a page is shown or the browser would leave `origin`. Answers with the last
   * response, or with the address outside that it was sent to.
   */
  async visit(url: string | URL, init: RequestInit = {}): Promise<Visit> {
    let target = new URL(url);
    const { origin } = target;
    let next: RequestInit = init;
    for (let hop = 0; hop < HOPS_MAX; hop += 1) {
      const response = await this.#fetch(target, next);
      const location = response.headers.get('location');
      if (location === null || response.status < 300 || response.status > 399) {
        return { response, html: await response.text(), url: target, leftTo: null };
      }
      await response.body?.cancel();
      target = new URL(location, target);
      if (target.origin !== origin) return { response, html: '', url: target, leftTo: target };
      next = {};
    }
    throw new Error(`sent in circles, at last to ${target.pathname}`);
  }

  /** Sends the page's form whose action ends in `action`, with these fields on top of its hidden ones. */
  async submit(page: Visit, action: string, fields: Record<string, string> = {}): Promise<Visit> {
    const form = formOf(page.html, action);
    return this.visit(new URL(form.action, page.url), {
      method: 'POST',
      body: new URLSearchParams({ ...form.fields, ...fields }),
    });
  }

  /** Goes through sign-in and consent, as far as they are asked for, and answers with where the client was called back. */
  async authorize(url: string | URL, credentials: { login: string; password: string }): Promise<URL> {
    let page = await this.visit(url);
    for (let step = 0; step < HOPS_MAX && page.leftTo === null; step += 1) {
      if (page.html.includes('/sign-in"')) page = await this.submit(page, '/sign-in', credentials);
      else if (page.html.includes('/consent"')) page = await this.submit(page, '/consent');
      else throw new Error(`neither sign-in nor consent: ${page.response.status} ${page.html}`);
    }
    if (page.leftTo === null) throw new Error('the client was never called back');
    return page.leftTo;
  }

  /** What the browser's cookies hold. */
  cookieValues(): readonly string[] {
    return [...this.#cookies.values()].map(({ value }) => value);
  }

  /** What the browser sends as its cookies there; empty for none. */
  cookieHeader(url: URL): string {
    const sent = [...this.#cookies].filter(([, { path }]) => isUnder(url.pathname, path));
    return sent.map(([name, { value }]) => `${nameOf(name)}=${value}`).join('; ');
  }

  async #fetch(url: URL, init: RequestInit): Promise<Response> {
    const headers = new Headers({
      accept: 'text/html',
      ...this.#headers,
      ...Object.fromEntries(new Headers(init.headers)),
    });
    const sent = [...this.#cookies].filter(([, { path }]) => isUnder(url.pathname, path));
    if (sent.length > 0)
      headers.set('cookie', sent.map(([name, { value }]) => `${nameOf(name)}=${value}`).join('; '));
    const response = await fetch(url, { ...init, headers, redirect: 'manual' });
    for (const cookie of response.headers.getSetCookie()) this.#keep(cookie);
    return response;
  }

  #keep(cookie: string): void {
    const [pair = '', ...attributes] = cookie.split(/;\s*/);
    const [name = '', value = ''] = pair.split(/=(.*)/s);
    const path = attributes.find((attribute) => /^path=/i.test(attribute))?.slice('path='.length) ?? '/';
    const key = `${name};${path}`;
    const expires = attributes.find((attribute) => /^expires=/i.test(attribute))?.slice('expires='.length);
    if (expires !== undefined && Date.parse(expires) <= Date.now()) this.#cookies.delete(key);
    else this.#cookies.set(key, { value, path });
  }
}

export interface Visit {
  readonly response: Response;
  readonly html: string;
  readonly url: URL;
  /** Where the browser was sent on another origin; `null` if it stayed. */
  readonly leftTo: URL | null;
}

const HOPS_MAX = 20;

const nameOf = (key: string) => key.slice(0, key.indexOf(';'));

/** Path-match of RFC 6265 section 5.1.4. */
function isUnder(path: string, cookiePath: string): boolean {
  return path === cookiePath || path.startsWith(cookiePath.endsWith('/') ? cookiePath : `${cookiePath}/`);
}

/** The form of a page whose action ends in `action`, with its hidden fields. */
export function formOf(html: string, action: string): { action: string; fields: Record<string, string> } {
  const forms = [...html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)];
  for (const [, head = '', inner = ''] of forms) {
    const found = attribute(head, 'action');
    if (!found.split('?')[0]?.endsWith(action)) continue;
    const inputs = [...inner.matchAll(/<(?:input|button)\b([^>]*)>/g)].map(
      ([, attributes = '']) => attributes,
    );
    const hidden = inputs.filter((attributes) => attribute(attributes, 'type') === 'hidden');
    return {
      action: found,
      fields: Object.fromEntries(hidden.map((each) => [attribute(each, 'name'), attribute(each, 'value')])),
    };
  }
  throw new Error(`the page has no form for ${action}: ${html}`);
}

function attribute(tag: string, name: string): string {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? '';
  return value
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&');
}
