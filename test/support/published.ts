import { once } from 'node:events';
import { createServer, type Server } from 'node:http';

/** What a client publishes, on this machine. */
export interface Published extends AsyncDisposable {
  readonly url: string;
  /** How often it was asked for. */
  asked: number;
}

/** How it is answered: the document alone, or with a status and headers of its own. */
export type PublishedAnswer =
  | string
  | { readonly body: string; readonly status?: number; readonly headers?: Record<string, string> };

/** Publishes a document at an address of this machine. A function is asked each time. */
export async function publish(answer: PublishedAnswer | (() => PublishedAnswer)): Promise<Published> {
  const server: Server = createServer((_request, response) => {
    published.asked += 1;
    const given = typeof answer === 'function' ? answer() : answer;
    const { body, status = 200, headers = {} } = typeof given === 'string' ? { body: given } : given;
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const published: Published = {
    url: `http://127.0.0.1:${port}/published.json`,
    asked: 0,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return published;
}
