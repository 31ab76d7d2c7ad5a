import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { hasStatus, repeating } from '#test/bench/cases/requests.ts';
import { type Place, spawnNode } from '#test/bench/load/cores.ts';
import { run } from '#test/bench/measure.ts';
import type { LimitResult } from '#test/bench/report/document.ts';
import { untilAnswered } from '#test/bench/servers/served.ts';
import { freePort } from '#test/support/free-port.ts';
import { rawRequest } from '#test/support/raw-http.ts';

const program = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export interface LimitOptions {
  readonly core: Place;
  readonly connections: number;
  readonly workMs: number;
}

/** What the machine can do on the server's core if it does nothing else. */
export async function measureLimits(options: LimitOptions): Promise<readonly LimitResult[]> {
  return [...(await ofThisCore(options)), await httpAlone(options)];
}

async function ofThisCore({ core, workMs }: LimitOptions): Promise<readonly LimitResult[]> {
  const args = [program('./limits-main.ts'), String(workMs)];
  const child = spawnNode(args, core, { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.stdout === null) throw new Error('there is nothing to read from');
  const [printed] = await Promise.all([text(child.stdout), once(child, 'exit')]);
  return printed
    .trim()
    .split('\n')
    .map((line): LimitResult => JSON.parse(line));
}

async function httpAlone({ core, connections, workMs }: LimitOptions): Promise<LimitResult> {
  const port = await freePort();
  const child = spawnNode([program('./http-alone-main.ts'), String(port)], core, { stdio: 'ignore' });
  const ended = once(child, 'exit');
  try {
    await untilAnswered(`http://127.0.0.1:${port}/`, () => child.exitCode !== null);
    const request = rawRequest('GET /', { Connection: 'keep-alive' });
    const visitors = Array.from({ length: connections }, () =>
      repeating([request], hasStatus(200, 'access_token')),
    );
    const served = { ports: [port], pids: () => [child.pid as number] };
    const asked = { served, connections, storePids: [] };
    await run(asked, async () => visitors, workMs);
    const { perCpuSecond } = await run(asked, async () => visitors, workMs);
    return {
      name: 'node-http',
      about: 'requests that are answered with 700 bytes and nothing else',
      perCpuSecond,
    };
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}
