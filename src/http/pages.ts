import { SECTIONS, type SectionName } from '#src/account-page/section.ts';
import type { DetailInWords } from '#src/authorization-details/words.ts';
import { ACCOUNT_PRESENTERS, type AccountPageLocals, presentSections } from '#src/http/account-pages.ts';
import type { Assets } from '#src/http/assets.ts';
import type { Locale, Locales } from '#src/http/locale.ts';
import type { PageName } from '#src/http/page-names.ts';
import {
  type ClientLocals,
  type FormLocals,
  OFFLINE_ACCESS,
  presentClient,
  presentGroup,
  presentScope,
  type ScopeGroup,
  webUrl,
} from '#src/http/page-parts.ts';
import type { Templates } from '#src/http/templates.ts';

/** The pages that people see. */
export interface Pages {
  render<Name extends PageName>(name: Name, locals: PageLocals[Name], options: RenderOptions): RenderedPage;
}

export interface RenderOptions {
  /** What `Locales.choose` answered. */
  readonly language: string;
  /**
   * Where the page's form may end up beyond this server: the redirect URI of the client, or its origin. Chromium
   * holds a form to `form-action` through every redirect that follows it. CSP Level 3 section 6.4.1.
   */
  readonly formActionOrigins?: readonly string[];
}

export interface RenderedPage {
  readonly html: string;
  /** The value of the header `Content-Security-Policy` without which the page must not be sent. */
  readonly contentSecurityPolicy: string;
}

/** What there is to be known of a client that nobody here vouches for. */
export interface UnverifiedClient {
  /** The host that its identifier is of; `null` if it registered itself. */
  readonly knownBy: string | null;
  /** The host that the person is sent to, `device` for a program on the device, `null` where nobody is sent anywhere. */
  readonly sentTo: string | 'device' | null;
}

/** What each page must be told. Whatever came from outside may come as it is: the pages escape it, and link only http and https. */
export interface PageLocals extends AccountPageLocals {
  /** What this server is, for whoever comes by. */
  readonly front: {
    readonly issuer: string;
    readonly links: {
      readonly openidConfiguration: string;
      readonly authorizationServer: string;
      readonly jwks: string;
    };
  };
  /** Posts `csrf`, `login` and `password` to `action`, or `csrf` to `cancelAction`. */
  readonly 'sign-in': ClientLocals &
    FormLocals & {
      readonly cancelAction: string;
      /** What was typed before, or the `login_hint`. */
      readonly login?: string | undefined;
      readonly problem?: SignInProblem | undefined;
      /** With `throttled`: when it makes sense to try again. */
      readonly retryAfterMinutes?: number | undefined;
    };
  /** Posts `csrf` to `action`, to go on with the account, to `switchAction` or to `cancelAction`. */
  readonly 'select-account': ClientLocals &
    FormLocals & {
      readonly cancelAction: string;
      readonly switchAction: string;
      readonly accountName: string;
    };
  /** Posts `csrf` to `action`, `cancelAction` or `switchAction`. */
  readonly consent: ClientLocals &
    FormLocals & {
      readonly cancelAction: string;
      /** Where to sign in as someone else. */
      readonly switchAction?: string | undefined;
      readonly accountName: string;
      readonly groups: readonly ScopeGroup[];
      /** What is asked for in detail: RFC 9396. Every value of it, in words or listed. */
      readonly details: readonly DetailInWords[];
      /** True if the client asks to go on after the person has signed out: `offline_access`. */
      readonly offline: boolean;
      /** Of a client that no administrator has looked at. */
      readonly unverified?: UnverifiedClient;
    };
  /** Posts the anti-forgery token as `field`, and `user_code`, to `action`. RFC 8628 section 3.3. */
  readonly 'device-code': FormLocals & {
    readonly field: string;
    /** What was typed before. */
    readonly userCode?: string | undefined;
    readonly problem?: DeviceCodeProblem | undefined;
    /** With `throttled`: when it makes sense to try again. */
    readonly retryAfterMinutes?: number | undefined;
  };
  /** Posts the anti-forgery token as `field`, `user_code`, and `confirm` or `abort` to `action`. */
  readonly 'device-confirm': ClientLocals &
    FormLocals & {
      readonly field: string;
      /** As the device shows it. */
      readonly userCode: string;
      /** Who asked for the code. */
      readonly device: {
        readonly address: string;
        /** What it calls itself. */
        readonly program?: string | undefined;
        readonly askedMinutesAgo: number;
      };
    };
  readonly 'device-done': Partial<ClientLocals> & { readonly connected: boolean };
  /** Posts `values` and the anti-forgery token, the latter as `field`, to `action`. */
  readonly 'sign-out': Partial<ClientLocals> &
    FormLocals & {
      readonly accountName?: string | undefined;
      readonly field: string;
      readonly values?: Readonly<Record<string, string>> | undefined;
      /** Where to go to stay signed in; a path, or an http or https URL. */
      readonly stayHref?: string | undefined;
    };
  readonly 'signed-out': Partial<ClientLocals>;
  /** An error of a protocol that a person has to be told of. */
  readonly error: {
    readonly status: number;
    /** The `error` of the RFC. */
    readonly code: string;
    /** The `error_description`: small print, for the developer of the client. May be empty. */
    readonly message: string;
    readonly requestId: string;
  };
  /** Posts `fields` to `action`, by itself where there is JavaScript. OAuth 2.0 Form Post Response Mode. */
  readonly 'post-on': {
    /** A path, or an http or https URL. */
    readonly action: string;
    readonly fields: Readonly<Record<string, string>>;
    readonly clientName?: string | undefined;
  };
  /** Hands `response` to the window that opened this one or frames it, if that is of `targetOrigin`. */
  readonly 'web-message': {
    readonly targetOrigin: string;
    readonly response: Readonly<Record<string, string>>;
    readonly clientName?: string | undefined;
  };
}

