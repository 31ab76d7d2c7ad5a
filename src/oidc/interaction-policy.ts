import { interactionPolicy } from 'oidc-provider';
import type { Clock } from '#src/clock.ts';
import { authenticationContextChecks } from '#src/oidc/authentication-context.ts';
import { type ProviderLifetimes, sessionEndsAt } from '#src/oidc/lifetimes.ts';

/**
 * The library's policy; a sign-in of the kind that was asked for; a new sign-in where one was too long ago, or its
 * account has been locked or removed; a question of which account, where the client asks for one; and a question for
 * every resource server that the person has not been asked about, scopes or none.
 */
export function interactionPolicyOf(lifetimes: ProviderLifetimes, clock: Clock, contexts: readonly string[]) {
  const policy = interactionPolicy.base();
  const { checks } = policy.get('login') ?? {};
  for (const check of authenticationContextChecks(contexts)) checks?.add(check);
  checks?.add(
    new interactionPolicy.Check(
      'account_unavailable',
      'the account of this session is not available',
      'login_required',
      (ctx) => ctx.oidc.session?.accountId !== undefined && ctx.oidc.account === undefined,
    ),
  );
  checks?.add(
    new interactionPolicy.Check('session_over', 'the session is over', 'login_required', (ctx) => {
      const signedInAt = ctx.oidc.session?.authTime();
      return signedInAt !== undefined && sessionEndsAt(signedInAt, lifetimes) <= clock.now();
    }),
  );
  // OpenID Connect Core section 3.1.2.1; where nobody is signed in, whoever does so says which account it is to be.
  policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 1);
  policy.get('consent')?.checks.add(
    new interactionPolicy.Check(
      'device',
      'a person is asked each time whether a device may act for them',
      'consent_required',
      // What is agreed here is used where nobody sees it, and whoever began it may be someone else: RFC 8628 section 5.4.
      ({ oidc }) => oidc.entities.DeviceCode !== undefined && oidc.result?.consent === undefined,
    ),
  );
  policy.get('consent')?.checks.add(
    new interactionPolicy.Check(
      'resource_not_agreed',
      'a resource server is asked for that was not agreed to',
      'consent_required',
      ({ oidc }) => {
        const agreed = (oidc.grant as { resources?: object } | undefined)?.resources ?? {};
        return Object.keys(oidc.resourceServers ?? {}).some(
          (identifier) => !Object.hasOwn(agreed, identifier),
        );
      },
    ),
  );
  return policy;
}
