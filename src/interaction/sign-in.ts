import { signInTime } from '#src/accounts/account.ts';
import type { AccountRegistry } from '#src/accounts/account-registry.ts';
import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import type { Answer } from '#src/interaction/interaction.ts';
import { Secret } from '#src/secret.ts';
import type { SignInThrottle } from '#src/throttle/sign-in-throttle.ts';
import type { Seconds } from '#src/units.ts';

export type SignInOutcome =
  | { readonly outcome: 'signed-in'; readonly answer: Answer; readonly subject: string }
  | { readonly outcome: 'missing' }
  /** `reason` is for the log. The person is told the same whatever it is. */
  | { readonly outcome: 'refused'; readonly reason: string; readonly subject: string | null }
  | { readonly outcome: 'throttled'; readonly retryAfter: Seconds }
  | { readonly outcome: 'overloaded' };

export interface SignInPorts {
  readonly accounts: Pick<AccountRegistry, 'authenticate'>;
  readonly throttle: Pick<SignInThrottle, 'admit' | 'recordFailure' | 'recordSuccess'>;
  readonly clock: Clock;
  /** The authentication context of a sign-in by password. */
  readonly passwordAcr: string;
}

/** Checks a username or e-mail address and a password. Whoever is throttled costs no password hashing. */
export async function signIn(
  ports: SignInPorts,
  attempt: { readonly login: string; readonly password: string; readonly address: string },
): Promise<SignInOutcome> {
  if (attempt.login.trim() === '' || attempt.password === '') return { outcome: 'missing' };
  const admission = await ports.throttle.admit(attempt);
  if (!admission.allowed) return { outcome: 'throttled', retryAfter: admission.retryAfter };
  try {
    const authentication = await ports.accounts.authenticate(attempt.login, new Secret(attempt.password));
    if (authentication.outcome === 'refused') {
      await ports.throttle.recordFailure(attempt);
      return { outcome: 'refused', reason: authentication.reason, subject: authentication.subject };
    }
    await ports.throttle.recordSuccess(attempt);
    const { account } = authentication;
    const { subject } = account;
    // RFC 8176 section 2: pwd, password-based authentication.
    const how = { amr: ['pwd'], acr: ports.passwordAcr };
    const at = signInTime(account, ports.clock.now());
    return { outcome: 'signed-in', subject, answer: { answer: 'signed-in', subject, at, ...how } };
  } catch (problem) {
    if (problem instanceof Refusal && problem.code === 'overloaded') return { outcome: 'overloaded' };
    throw problem;
  }
}
