import type { Context } from 'koa';
import type { Provider } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import { currentRequest } from '#src/oidc/library.ts';
import type { Seconds } from '#src/units.ts';

/** More interactions than a person has tabs for. One further makes the browser forget the oldest. */
const INTERACTIONS_MAX = 32;

/** Of the time that a cookie holds. */
const RADIX = 36;

export interface BegunInteractionsOptions {
  readonly issuer: string;
  readonly clock: Clock;
  /** How long an interaction lasts. */
  readonly lifetime: Seconds;
}

/**
 * Which interactions a browser has begun. The library's cookies of an interaction are bound to its path, which `__Host-`
 * does not allow, so another host of the same domain could set them, and have a person sign in to an interaction that
 * somebody else began. Therefore each has a further cookie, which under https no other host can set: RFC 6265bis section
 * 4.1.3.2. One for each interaction, and not one for all, since tabs that begin at the same moment would overwrite it.
 * None is signed: whoever could set them would have got the signature with an interaction of their own.
 */
export class BegunInteractions {
  readonly #prefix: string;
  readonly #options: { readonly secure: boolean; readonly maxAge: number };
  readonly #clock: Clock;

  constructor({ issuer, clock, lifetime }: BegunInteractionsOptions) {
    const secure = issuer.startsWith('https:');
    this.#prefix = `${secure ? '__Host-' : ''}keyturn-began-`;
    this.#options = { secure, maxAge: lifetime * 1000 };
    this.#clock = clock;
  }

  /** Has the browsers remember what the library begins, and forget what is over. */
  teach(provider: Provider): void {
    provider.on('interaction.started', (ctx) => {
      const { Interaction: interaction } = ctx.oidc.entities;
      if (interaction !== undefined) this.#remember(ctx, interaction.uid);
    });
    provider.on('interaction.destroyed', ({ uid }) => this.#forget(currentRequest(), uid));
  }

  /** True if the interaction was begun in the browser that asks. */
  has(ctx: Context, uid: string): boolean {
    return this.#begun(ctx).has(uid);
  }

  #remember(ctx: Context, uid: string): void {
    const others = [...this.#begun(ctx)].toSorted(([, one], [, other]) => other - one);
    for (const [tooOld] of others.slice(INTERACTIONS_MAX - 1)) this.#forget(ctx, tooOld);
    this.#set(ctx, uid, this.#clock.now().toString(RADIX), this.#options.maxAge);
  }

  #forget(ctx: Context, uid: string): void {
    this.#set(ctx, uid, null, 0);
  }

  #set(ctx: Context, uid: string, value: string | null, maxAge: number): void {
    const { secure } = this.#options;
    const attributes = {
      httpOnly: true,
      sameSite: 'lax',
      path: '/',
      signed: false,
      overwrite: true,
    } as const;
    ctx.cookies.set(this.#prefix + uid, value, { ...attributes, secure, maxAge });
  }

  /** When each was begun, by uid, as the cookies say. */
  #begun(ctx: Context): ReadonlyMap<string, number> {
    const cookies = ctx.get('cookie').split(/;\s*/);
    const own = cookies.filter((cookie) => cookie.startsWith(this.#prefix));
    return new Map(
      own.map((cookie) => {
        const [uid = '', at = ''] = cookie.slice(this.#prefix.length).split('=');
        return [uid, Number.parseInt(at, RADIX) || 0];
      }),
    );
  }
}
