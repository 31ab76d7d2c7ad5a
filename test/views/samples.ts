import { OPENID_SCOPES } from '#src/clients/scope.ts';
import type { PageName } from '#src/http/page-names.ts';
import type { PageLocals } from '#src/http/pages.ts';
import { ACCOUNT_SAMPLES } from '#test/views/account-samples.ts';

const CLAIMS = ['name', 'preferred_username', 'updated_at', 'email', 'email_verified', 'groups', 'roles'];

/** Under this path the gallery has a picture. */
export const LOGO = '/interaction/abc/logo';
const LINKS = { policy: 'https://wiki.example.com/privacy', terms: 'https://wiki.example.com/terms' };

/** What a page is shown with, by the name of what it shows. Together they use every branch of every template. */
export const SAMPLES: { readonly [Name in PageName]: Readonly<Record<string, PageLocals[Name]>> } = {
  front: {
    'the front page': {
      issuer: 'https://id.example.com',
      links: {
        openidConfiguration: 'https://id.example.com/.well-known/openid-configuration',
        authorizationServer: 'https://id.example.com/.well-known/oauth-authorization-server',
        jwks: 'https://id.example.com/jwks',
      },
    },
  },
  'sign-in': {
    'a first visit': signIn({}),
    'a login hint': signIn({ login: 'ada@example.com' }),
    'a refusal': signIn({ login: 'ada', problem: 'refused' }),
    'a throttled login, one minute': signIn({ login: 'ada', problem: 'throttled', retryAfterMinutes: 1 }),
    'a throttled login, some minutes': signIn({
      login: 'ada',
      problem: 'throttled',
      retryAfterMinutes: 14.2,
    }),
    'a throttled login': signIn({ login: 'ada', problem: 'throttled' }),
    'an overloaded server': signIn({ login: 'ada', problem: 'overloaded' }),
    'a missing login': signIn({ problem: 'missing' }),
    'a missing password': signIn({ login: 'ada', problem: 'missing' }),
    'a client without a page': signIn({ clientUri: undefined }),
    'a client with a logo, and more to say': signIn({ logo: LOGO, links: LINKS }),
    'a client that registered itself, with all that it says': signIn({
      clientUri: undefined,
      logo: LOGO,
      links: { website: 'https://wiki.example.com/', ...LINKS },
      claimed: true,
    }),
    'a very long name': signIn({
      clientName: 'Donaudampfschifffahrtselektrizitaetenhauptbetriebswerk'.repeat(3),
    }),
  },
  'select-account': {
    'somebody is signed in': selectAccount({}),
    'a client without a page': selectAccount({ clientUri: undefined }),
    'a client with a logo, and more to say': selectAccount({ logo: LOGO, links: LINKS }),
    'a very long name': selectAccount({ accountName: `${'a'.repeat(120)}@example.com` }),
  },
  consent: {
    'the account alone': consent({ groups: [{ scopes: [{ name: 'openid' }] }] }),
    'every scope there are words for': consent({
      groups: [
        {
          scopes: OPENID_SCOPES.map((name) => ({ name })),
        },
      ],
      offline: true,
    }),
    'an account and a resource server': consent({
      clientUri: undefined,
      groups: [
        { scopes: [{ name: 'openid' }, { name: 'email' }, { name: 'urn:example:loyalty' }] },
        {
          title: 'Invoices',
          identifier: 'https://invoices.example.com/api',
          scopes: [
            {
              name: 'invoices:read',
              title: 'Read invoices',
              description: 'All invoices of your department.',
            },
            { name: 'invoices:write', title: 'Write invoices' },
            { name: 'invoices:export' },
          ],
        },
      ],
      offline: true,
      switchAction: '/interaction/abc/switch',
    }),
    'single claims': consent({
      groups: [
        {
          scopes: [
            { name: 'openid' },
            ...CLAIMS.map((name) => ({
              name,
              claim: true,
            })),
          ],
        },
      ],
    }),
    'authorization details': consent({
      groups: [{ title: 'Bank', identifier: 'https://bank.example.com', scopes: [] }],
      details: [
        {
          title: 'Payment',
          type: 'payment_initiation',
          sentences: [
            [{ words: 'Pay ' }, { value: '123.50 EUR' }, { words: ' to ' }, { value: 'Merchant A' }],
            [{ words: 'At once' }],
          ],
          others: [
            { name: 'creditorAccount.iban', value: 'DE02100100109307118603' },
            { name: 'x'.repeat(120), value: 'y'.repeat(300) },
          ],
        },
        { title: 'urn:example:gone', type: 'urn:example:gone', sentences: [], others: [] },
      ],
    }),
    'a resource server without a scope': consent({
      groups: [{ title: 'Invoices', identifier: 'https://invoices.example.com/api', scopes: [] }],
    }),
    'a client that registered itself': consent({
      clientUri: undefined,
      groups: [{ scopes: [{ name: 'openid' }] }],
      unverified: { knownBy: null, sentTo: 'app.example.com' },
    }),
    'a client with a logo, and more to say': consent({
      logo: LOGO,
      links: LINKS,
      groups: [{ scopes: [{ name: 'openid' }] }],
    }),
    'a client that registered itself, with all that it says': consent({
      clientUri: undefined,
      logo: LOGO,
      links: { website: 'https://wiki.example.com/', ...LINKS },
      claimed: true,
      groups: [{ scopes: [{ name: 'openid' }, { name: 'email' }] }],
      unverified: { knownBy: null, sentTo: 'app.example.com' },
    }),
    'a client with a metadata document': consent({
      clientUri: undefined,
      groups: [{ scopes: [{ name: 'openid' }] }],
      unverified: { knownBy: 'tools.example.com', sentTo: 'device' },
    }),
    'a very long name': consent({
      clientName: 'W'.repeat(200),
      accountName: `${'a'.repeat(120)}@example.com`,
      groups: [{ scopes: [{ name: `urn:${'x'.repeat(150)}` }] }],
    }),
  },
  'device-code': {
    'a first visit': deviceCode({}),
    ...Object.fromEntries(
      (['missing', 'unknown', 'expired', 'used', 'stale', 'refused', 'fault', 'throttled'] as const).map(
        (problem) => [`a problem: ${problem}`, deviceCode({ problem, userCode: 'BCDF-GHJK' })],
      ),
    ),
    'a throttled address, one minute': deviceCode({ problem: 'throttled', retryAfterMinutes: 1 }),
    'a throttled address, some minutes': deviceCode({ problem: 'throttled', retryAfterMinutes: 14.2 }),
  },
  'device-confirm': {
    'a program that says its name': deviceConfirm({}),
    'a program that does not': deviceConfirm({ device: { address: '2001:db8::1', askedMinutesAgo: 1 } }),
    'a client without a page': deviceConfirm({
      clientUri: undefined,
      device: { address: '192.0.2.7', askedMinutesAgo: 9 },
    }),
    'a very long name': deviceConfirm({ clientName: 'W'.repeat(200), userCode: 'BCDF-GHJK-LMNP-QRST' }),
  },
  'device-done': {
    'connected, for a client': { clientName: 'Living Room', connected: true },
    connected: { connected: true },
    declined: { connected: false },
  },
  'sign-out': {
    'a client asks': {
      clientName: 'Team Wiki',
      accountName: 'ada@example.com',
      action: '/session/end/confirm',
      antiForgery: 'anti-forgery',
      field: 'xsrf',
      values: { logout: 'yes' },
      stayHref: 'https://wiki.example.com/',
    },
    'nobody in particular asks': {
      action: '/session/end/confirm',
      antiForgery: 'anti-forgery',
      field: 'xsrf',
    },
  },
  'signed-out': {
    'from a client': { clientName: 'Team Wiki', clientUri: 'https://wiki.example.com/' },
    'from a client without a page': { clientName: 'Team Wiki' },
    'from nowhere': {},
  },
  error: {
    'a bad request': error({
      status: 400,
      code: 'invalid_redirect_uri',
      message: "redirect_uri did not match any of the client's registered redirect_uris",
    }),
    'a refusal': error({
      status: 403,
      code: 'access_denied',
      message: 'the resource owner denied the request',
    }),
    'an unknown path': error({
      status: 404,
      code: 'not_found',
      message: 'unrecognized route or not allowed method',
    }),
    'an expired interaction': error({
      status: 400,
      code: 'session_not_found',
      message: 'interaction expired',
    }),
    'a busy server': error({
      status: 503,
      code: 'temporarily_unavailable',
      message: 'too many requests at once',
    }),
    'a fault': error({ status: 500, code: 'server_error', message: 'oops! something went wrong' }),
    'nothing to say but a code': error({ message: '' }),
  },
  'post-on': {
    'to a client': {
      action: 'https://wiki.example.com/callback',
      fields: { code: 'a code', state: 'a state' },
      clientName: 'Team Wiki',
    },
    'to this server': { action: '/session/end/confirm', fields: { xsrf: 'anti-forgery', logout: 'yes' } },
  },
  'web-message': {
    'to a client': {
      targetOrigin: 'https://wiki.example.com',
      response: { code: 'a code', state: '</p>"\'' },
      clientName: 'Team Wiki',
    },
    'to a client without a name': { targetOrigin: 'https://wiki.example.com', response: {} },
  },
  ...ACCOUNT_SAMPLES,
};

