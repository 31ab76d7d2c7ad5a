import { SECTIONS, type SectionName } from '#src/account-page/section.ts';
import type { DetailInWords } from '#src/authorization-details/words.ts';
import type { Locale } from '#src/http/locale.ts';
import {
  type ClientLocals,
  type FormLocals,
  OFFLINE_ACCESS,
  presentClient,
  presentGroup,
  presentScope,
  type ScopeGroup,
} from '#src/http/page-parts.ts';
import { between, type EpochSeconds } from '#src/units.ts';

/** The pages on which a person looks after their own account. */
export interface AccountPageLocals {
  readonly account: {
    readonly accountName: string;
    readonly username: string;
    readonly email?: string | undefined;
    readonly displayName?: string | undefined;
  };
  /** Posts `csrf` and `request` to `action` or `denyAction`. */
  readonly 'account-requests': FormLocals & {
    readonly denyAction: string;
    readonly now: EpochSeconds;
    readonly requests: readonly RequestLocals[];
    /** What came of the one before. */
    readonly answer?: 'approved' | 'denied' | 'gone' | undefined;
  };
  /** Posts `csrf` and `session` to `action`, or `csrf` to `othersAction`. */
  readonly 'account-sessions': FormLocals & {
    readonly othersAction: string;
    readonly now: EpochSeconds;
    readonly sessions: readonly SessionLocals[];
    readonly done?: boolean | undefined;
  };
  /** Posts `csrf` and `client` to `action`. */
  readonly 'account-applications': FormLocals & {
    readonly now: EpochSeconds;
    readonly applications: readonly ApplicationLocals[];
    readonly done?: boolean | undefined;
  };
  /** Posts `csrf`, `current`, `new` and `repeat` to `action`. */
  readonly 'account-password': FormLocals & {
    readonly username: string;
    readonly problem?: PasswordFormProblem | undefined;
    /** With `throttled`: when it makes sense to try again. */
    readonly retryAfterMinutes?: number | undefined;
    /** With `password_too_short` or `password_too_long`. */
    readonly charactersLimit?: number | undefined;
    readonly done?: boolean | undefined;
  };
}

export interface RequestLocals extends ClientLocals {
  readonly id: string;
  readonly bindingMessage?: string | undefined;
  readonly groups: readonly ScopeGroup[];
  /** RFC 9396, each in the words of its type. */
  readonly details: readonly DetailInWords[];
  readonly offline: boolean;
  readonly askedAt: EpochSeconds;
  readonly address: string;
}

export interface SessionLocals {
  readonly id: string;
  /** True for the browser that asks. */
  readonly current: boolean;
  readonly browser?: string | undefined;
  readonly system?: string | undefined;
  readonly network?: string | undefined;
  readonly signedInAt: EpochSeconds;
  readonly lastUsedAt: EpochSeconds;
}

export interface ApplicationLocals extends ClientLocals {
  readonly clientId: string;
  readonly groups: readonly ScopeGroup[];
  readonly offline: boolean;
  /** Left out if it has no tokens. */
  readonly lastUsedAt?: EpochSeconds | undefined;
}

export type PasswordFormProblem =
  | 'missing'
  | 'refused'
  | 'different'
  | 'throttled'
  | 'overloaded'
  | 'password_too_short'
  | 'password_too_long'
  | 'password_characters'
  | 'password_repetitive'
  | 'password_personal'
  | 'password_common';

type Presenters = {
  readonly [Name in keyof AccountPageLocals]: (locals: AccountPageLocals[Name], locale: Locale) => object;
};

export const ACCOUNT_PRESENTERS: Presenters = {
  account: (locals) => locals,
  'account-requests': (locals, locale) => ({
    ...locals,
    requests: locals.requests.map((request) => ({
      ...request,
      ...presentClient(request),
      groups: presentGroups(request.groups, locale),
      offline: request.offline && presentScope({ name: OFFLINE_ACCESS }, true, locale),
      asked: momentAgo(request.askedAt, locals.now, locale),
    })),
  }),
  'account-sessions': (locals, locale) => ({
    ...locals,
    sessions: locals.sessions.map((session) => ({
      ...session,
      name: browserName(session, locale),
      used: momentAgo(session.lastUsedAt, locals.now, locale),
      since: dateOf(session.signedInAt),
    })),
    others: locals.sessions.some(({ current }) => !current),
  }),
  'account-applications': (locals, locale) => ({
    ...locals,
    applications: locals.applications.map((application) => ({
      ...application,
      ...presentClient(application),
      groups: presentGroups(application.groups, locale),
      used:
        application.lastUsedAt === undefined ? null : momentAgo(application.lastUsedAt, locals.now, locale),
    })),
  }),
  'account-password': (locals, locale) => ({
    ...locals,
    problemText: locals.problem && passwordProblemText(locals.problem, locals, locale),
    currentAmiss: locals.problem === 'refused' || locals.problem === 'missing',
    newAmiss:
      locals.problem === 'missing' ||
      locals.problem === 'different' ||
      /^password_/.test(locals.problem ?? ''),
  }),
};

/** The page of a section. */
const pageOf = (name: SectionName) => (name === 'overview' ? 'account' : `account-${name}`);

/** The navigation, as a page of the account shows it. */
export function presentSections(sections: readonly SectionName[], page: string) {
  return SECTIONS.filter(({ name }) => sections.includes(name)).map((section) => ({
    ...section,
    current: pageOf(section.name) === page,
  }));
}

const presentGroups = (groups: readonly ScopeGroup[], locale: Locale) =>
  groups.map((group) => presentGroup(group, locale)).filter(({ scopes }) => scopes.length > 0);

function browserName({ browser, system }: SessionLocals, locale: Locale): string {
  if (browser !== undefined && system !== undefined) {
    return locale.text('account.sessions.browser', { browser, system });
  }
  return browser ?? system ?? locale.text('account.sessions.unknown');
}

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

/** How long ago something was, in the largest unit that fits. */
function momentAgo(at: EpochSeconds, now: EpochSeconds, locale: Locale): string {
  const length = between(at, now);
  if (length < MINUTE_S) return locale.text('ago.now');
  if (length < HOUR_S) return locale.counted('ago.minutes', Math.floor(length / MINUTE_S));
  if (length < DAY_S) return locale.counted('ago.hours', Math.floor(length / HOUR_S));
  return locale.counted('ago.days', Math.floor(length / DAY_S));
}

/** A day as everybody everywhere writes it: ISO 8601. */
const dateOf = (at: EpochSeconds) => new Date(at * 1000).toISOString().slice(0, 'YYYY-MM-DD'.length);

function passwordProblemText(
  problem: PasswordFormProblem,
  { retryAfterMinutes, charactersLimit }: AccountPageLocals['account-password'],
  locale: Locale,
): string {
  const key = `account.password.problem.${problem}`;
  if (problem === 'throttled' && retryAfterMinutes) return locale.counted(key, Math.ceil(retryAfterMinutes));
  if (charactersLimit === undefined) return locale.text(key);
  return locale.text(key, { count: charactersLimit });
}