/** `refused` says neither which of the two was wrong, nor whether there is such an account. */
export type SignInProblem = 'refused' | 'throttled' | 'overloaded' | 'missing';

export type DeviceCodeProblem =
  | 'missing'
  | 'unknown'
  | 'expired'
  | 'used'
  | 'stale'
  | 'refused'
  | 'fault'
  | 'throttled';

const ALL_SECTIONS = SECTIONS.map(({ name }) => name);

export function createPages(options: {
  readonly templates: Templates;
  readonly locales: Locales;
  readonly assets: Pick<Assets, 'url'>;
  /** What people know this server by: the host of the issuer. */
  readonly serverName: string;
  /** What the page of an account has; everything by default. */
  readonly sections?: readonly SectionName[];
}): Pages {
  const { templates, locales, assets, serverName, sections = ALL_SECTIONS } = options;
  return {
    render: (page, locals, { language, formActionOrigins = [] }) => {
      const locale = locales.locale(language);
      const html = templates[page]({
        ...PRESENTERS[page](locals, locale),
        page,
        sections: presentSections(sections, page),
        serverName,
        asset: assets.url,
        language: locale.language,
        direction: locale.direction,
        text: locale.text,
        pieces: locale.pieces,
      });
      const origins = html.includes('<form') ? formActionOrigins : null;
      return { html, contentSecurityPolicy: contentSecurityPolicy(page, locals, origins) };
    },
  };
}

