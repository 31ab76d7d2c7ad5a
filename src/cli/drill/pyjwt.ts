import { type ChildProcessByStdio, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Api, Kept, Opinion } from '#src/cli/drill/resource-servers.ts';
import type { EpochSeconds } from '#src/units.ts';

const PROGRAM = fileURLToPath(new URL('resource_server.py', import.meta.url));

/** The Python of the user, and that of the system, which has the packages of the system. */
export const PYTHONS: readonly string[] = ['python3', '/usr/bin/python3'];

/** A Python that has PyJWT and what it needs to verify ES256; `null` if there is none here. */
export async function findPython(pythons: readonly string[]): Promise<string | null> {
  for (const python of pythons) {
    const found = await promisify(execFile)(python, ['-c', 'import cryptography, jwt']).then(
      () => true,
      () => false,
    );
    if (found) return python;
  }
  return null;
}

/** A resource server in Python, as a process of its own. Disposing of it ends the process. */
export class PyJwtServer implements Kept, AsyncDisposable {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;
  fetches = 0;

  constructor(python: string, { issuer, jwksUri, audience, algorithm }: Api) {
    const args = [PROGRAM, issuer, jwksUri.href, audience, algorithm];
    this.#process = spawn(python, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    // What it did not read any more is of no interest.
    this.#process.stdin.on('error', () => {});
    this.#answers = createInterface(this.#process.stdout)[Symbol.asyncIterator]();
  }

  async check(token: string, now: EpochSeconds): Promise<Opinion> {
    this.#process.stdin.write(`${JSON.stringify({ now, token })}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error('the resource server in Python has ended; it says why on stderr');
    const { accepted, why, fetches } = JSON.parse(value) as Opinion & { fetches: number };
    this.fetches = fetches;
    return { accepted, why };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, 'close');
    this.#process.stdin.end();
    await ended;
  }
}
