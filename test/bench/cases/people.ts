import type { Stage } from '#test/bench/cases/case.ts';
import { visitorsAt } from '#test/bench/cases/case.ts';
import {
  type Asked,
  authorizationParameters,
  authorizationPath,
  codeIn,
  get,
  redemption,
  tokensIn,
} from '#test/bench/cases/requests.ts';
import type { Answer } from '#test/bench/load/answer.ts';
import { drive, openConnections, type Visitor } from '#test/bench/load/drive.ts';
import type { Credentials } from '#test/bench/servers/served.ts';

/** Somebody at each connection who is signed in, with the request that brings them a code without a further question. */
export interface SignedIn {
  readonly cookie: string;
  /** The authorization request, as bytes on the wire. */
  readonly request: string;
}

/** Signs in a person for each connection. They have consented to what is asked. */
export async function signedInPeople(
  { served, connections, signedIn }: Stage,
  asked: Asked,
  web: Credentials = served.web,
): Promise<readonly SignedIn[]> {
  const path = authorizationPath(served, authorizationParameters({ web }, asked));
  const people = [...(signedIn?.get(path) ?? [])];
  for (let index = people.length; index < connections; index += 1) {
    const { cookie } = await served.signIn(index, `${served.issuer}${path}`);
    people.push({ cookie, request: get(served, path, { Cookie: cookie, Accept: 'text/html' }) });
  }
  signedIn?.set(path, people);
  return people.slice(0, connections);
}

/** Sends each visitor's requests until `count` things have been gathered from the answers. */
export async function gathered<T>(
  stage: Stage,
  count: number,
  requestOf: (index: number) => string | null,
  thingIn: (answer: Answer) => T,
): Promise<T[]> {
  const things: T[] = [];
  let asked = 0;
  const visitors = visitorsAt(
    stage,
    (index): Visitor => ({
      next: () => {
        const request = asked < count ? requestOf(index) : null;
        asked += 1;
        return request;
      },
      read: (answer) => {
        things.push(thingIn(answer));
        return true;
      },
    }),
  );
  using connections = await openConnections(stage.served.ports, visitors.length);
  await drive(connections, visitors);
  return things;
}

export const codes = (stage: Stage, people: readonly SignedIn[], count: number): Promise<string[]> =>
  gathered(stage, count, (index) => people[index]?.request ?? null, codeIn);

/** Tokens of signed-in people, each from a code of its own. */
export async function tokensOfPeople(
  stage: Stage,
  asked: Asked,
  count: number,
  web: Credentials = stage.served.web,
): Promise<ReturnType<typeof tokensIn>[]> {
  const unused = await codes(stage, await signedInPeople(stage, asked, web), count);
  const redeem = () => {
    const code = unused.pop();
    return code === undefined ? null : redemption(stage.served, web, code);
  };
  return gathered(stage, count, redeem, tokensIn);
}