/** What a template sees of its locals. The rest of the way from locals to words is the template's. */
const PRESENTERS: { readonly [Name in PageName]: (locals: PageLocals[Name], locale: Locale) => object } = {
  front: (locals) => locals,
  'sign-in': (locals, locale) => ({
    ...locals,
    client: presentClient(locals),
    problemText:
      locals.problem && problemText('sign-in.problem', locals.problem, locals.retryAfterMinutes, locale),
    loginAmiss: locals.problem === 'refused' || (locals.problem === 'missing' && !locals.login),
    passwordAmiss: locals.problem === 'refused' || locals.problem === 'missing',
  }),
  'select-account': (locals) => ({ ...locals, client: presentClient(locals) }),
  consent: (locals, locale) => ({
    ...locals,
    client: presentClient(locals),
    groups: locals.groups
      .map((group) => presentGroup(group, locale))
      .filter(({ scopes }) => scopes.length > 0),
    offline: locals.offline && presentScope({ name: OFFLINE_ACCESS }, true, locale),
  }),
  'device-code': (locals, locale) => ({
    ...locals,
    problemText:
      locals.problem && problemText('device-code.problem', locals.problem, locals.retryAfterMinutes, locale),
  }),
  'device-confirm': (locals, locale) => ({
    ...locals,
    client: presentClient(locals),
    askedText:
      locals.device.askedMinutesAgo < 1
        ? locale.text('device-confirm.asked.now')
        : locale.counted('device-confirm.asked', locals.device.askedMinutesAgo),
  }),
  'device-done': (locals) => locals,
  'sign-out': (locals) => ({
    ...locals,
    values: { [locals.field]: locals.antiForgery, ...locals.values },
    stayHref:
      locals.stayHref && (isLocalPath(locals.stayHref) ? locals.stayHref : webUrl(locals.stayHref)?.href),
  }),
  'signed-out': ({ clientName, clientUri }) => ({
    client: clientName && presentClient({ clientName, clientUri }),
  }),
  error: (locals) => ({ ...locals, kind: errorKind(locals.status, locals.code) }),
  'post-on': (locals) => locals,
  'web-message': (locals) => ({ ...locals, response: JSON.stringify(locals.response) }),
  ...ACCOUNT_PRESENTERS,
};

function problemText(
  texts: string,
  problem: SignInProblem | DeviceCodeProblem,
  retryAfterMinutes: number | undefined,
  locale: Locale,
): string {
  return problem === 'throttled' && retryAfterMinutes
    ? locale.counted(`${texts}.throttled`, Math.ceil(retryAfterMinutes))
    : locale.text(`${texts}.${problem}`);
}

/** What a person can make of an error: whose doing it is, and whether trying again makes sense. */
function errorKind(status: number, code: string): string {
  if (code === 'access_denied') return 'denied';
  if (status === 404 || code === 'not_found') return 'absent';
  if (status === 429 || status === 503 || code === 'temporarily_unavailable') return 'busy';
  if (status >= 500 || code === 'server_error') return 'server';
  return /expired|session_not_found/.test(code) ? 'expired' : 'request';
}

/** The pages that go on by themselves where there is JavaScript. */
const WITH_SCRIPT: ReadonlySet<PageName> = new Set(['post-on', 'web-message']);

/** What keeps a page from doing more than it is meant to. CSP Level 3. */
function contentSecurityPolicy<Name extends PageName>(
  page: Name,
  locals: PageLocals[Name],
  /** `null` on a page without a form. */
  formActionOrigins: readonly string[] | null,
): string {
  const formActions = new Set<string>();
  if (formActionOrigins !== null && 'action' in locals) {
    formActions.add(page === 'post-on' ? postOnSource(locals.action) : "'self'");
    for (const uri of formActionOrigins) formActions.add(formActionSource(uri));
  }
  return [
    "default-src 'none'",
    "style-src 'self'",
    "img-src 'self'",
    ...(WITH_SCRIPT.has(page) ? ["script-src 'self'"] : []),
    `form-action ${formActions.size > 0 ? [...formActions].join(' ') : "'none'"}`,
    `frame-ancestors ${'targetOrigin' in locals ? locals.targetOrigin : "'none'"}`,
    "base-uri 'none'",
  ].join('; ');
}

function postOnSource(action: string): string {
  if (isLocalPath(action)) return "'self'";
  if (webUrl(action) === null) throw new TypeError('A form can be posted on to http and https alone');
  return formActionSource(action);
}

/**
 * Where a form may go that is to end up at this URI: anywhere of its scheme. The origin alone would not do, since the
 * browser holds the form to this through the client's own redirects too, and only the client knows where they lead
 * (its callback is at one origin, its application at another): the person would press the button, and see nothing happen.
 */
function formActionSource(uri: string): string {
  return new URL(uri).protocol;
}

/** A path on this server; `//host` and `/\host` lead elsewhere. */
function isLocalPath(href: string): boolean {
  return /^\/(?![/\\])/.test(href);
}
