import type { Visitor } from '#src/account-page/visitor.ts';
import type { AccountRegistry } from '#src/accounts/account-registry.ts';
import type { PasswordProblemCode } from '#src/accounts/password-policy.ts';
import { Refusal } from '#src/fault.ts';
import { type SignInPorts, signIn } from '#src/interaction/sign-in.ts';
import { Secret } from '#src/secret.ts';
import type { Seconds } from '#src/units.ts';

export interface PasswordChange {
  readonly current: string;
  readonly wanted: string;
  readonly repeated: string;
  /** The IP address that it comes from. */
  readonly address: string;
}

export type PasswordChangeOutcome =
  | { readonly outcome: 'changed' }
  | { readonly outcome: 'missing' | 'refused' | 'different' | 'overloaded' | PasswordProblemCode }
  | { readonly outcome: 'throttled'; readonly retryAfter: Seconds };

export interface PasswordChangePorts extends SignInPorts {
  readonly accounts: Pick<AccountRegistry, 'authenticate' | 'setPassword'>;
}

const PROBLEMS: ReadonlySet<string> = new Set<PasswordProblemCode | 'overloaded'>([
  'overloaded',
  'password_too_short',
  'password_too_long',
  'password_characters',
  'password_repetitive',
  'password_personal',
  'password_common',
]);

/**
 * Gives the visitor's account another password, once the current one has been shown: whoever finds a browser unlocked
 * does not get the account. Guesses count as failed sign-ins. Everything that rests on sign-ins before has ended then.
 */
export async function changePassword(
  ports: PasswordChangePorts,
  { account }: Pick<Visitor, 'account'>,
  { current, wanted, repeated, address }: PasswordChange,
): Promise<PasswordChangeOutcome> {
  if (current === '' || wanted === '') return { outcome: 'missing' };
  if (wanted !== repeated) return { outcome: 'different' };
  const shown = await signIn(ports, { login: account.username, password: current, address });
  if (shown.outcome === 'throttled') return shown;
  if (shown.outcome !== 'signed-in') return { outcome: shown.outcome };
  if (shown.subject !== account.subject) return { outcome: 'refused' };
  try {
    await ports.accounts.setPassword(account.subject, new Secret(wanted));
    return { outcome: 'changed' };
  } catch (problem) {
    if (!(problem instanceof Refusal) || !PROBLEMS.has(problem.code)) throw problem;
    return { outcome: problem.code as PasswordProblemCode | 'overloaded' };
  }
}
