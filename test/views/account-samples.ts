import type {
  AccountPageLocals,
  ApplicationLocals,
  PasswordFormProblem,
  RequestLocals,
  SessionLocals,
} from '#src/http/account-pages.ts';
import { after, days, epochSeconds, hours, minutes, type Seconds, seconds } from '#src/units.ts';

const NOW = epochSeconds(1_784_024_130);
const ago = (length: Seconds) => after(NOW, seconds(-length));

const form = { antiForgery: 'anti-forgery' };

/** What the pages of a person's own account are shown with. */
export const ACCOUNT_SAMPLES: {
  readonly [Name in keyof AccountPageLocals]: Readonly<Record<string, AccountPageLocals[Name]>>;
} = {
  account: {
    'everything there is': {
      accountName: 'Ada Lovelace',
      username: 'ada',
      email: 'ada@example.com',
      displayName: 'Ada Lovelace',
    },
    'a username alone': { accountName: 'ada', username: 'ada' },
    'a very long name': { accountName: 'a'.repeat(120), username: 'a'.repeat(120) },
  },
  'account-requests': {
    none: requests([]),
    'several of them': requests([
      request({ bindingMessage: 'W4SCT', askedAt: ago(seconds(20)) }),
      request({
        clientName: 'W'.repeat(100),
        clientUri: undefined,
        bindingMessage: 'x'.repeat(64),
        offline: true,
        groups: [
          { scopes: [{ name: 'openid' }] },
          { title: 'Invoices', identifier: 'https://invoices.example.com/api', scopes: [] },
        ],
        details: [
          {
            title: 'Pay',
            type: 'payment_initiation',
            sentences: [[{ value: '45.20 €' }]],
            others: [{ name: 'creditor', value: 'Bakery' }],
          },
          { title: 'look', type: 'look', sentences: [], others: [] },
        ],
      }),
    ]),
    'one was approved': { ...requests([]), answer: 'approved' },
    'one was denied': { ...requests([]), answer: 'denied' },
    'one has gone': { ...requests([request({})]), answer: 'gone' },
  },
  'account-sessions': {
    'this browser alone': sessions([session({ current: true })]),
    'several browsers': sessions([
      session({ current: true, lastUsedAt: NOW }),
      session({ browser: 'Safari', system: 'iPhone', lastUsedAt: ago(minutes(1)) }),
      session({
        browser: undefined,
        system: 'Windows',
        network: '2001:db8:1::/48',
        lastUsedAt: ago(minutes(59)),
      }),
      session({ browser: undefined, system: undefined, network: undefined, lastUsedAt: ago(hours(1)) }),
      session({ browser: 'Edge', system: undefined, lastUsedAt: ago(hours(23)) }),
      session({ lastUsedAt: ago(days(1)) }),
      session({ lastUsedAt: ago(days(13)) }),
    ]),
    'one was ended': { ...sessions([session({ current: true })]), done: true },
  },
  'account-applications': {
    none: applications([]),
    'several of them': applications([
      application({ offline: true, lastUsedAt: ago(minutes(5)) }),
      application({
        clientName: 'W'.repeat(100),
        clientUri: undefined,
        groups: [
          { scopes: [{ name: 'openid' }, { name: 'email' }] },
          {
            title: 'Invoices',
            identifier: 'https://invoices.example.com/api',
            scopes: [{ name: 'invoices:read', title: 'Read invoices' }, { name: 'invoices:write' }],
          },
        ],
      }),
    ]),
    'access was taken away': { ...applications([]), done: true },
  },
  'account-password': {
    'a first look': password({}),
    'it was changed': password({ done: true }),
    ...Object.fromEntries(
      (
        [
          'missing',
          'refused',
          'different',
          'throttled',
          'overloaded',
          'password_characters',
          'password_repetitive',
          'password_personal',
          'password_common',
        ] as const satisfies readonly PasswordFormProblem[]
      ).map((problem) => [`a problem: ${problem}`, password({ problem })]),
    ),
    'too short': password({ problem: 'password_too_short', charactersLimit: 8 }),
    'too long': password({ problem: 'password_too_long', charactersLimit: 256 }),
    'throttled for a minute': password({ problem: 'throttled', retryAfterMinutes: 1 }),
    'throttled for some minutes': password({ problem: 'throttled', retryAfterMinutes: 14.2 }),
  },
};

function session(differences: Partial<SessionLocals>): SessionLocals {
  return {
    id: 'session-id',
    current: false,
    browser: 'Firefox',
    system: 'Linux',
    network: '192.0.2.0/24',
    signedInAt: ago(days(14)),
    lastUsedAt: NOW,
    ...differences,
  };
}

function sessions(all: readonly SessionLocals[]): AccountPageLocals['account-sessions'] {
  const actions = { action: '/account/sessions/end', othersAction: '/account/sessions/end-others' };
  return { ...form, ...actions, now: NOW, sessions: all };
}

function application(differences: Partial<ApplicationLocals>): ApplicationLocals {
  return {
    clientId: 'client-id',
    clientName: 'Team Wiki',
    clientUri: 'https://wiki.example.com/',
    groups: [{ scopes: [{ name: 'openid' }, { name: 'profile' }] }],
    offline: false,
    ...differences,
  };
}

function applications(all: readonly ApplicationLocals[]): AccountPageLocals['account-applications'] {
  return { ...form, action: '/account/applications/revoke', now: NOW, applications: all };
}

function password(
  differences: Partial<AccountPageLocals['account-password']>,
): AccountPageLocals['account-password'] {
  return { ...form, action: '/account/password', username: 'ada', ...differences };
}

function requests(waiting: readonly RequestLocals[]): AccountPageLocals['account-requests'] {
  return {
    ...form,
    action: '/account/requests/approve',
    denyAction: '/account/requests/deny',
    now: NOW,
    requests: waiting,
  };
}

function request(differences: Partial<RequestLocals>): RequestLocals {
  return {
    id: 'abc',
    clientName: 'Team Wiki',
    clientUri: 'https://wiki.example.com/',
    groups: [{ scopes: [{ name: 'openid' }] }],
    details: [],
    offline: false,
    askedAt: ago(minutes(2)),
    address: '192.0.2.7',
    ...differences,
  };
}
