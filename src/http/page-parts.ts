import type { Locale } from '#src/http/locale.ts';

export interface ClientLocals {
  readonly clientName: string;
  /** Its page, shown beside its name as if it were a part of it. */
  readonly clientUri?: string | undefined;
  /** The path of its logo on this server; the letter takes its place where there is none. */
  readonly logo?: string | undefined;
  /** Where it says more of itself. */
  readonly links?: ClientLinks | undefined;
  /** True if nobody here has checked what it says. */
  readonly claimed?: boolean | undefined;
}

export interface ClientLinks {
  readonly website?: string | undefined;
  readonly policy?: string | undefined;
  readonly terms?: string | undefined;
}

export interface FormLocals {
  readonly action: string;
  readonly antiForgery: string;
}

/** Scopes of the account, which the pages have words for, when it has no title; else those of a resource server. */
export interface ScopeGroup {
  readonly title?: string | undefined;
  /** The resource server's identifier. RFC 8707. */
  readonly identifier?: string | undefined;
  readonly scopes: readonly {
    readonly name: string;
    /** True for a single claim about the person and no scope. */
    readonly claim?: boolean | undefined;
    readonly title?: string | undefined;
    readonly description?: string | undefined;
  }[];
}

/** Shown apart from the other scopes, since it is a matter of time and not of what the client may do. */
export const OFFLINE_ACCESS = 'offline_access';

/** A client by its name, its page if that can be linked, and the first letter of its name. */
export function presentClient({ clientName, clientUri, logo, links = {}, claimed }: ClientLocals) {
  const url = clientUri ? webUrl(clientUri) : null;
  const [first] = new Intl.Segmenter().segment(clientName.trim());
  return {
    name: clientName,
    href: url?.href,
    host: url?.host,
    logo,
    claimed,
    monogram: first?.segment.toUpperCase(),
    links: LINKS.flatMap(({ name, text }) => {
      const link = webUrl(links[name] ?? '');
      if (link === null) return [];
      // Whose page it leads to is said unless it is the one that the client is known by.
      return [{ href: link.href, host: link.host, text: link.host === url?.host ? text : `${text}-at` }];
    }),
  };
}

const LINKS = [
  { name: 'website', text: 'client.website' },
  { name: 'policy', text: 'client.policy' },
  { name: 'terms', text: 'client.terms' },
] as const satisfies readonly { readonly name: keyof ClientLinks; readonly text: string }[];

export function presentGroup(group: ScopeGroup, locale: Locale) {
  const ofAccount = group.title === undefined;
  const scopes = group.scopes
    .filter(({ name }) => name !== OFFLINE_ACCESS)
    .map((scope) => presentScope(scope, ofAccount, locale));
  // A token without a scope is addressed to the resource server all the same, which the person must see.
  const reach = { name: '', title: locale.text('consent.reach'), description: undefined };
  return {
    title: group.title ?? locale.text('consent.account'),
    identifier: group.identifier === group.title ? undefined : group.identifier,
    scopes: scopes.length === 0 && !ofAccount ? [reach] : scopes,
  };
}

export function presentScope(scope: ScopeGroup['scopes'][number], ofAccount: boolean, locale: Locale) {
  const key = `${scope.claim ? 'claim' : 'scope'}.${scope.name}`;
  const known = ofAccount && locale.has(`${key}.title`);
  return {
    name: scope.name,
    title: scope.title ?? (known ? locale.text(`${key}.title`) : undefined),
    description: scope.description ?? (known && !scope.claim ? locale.text(`${key}.description`) : undefined),
  };
}

/** The URL if a browser may be sent there by a link: http and https, and no user name to mislead the reader. */
export function webUrl(uri: string): URL | null {
  const url = URL.parse(uri);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return null;
  return url.username === '' && url.password === '' ? url : null;
}
