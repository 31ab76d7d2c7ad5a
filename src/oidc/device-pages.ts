import { type Client, type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import type { DeviceCodeProblem, PageLocals } from '#src/http/pages.ts';
import { programName } from '#src/http/user-agent.ts';
import { TooManyUserCodes } from '#src/oidc/device-code-model.ts';
import { clientLocals, type ProtocolPages } from '#src/oidc/protocol-pages.ts';
import type { EpochSeconds } from '#src/units.ts';

/** The anti-forgery field of the library's forms. */
const FIELD = 'xsrf';

/** What is remembered of whoever asked for a device code, to be shown to the person who enters it: RFC 8628 section 5.4. */
interface DeviceInfo {
  readonly address: string;
  readonly program: string | null;
  readonly askedAt: EpochSeconds;
}

/** The library's settings of the feature. */
export type DeviceFlow = NonNullable<NonNullable<Configuration['features']>['deviceFlow']>;

/** The pages on which a person enters the code that a device shows, and confirms it: RFC 8628 section 3.3. */
export function devicePages({
  pages,
  clock,
}: {
  readonly pages: ProtocolPages;
  readonly clock: Clock;
}): Pick<DeviceFlow, 'deviceInfo' | 'userCodeInputSource' | 'userCodeConfirmSource' | 'successSource'> {
  return {
    deviceInfo: (ctx): DeviceInfo & Record<string, unknown> => ({
      address: ctx.ip,
      program: programName(ctx.get('user-agent')),
      askedAt: clock.now(),
    }),

    userCodeInputSource: async (ctx, _form, _out, error) => {
      const problem = error === undefined ? undefined : problemOf(error);
      if (problem !== undefined && hasNoSession(ctx)) return beginAnew(ctx);
      if (problem === 'declined') return pages.show(ctx, 'device-done', { connected: false });
      if (problem !== undefined && ctx.status === 200) ctx.status = 400;
      pages.show(ctx, 'device-code', {
        ...formLocals(ctx),
        userCode: (error as { userCode?: string } | undefined)?.userCode,
        problem,
        ...(error instanceof TooManyUserCodes
          ? { retryAfterMinutes: Math.ceil(error.retryAfter / 60) }
          : undefined),
      });
    },

    userCodeConfirmSource: async (ctx, _form, client, deviceInfo, userCode) => {
      const { address, program, askedAt } = deviceInfo as unknown as DeviceInfo;
      const device: PageLocals['device-confirm']['device'] = {
        address,
        program: program ?? undefined,
        askedMinutesAgo: Math.floor((clock.now() - askedAt) / 60),
      };
      const locals = { ...namedClient(client), ...formLocals(ctx), userCode, device };
      pages.show(ctx, 'device-confirm', locals);
    },

    successSource: async (ctx) =>
      pages.show(ctx, 'device-done', { ...clientLocals(ctx.oidc.client), connected: true }),
  };
}

/** True if the browser sent no session along, and will not be given one with this answer. */
function hasNoSession(ctx: KoaContextWithOIDC): boolean {
  return (ctx.oidc.session as { exp?: number } | undefined)?.exp === undefined;
}

/** A form that came without a session, from another site or from long ago, has nothing that it could go on with. */
function beginAnew(ctx: KoaContextWithOIDC): void {
  // The library would store what it has just written into a session that never was, and cannot.
  Object.assign(ctx.oidc.session as object, { touched: false });
  ctx.status = 303;
  ctx.redirect(ctx.oidc.urlFor('code_verification'));
}

const namedClient = (client: Client) => ({ clientName: client.clientId, ...clientLocals(client) });

function formLocals(ctx: KoaContextWithOIDC) {
  const secret = ctx.oidc.session?.state?.secret;
  if (typeof secret !== 'string') throw new Error('the forms of a device begin with a session');
  return { action: ctx.oidc.urlFor('code_verification'), field: FIELD, antiForgery: secret };
}

/** What the library, and what we teach it, say of a code that does not do. */
const PROBLEMS: Readonly<Record<string, DeviceCodeProblem | 'declined'>> = {
  NoCodeError: 'missing',
  NotFoundError: 'unknown',
  ExpiredError: 'expired',
  AlreadyUsedError: 'used',
  DecidedAlready: 'used',
  AbortedError: 'declined',
  TooManyUserCodes: 'throttled',
};

function problemOf(error: Error): DeviceCodeProblem | 'declined' {
  const { statusCode = 500 } = error as { statusCode?: number };
  const known = PROBLEMS[error.name];
  if (known !== undefined) return known;
  if (statusCode >= 500) return 'fault';
  // The anti-forgery token or the interaction is not the one that this browser has.
  return error instanceof errors.InvalidRequest ? 'stale' : 'refused';
}
