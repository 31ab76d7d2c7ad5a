import { UnexpectedAnswer } from '#src/cli/parties/requests.ts';

/** A page with its forms, or the address outside that the browser was sent to. */
export type Visit =
  | {
      readonly page: { readonly status: number; readonly url: URL; readonly html: string };
      readonly leftTo: null;
    }
  | { readonly page: null; readonly leftTo: URL };

interface Cookie {
  readonly name: string;
  readonly value: string;
  readonly path: string;
}

/** More than any honest server needs. */
const REDIRECTS_MAX = 10;

/** As much of a browser as signing in takes: it keeps cookies, follows redirects and sends forms. It runs no scripts. */
export class Browser {
  readonly #signal: AbortSignal;
  #cookies: readonly Cookie[] = [];

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  /** Goes to an address and on, until there is a page or the way leads to another origin. */
  async visit(address: URL, init: RequestInit = {}): Promise<Visit> {
    let url = address;
    let request = init;
    for (let redirects = 0; redirects < REDIRECTS_MAX; redirects += 1) {
      const response = await fetch(url, {
        ...request,
        redirect: 'manual',
        signal: this.#signal,
        headers: { Accept: 'text/html', Cookie: this.#cookiesFor(url) },
      });
      this.#keep(response);
      const html = await response.text();
      const location = response.headers.get('location');
      if (location === null) return { page: { status: response.status, url, html }, leftTo: null };
      const next = new URL(location, url);
      if (next.origin !== url.origin) return { page: null, leftTo: next };
      url = next;
      // Whatever was sent has been sent: RFC 9110 section 15.4.4.
      request = {};
    }
    throw new UnexpectedAnswer(`the server redirects in circles, at last to ${url.pathname}`);
  }

  /** Fills in the form of a page whose action ends in `action`, and sends it with its hidden fields. */
  async submit(visit: Visit, action: string, typed: Readonly<Record<string, string>> = {}): Promise<Visit> {
    if (visit.page === null)
      throw new UnexpectedAnswer(`there is no page, but a way to ${visit.leftTo.origin}`);
    const { url, html, status } = visit.page;
    const form = formsOf(html).find((each) => each.action.endsWith(action));
    if (form === undefined)
      throw new UnexpectedAnswer(`the page at ${url.pathname} (${status}) has no form for ${action}`);
    const body = new URLSearchParams({ ...form.hidden, ...typed });
    return this.visit(new URL(form.action, url), { method: 'POST', body });
  }

  #keep(response: Response): void {
    for (const header of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = header.split(';').map((part) => part.trim());
      const [name = '', value = ''] = splitOnce(pair, '=');
      const path = attributes.find((attribute) => /^path=/i.test(attribute))?.slice('path='.length) ?? '/';
      const expires = attributes.find((attribute) => /^expires=/i.test(attribute))?.slice('expires='.length);
      const isOver = expires !== undefined && Date.parse(expires) <= Date.now();
      const others = this.#cookies.filter((cookie) => cookie.name !== name || cookie.path !== path);
      this.#cookies = isOver ? others : [...others, { name, value, path }];
    }
  }

  #cookiesFor({ pathname }: URL): string {
    return this.#cookies
      .filter(({ path }) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }
}

interface Form {
  readonly action: string;
  readonly hidden: Readonly<Record<string, string>>;
}

function formsOf(html: string): Form[] {
  return [...html.matchAll(/<form\b([^>]*)>(.*?)<\/form>/gs)].map(([, tag = '', inside = '']) => {
    const inputs = [...inside.matchAll(/<input\b([^>]*)>/g)].map(([, input = '']) => attributesOf(input));
    const hidden = inputs.filter(({ type }) => type === 'hidden');
    return {
      action: attributesOf(tag).action ?? '',
      hidden: Object.fromEntries(hidden.map(({ name = '', value = '' }) => [name, value])),
    };
  });
}

function attributesOf(tag: string): Readonly<Record<string, string | undefined>> {
  const attributes = [...tag.matchAll(/([\w-]+)="([^"]*)"/g)];
  return Object.fromEntries(attributes.map(([, name = '', value = '']) => [name, unescapeHtml(value)]));
}

function unescapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
  return text.replace(/&([a-z]+|#39);/g, (entity, name) => entities[name] ?? entity);
}

function splitOnce(text: string, separator: string): [string, string] {
  const place = text.indexOf(separator);
  return place < 0 ? [text, ''] : [text.slice(0, place), text.slice(place + separator.length)];
}
