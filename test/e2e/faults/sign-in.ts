import { type Asking, type Code, insist } from '#test/e2e/faults/asking.ts';
import type { Learned } from '#test/e2e/faults/history.ts';
import type { Person } from '#test/support/person.ts';
import type { RelyingParty } from '#test/support/relying-party.ts';

/** A person with an account, and the client that they sign in to. */
export interface SigningIn {
  readonly web: RelyingParty;
  readonly person: Person;
  readonly account: string;
  readonly password: string;
  readonly scope: string;
}

/** Signs in, again from the start where a server could not go on, until the client has a code. */
export async function signIn(
  asking: Asking,
  who: string,
  { web, person, account, password, scope }: SigningIn,
): Promise<Code> {
  let code = '';
  let verifier = '';
  const authorize = async (): Promise<Learned> => {
    const { url, checks } = await web.request({ scope });
    try {
      const callback = await person.authorize(url, { login: account, password });
      code = callback.searchParams.get('code') ?? '';
      verifier = checks.pkceCodeVerifier;
      return code === ''
        ? { outcome: 'unavailable', detail: callback.searchParams.get('error') ?? '' }
        : { outcome: 'done', detail: '' };
    } catch (error) {
      const { message } = error as Error;
      return { outcome: 'unavailable', detail: STATUS.exec(message)?.[0] ?? message };
    }
  };
  await insist(() => asking.history.record({ who, node: 0, what: 'authorize', account }, authorize));
  return { account, code, verifier };
}

/** Of a page that was neither that of the sign-in nor of the consent: what follows is the whole page. */
const STATUS = /\b5\d\d\b/;
