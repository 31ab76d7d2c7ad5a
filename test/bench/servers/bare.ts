import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Place, spawnNode } from '#test/bench/load/cores.ts';
import { BARE_CLIENTS } from '#test/bench/servers/bare-clients.ts';
import { APIS, discover, identifierOf, type Served, untilAnswered } from '#test/bench/servers/served.ts';
import { freePort } from '#test/support/free-port.ts';
import { Person } from '#test/support/person.ts';

const MAIN = fileURLToPath(new URL('./bare-server-main.ts', import.meta.url));

const BROWSER_STEPS_MAX = 5;

/** Starts the bare library in a process of its own. Disposing it ends it. */
export async function startBare(core: Place): Promise<Served & AsyncDisposable> {
  const port = await freePort();
  const issuer = `http://localhost:${port}`;
  const child = spawnNode([MAIN, String(port)], core, { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = once(child, 'exit');
  await untilAnswered(`${issuer}/.well-known/openid-configuration`, () => child.exitCode !== null);
  const person = (number: number) => ({ login: `person-${number}`, password: 'anything' });
  return {
    program: 'bare',
    store: 'memory',
    issuer,
    port,
    ports: [port],
    endpoints: await discover(issuer),
    service: BARE_CLIENTS.service,
    web: BARE_CLIENTS.web,
    rotating: BARE_CLIENTS.rotating,
    exchanger: null,
    expiredRefreshTokens: [],
    apis: Object.fromEntries(
      APIS.map((api) => [api, { ...BARE_CLIENTS.apis[api], identifier: identifierOf(api) }]),
    ) as Served['apis'],
    pids: () => [child.pid as number],
    person,
    signIn: async (number, authorizationRequest) => {
      const browser = new Person();
      let page = await browser.visit(authorizationRequest);
      for (let step = 0; page.leftTo === null; step += 1) {
        if (step === BROWSER_STEPS_MAX)
          throw new Error(`the bare library shows ${page.response.status} ${page.html}`);
        const [action = ''] = /\/interaction\/[^"]+(?=" method="post")/.exec(page.html) ?? [];
        page = await browser.submit(page, action, person(number));
      }
      return { cookie: browser.cookieHeader(new URL(authorizationRequest)), callback: page.leftTo };
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
