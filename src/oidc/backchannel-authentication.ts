import { type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { AccountRegistry } from '#src/accounts/account-registry.ts';
import { readLogin } from '#src/accounts/login.ts';
import { BINDING_MESSAGE_LENGTH_MAX, isBindingMessage } from '#src/backchannel/backchannel-request.ts';
import type { Seconds } from '#src/units.ts';

/** What the settings say of client-initiated backchannel authentication (CIBA). */
export interface BackchannelPolicy {
  readonly enabled: boolean;
  /** How long a client waits between two polls. */
  readonly pollingInterval: Seconds;
}

/**
 * A request that was taken. `subject` is `null` if nobody is asked, which its client is not told: there is nobody of
 * that name, or the client has asked too often under several.
 */
export interface BackchannelNotice {
  readonly requestId: unknown;
  readonly clientId: string;
  readonly subject: string | null;
}

export interface BackchannelDependencies {
  readonly backchannel: BackchannelPolicy;
  readonly accounts: Pick<AccountRegistry, 'findByLogin'>;
  /** Told of each request, so that the person can be. */
  readonly onBackchannelRequest: (notice: BackchannelNotice) => void;
}

type Features = NonNullable<Configuration['features']>;
type FindAccount = NonNullable<Configuration['findAccount']>;

/** No subject of an account begins so. */
const NOBODY = 'nobody:';
const HINT_CHARS_MAX = 256;

/** What a request is for that nobody is to be asked for. */
export const nobody = (name: string) => `${NOBODY}${name}`;

/**
 * By what a request names the person, in one spelling, whether or not there is such a person. An ID token is a name
 * of its own: whom it is about need not be known under any other.
 */
export function hintIn({ login_hint: hint }: Record<string, unknown>, subject: string): string {
  return typeof hint === 'string' ? loginIn(hint) : `subject:${subject}`;
}

function loginIn(hint: string): string {
  const login = hint.slice(0, HINT_CHARS_MAX);
  return readLogin(login) ?? `text:${login.trim()}`;
}

/** The library's feature: CIBA section 7. */
export function backchannelFeatureOf({
  backchannel,
  accounts,
  onBackchannelRequest,
}: BackchannelDependencies): Features['ciba'] {
  return {
    enabled: backchannel.enabled,
    deliveryModes: ['poll', 'ping'],
    // Whoever is asked for, the client is told the same until the request expires: that there is no answer yet.
    processLoginHint: async (_ctx, hint = '') => {
      return (await accounts.findByLogin(hint.slice(0, HINT_CHARS_MAX)))?.subject ?? nobody(loginIn(hint));
    },
    processLoginHintToken: async () => {
      throw new errors.InvalidRequest('login_hint_token is not supported; send login_hint or id_token_hint');
    },
    validateBindingMessage: async (_ctx, message) => {
      if (message === undefined || isBindingMessage(message)) return;
      throw new errors.InvalidBindingMessage(
        `binding_message must be 1 to ${BINDING_MESSAGE_LENGTH_MAX} visible characters on one line`,
      );
    },
    validateRequestContext: async (_ctx, context) => {
      if (context !== undefined) throw new errors.InvalidRequest('request_context is not supported');
    },
    verifyUserCode: async (_ctx, _account, userCode) => {
      if (userCode !== undefined) throw new errors.InvalidRequest('user codes are not supported');
    },
    triggerAuthenticationDevice: async (ctx, request) => {
      // The library's own answer leaves it out: CIBA section 7.3.
      Object.assign(ctx.body as object, { interval: backchannel.pollingInterval });
      const { accountId = NOBODY, clientId = '' } = request;
      onBackchannelRequest({
        requestId: ctx.state.requestId,
        clientId,
        subject: accountId.startsWith(NOBODY) ? null : accountId,
      });
    },
  };
}

/**
 * The library's `findAccount`, which in a backchannel authentication request finds whomever it is asked for: neither
 * that there is such an account nor that it is locked is the client's to know. Nobody can answer for one that is not.
 */
export function answeringAlike(findAccount: FindAccount): FindAccount {
  return async (ctx: KoaContextWithOIDC, subject, token) => {
    const account = await findAccount(ctx, subject, token);
    if (account !== undefined || ctx.oidc.route !== 'backchannel_authentication') return account;
    return { accountId: subject, claims: async () => ({ sub: subject }) };
  };
}
