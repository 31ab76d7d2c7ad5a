import { once } from 'node:events';
import { createServer } from 'node:net';

/** Beneath the ports that systems give to outgoing connections, one of which could take it before it is listened on. */
const [LOWEST, PORTS] = [20_000, 12_000];

/** Test files run beside one another, and each begins elsewhere. */
let next = process.pid * 97;

/** A TCP port of the loopback interface that nothing listens on, and that this process has not been given before. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = LOWEST + (next % PORTS);
    next += 1;
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    const listening = once(server, 'listening');
    server.listen(port, 'localhost');
    await listening;
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
