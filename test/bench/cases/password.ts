import { type Case, type Scene, visitorsAt } from '#test/bench/cases/case.ts';
import { signedInPeople } from '#test/bench/cases/people.ts';
import {
  type Asked,
  authorizationParameters,
  authorizationPath,
  codeIn,
  get,
  redemption,
  submitted,
  tokensIn,
} from '#test/bench/cases/requests.ts';
import { type Answer, headerOf } from '#test/bench/load/answer.ts';
import { type Visitor, WrongAnswer } from '#test/bench/load/drive.ts';
import { CALLBACK, type Served } from '#test/bench/servers/served.ts';
import { formOf } from '#test/support/person.ts';

const ASKED: Asked = { api: 'es256', openid: true };

/** As many as sign in at the same time: more would only wait for one another's hashes. */
export const PEOPLE_MAX = 8;

/** People who have consented before sign in with their passwords, each time in a browser that knows nothing. */
export const signingIn: Scene = async (stage) => {
  const people = { ...stage, connections: Math.min(stage.connections, PEOPLE_MAX) };
  await signedInPeople(people, ASKED);
  return async () => visitorsAt(people, (index) => new PasswordVisitor(people.served, index));
};

/** Goes from the authorization request to the tokens as a browser and a client do: five requests. */
class PasswordVisitor implements Visitor {
  readonly #served: Served;
  readonly #credentials: { readonly login: string; readonly password: string };
  readonly #cookies = new Map<string, string>();
  #request: string;

  constructor(served: Served, person: number) {
    this.#served = served;
    this.#credentials = served.person(person);
    this.#request = this.#first();
  }

  next(): string {
    return this.#request;
  }

  read(answer: Answer): boolean {
    this.#keepCookies(answer);
    const { status } = answer;
    const location = headerOf(answer, 'location');
    if (location?.startsWith(CALLBACK)) {
      this.#request = redemption(this.#served, this.#served.web, codeIn(answer));
      return false;
    }
    if (status === 303 && location !== null) {
      const { pathname, search } = new URL(location, this.#served.issuer);
      this.#request = get(this.#served, pathname + search, this.#headers());
      return false;
    }
    if (status === 200 && answer.body.includes('/sign-in"')) {
      const { action, fields } = formOf(answer.body, '/sign-in');
      this.#request = submitted(this.#served, action, { ...fields, ...this.#credentials }, this.#headers());
      return false;
    }
    if (status !== 200) throw new WrongAnswer('a step of a sign-in', answer);
    tokensIn(answer);
    this.#cookies.clear();
    this.#request = this.#first();
    return true;
  }

  #first(): string {
    const path = authorizationPath(this.#served, authorizationParameters(this.#served, ASKED));
    return get(this.#served, path, this.#headers());
  }

  #headers() {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    return { Accept: 'text/html', ...(cookie === '' ? undefined : { Cookie: cookie }) };
  }

  #keepCookies({ head }: Answer): void {
    for (const [, name = '', value = ''] of head.matchAll(/\r\nset-cookie: ?([^=]+)=([^;\r]*)/gi)) {
      if (value === '') this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
  }
}

export const PASSWORD_SIGN_IN: Case = {
  name: 'sign-in-password',
  about:
    'the code flow of somebody who signs in with a password, all five requests; the bare library has no passwords',
  target: null,
  keyturn: signingIn,
  bare: null,
};
