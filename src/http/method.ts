import type { Context } from 'koa';
import { Refusal } from '#src/fault.ts';

/**
 * Refuses a method that this address does not take, and says which it does: RFC 9110 section 15.5.6.
 * @throws Refusal `method_not_allowed`
 */
export function assertMethod(ctx: Context, allowed: readonly string[]): void {
  if (allowed.includes(ctx.method)) return;
  ctx.set('Allow', allowed.join(', '));
  throw new Refusal('method_not_allowed', `this address takes ${allowed.join(', ')} only`);
}
