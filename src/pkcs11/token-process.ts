import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { RequestName, TokenAnswer, TokenLocation, TokenRequests } from '#src/pkcs11/messages.ts';
import { TokenProblem } from '#src/pkcs11/token-problem.ts';
import type { Secret } from '#src/secret.ts';
import { type Seconds, seconds } from '#src/units.ts';

/** How long the process may take to put the token in order at its end, in milliseconds. */
const CLOSING_MS = 2_000;

/** How long the process may take to start and open its token. */
const STARTING: Seconds = seconds(15);

const MAIN = fileURLToPath(new URL('./token-process-main.ts', import.meta.url));

/**
 * A process of its own with a PKCS#11 module in it, as OpenSSH has one: calls of a module block, its memory is nobody's
 * but its own, and one that never comes back can be ended. It takes one request at a time.
 */
export class TokenProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  #busy = false;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Starts one, loads the module and logs into the token. Throws `TokenProblem`. */
  static async start(location: TokenLocation, pin: Secret): Promise<TokenProcess> {
    const child = fork(MAIN, [], {
      serialization: 'advanced',
      // Where its module finds its settings is for the environment to say; what is ours is nobody else's.
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KEYTURN_'))),
      execArgv: [],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    // What cannot be sent, or started, is not answered either, and that is told.
    child.on('error', () => {});
    const started = new TokenProcess(child);
    try {
      await started.ask('open', { ...location, pin: pin.reveal() }, STARTING);
      return started;
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Asks for one thing. If there is no answer within `limit` the module is stuck, and the process is of no use any more:
   * it has to be disposed of. Throws `TokenProblem`.
   */
  async ask<Name extends RequestName>(
    op: Name,
    ask: TokenRequests[Name]['ask'],
    limit: Seconds,
  ): Promise<TokenRequests[Name]['answer']> {
    if (this.#busy) throw new Error('the process of the token takes one request at a time');
    this.#busy = true;
    try {
      const answer = await this.#answerTo({ op, ask }, limit);
      if ('problem' in answer) throw new TokenProblem(answer.problem.kind, answer.problem.message);
      return answer.answer as TokenRequests[Name]['answer'];
    } finally {
      this.#busy = false;
    }
  }

  /** Lets the process put the token in order, and ends it if it does not within moments. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null || this.#child.pid === undefined)
      return;
    const ended = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), CLOSING_MS);
    await ended;
    clearTimeout(timer);
  }

  #answerTo(request: object, limit: Seconds): Promise<TokenAnswer> {
    const child = this.#child;
    return new Promise((resolve) => {
      const settle = (answer: TokenAnswer) => {
        clearTimeout(timer);
        child.off('message', settle as (message: unknown) => void);
        child.off('exit', gone);
        child.off('error', gone);
        resolve(answer);
      };
      const gone = () => settle(away('the process of its module has ended'));
      const timer = setTimeout(() => settle(away(`it has not answered for ${limit} s`)), limit * 1000);
      child.on('message', settle as (message: unknown) => void);
      child.on('exit', gone);
      child.on('error', gone);
      if (child.connected) child.send(request, (error) => error && gone());
      else gone();
    });
  }
}

const away = (message: string): TokenAnswer => ({ problem: { kind: 'away', message } });