export interface Sample {
  readonly page: PageName;
  readonly what: string;
  readonly locals: PageLocals[PageName];
}

/** Every sample, flat. */
export const EVERY_SAMPLE: readonly Sample[] = (Object.keys(SAMPLES) as PageName[]).flatMap((page) =>
  Object.entries(SAMPLES[page]).map(([what, locals]) => ({ page, what, locals })),
);

export function signIn(differences: Partial<PageLocals['sign-in']>): PageLocals['sign-in'] {
  return {
    clientName: 'Team Wiki',
    clientUri: 'https://wiki.example.com/',
    action: '/interaction/abc/sign-in',
    cancelAction: '/interaction/abc/cancel',
    antiForgery: 'anti-forgery',
    ...differences,
  };
}

function selectAccount(differences: Partial<PageLocals['select-account']>): PageLocals['select-account'] {
  return {
    clientName: 'Team Wiki',
    clientUri: 'https://wiki.example.com/',
    accountName: 'ada@example.com',
    action: '/interaction/abc/select-account',
    switchAction: '/interaction/abc/switch',
    cancelAction: '/interaction/abc/cancel',
    antiForgery: 'anti-forgery',
    ...differences,
  };
}

export function consent(differences: Partial<PageLocals['consent']>): PageLocals['consent'] {
  return {
    clientName: 'Team Wiki',
    clientUri: 'https://wiki.example.com/',
    accountName: 'ada@example.com',
    action: '/interaction/abc/consent',
    cancelAction: '/interaction/abc/cancel',
    antiForgery: 'anti-forgery',
    groups: [],
    details: [],
    offline: false,
    ...differences,
  };
}

function deviceCode(differences: Partial<PageLocals['device-code']>): PageLocals['device-code'] {
  return { action: '/device', field: 'xsrf', antiForgery: 'anti-forgery', ...differences };
}

function deviceConfirm(differences: Partial<PageLocals['device-confirm']>): PageLocals['device-confirm'] {
  return {
    clientName: 'Living Room',
    clientUri: 'https://wiki.example.com/',
    action: '/device',
    field: 'xsrf',
    antiForgery: 'anti-forgery',
    userCode: 'BCDF-GHJK',
    device: { address: '192.0.2.7', program: 'tv-player/3.1', askedMinutesAgo: 0 },
    ...differences,
  };
}

export function error(differences: Partial<PageLocals['error']>): PageLocals['error'] {
  return {
    status: 400,
    code: 'invalid_request',
    message: 'missing required parameter(s) (client_id)',
    requestId: 'q3J9hZ0cR2m8',
    ...differences,
  };
}
