import type { Clock } from '#src/clock.ts';
import { SigningFault } from '#src/fault.ts';
import { labelOf } from '#src/pkcs11/key-handle.ts';
import type { SignAnswer, SignRequest } from '#src/pkcs11/messages.ts';
import type { TokenAccess } from '#src/pkcs11/token-access.ts';
import { TokenProblem } from '#src/pkcs11/token-problem.ts';
import type { TokenProcess } from '#src/pkcs11/token-process.ts';
import type { OutsideSigner, SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { EpochSeconds, Seconds } from '#src/units.ts';

export interface TokenSignerPorts {
  readonly access: TokenAccess;
  readonly clock: Clock;
  /** How long anyone waits for a signature, and how long the token may take for those that it is given at once. */
  readonly timeout: Seconds;
  /** How many signatures may be waited for. */
  readonly queueMax: number;
  /** How long after the token went away it is looked for again, and how often. */
  readonly retryAfter: Seconds;
}

interface Pending extends SignRequest {
  settle(answer: Buffer | SigningFault): void;
}

/** How many signatures the token is asked for in one go: what waits is not sent, and so can be given up. */
const BATCH_MAX = 16;

/** What a token is asked to sign to see whether it can. No JWS begins like that. */
const TRIAL = Buffer.from('Keyturn asks whether this token signs.');

/**
 * Signs by keys that are in a token, in a process of its own, in the order in which it is asked. Where the token does not
 * answer, or cannot be opened any more, whoever waits is told so, and so is everybody from then on, at once and without
 * trying, until the token has been opened again in the background.
 */
export class TokenSigner implements OutsideSigner, AsyncDisposable {
  readonly #ports: TokenSignerPorts;
  readonly #waiting = new Set<Pending>();
  #process: TokenProcess | null = null;
  #serving: Promise<void> | null = null;
  #away: SigningFault | null = null;
  #retry: NodeJS.Timeout | null = null;
  #retrying: Promise<void> = Promise.resolve();
  #trial: Promise<unknown> | null = null;
  #signedAt: EpochSeconds | null = null;
  #listeners: TokenListener | null = null;
  #disposed = false;

  constructor(ports: TokenSignerPorts) {
    this.#ports = ports;
  }

  /** Tells of the token going away, and of its coming back. */
  listen(listeners: TokenListener): void {
    this.#listeners = listeners;
  }

  sign(handle: string, alg: SigningAlgorithm, data: Buffer): Promise<Buffer> {
    const refused = this.#refusal();
    if (refused !== null) return Promise.reject(refused);
    const { timeout } = this.#ports;
    return new Promise((resolve, reject) => {
      const pending: Pending = {
        label: labelOf(handle),
        alg,
        data,
        settle: (answer) => {
          clearTimeout(timer);
          if (answer instanceof SigningFault) reject(answer);
          else resolve(answer);
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(pending);
        reject(new SigningFault(`a signature was waited for longer than ${timeout} s`));
      }, timeout * 1000);
      this.#waiting.add(pending);
      this.#serving ??= this.#serve();
    });
  }

  /** One that has signed in this second is taken to sign still. */
  async ready(handle: string, alg: SigningAlgorithm): Promise<void> {
    if (this.#away !== null) throw this.#away;
    if (this.#signedAt === this.#ports.clock.now()) return;
    this.#trial ??= this.sign(handle, alg, TRIAL).finally(() => {
      this.#trial = null;
    });
    await this.#trial;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#tellAll(new SigningFault('the server is stopping'));
    await Promise.all([this.#serving, this.#retrying]);
    await this.#process?.[Symbol.asyncDispose]();
  }

  #refusal(): SigningFault | null {
    if (this.#disposed) return new SigningFault('the server is stopping');
    if (this.#away !== null) return this.#away;
    if (this.#waiting.size < this.#ports.queueMax) return null;
    return new SigningFault(`${this.#waiting.size} signatures are waited for already`);
  }

  async #serve(): Promise<void> {
    // What is asked for in the same turn goes out together.
    await Promise.resolve();
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting].slice(0, BATCH_MAX);
      for (const pending of batch) this.#waiting.delete(pending);
      await this.#serveBatch(batch);
    }
    this.#serving = null;
  }

  async #serveBatch(batch: readonly Pending[]): Promise<void> {
    try {
      this.#process ??= await this.#ports.access.open();
      const asked = batch.map(({ label, alg, data }) => ({ label, alg, data }));
      const answers = await this.#process.ask('sign', asked, this.#ports.timeout);
      for (const [index, pending] of batch.entries()) pending.settle(signatureIn(answers[index]));
      const lost = answers.map(problemIn).find((problem) => problem !== null && isLasting(problem.kind));
      if (lost) await this.#goAway(this.#faultOf(lost));
      else this.#signedAt = this.#ports.clock.now();
    } catch (error) {
      const fault = this.#faultOf(error);
      for (const pending of batch) pending.settle(fault);
      await this.#goAway(fault);
    }
  }

  /** From now on nobody waits; the token is opened anew in the background, with its module loaded anew as well. */
  async #goAway(fault: SigningFault): Promise<void> {
    this.#away = fault;
    this.#tellAll(fault);
    this.#listeners?.onAway(fault);
    this.#lookAgain();
    const lost = this.#process;
    this.#process = null;
    await lost?.[Symbol.asyncDispose]();
  }

  #lookAgain(): void {
    if (this.#disposed) return;
    this.#retry = setTimeout(() => {
      this.#retrying = this.#reopen();
    }, this.#ports.retryAfter * 1000).unref();
  }

  async #reopen(): Promise<void> {
    try {
      this.#process = await this.#ports.access.open();
      this.#away = null;
      this.#listeners?.onBack();
    } catch (error) {
      this.#away = this.#faultOf(error);
      this.#lookAgain();
    }
  }

  #tellAll(fault: SigningFault): void {
    for (const pending of this.#waiting) pending.settle(fault);
    this.#waiting.clear();
  }

  #faultOf(error: unknown): SigningFault {
    const { message } = error as Error;
    const { token } = this.#ports.access.location;
    return new SigningFault(`the PKCS#11 token ${JSON.stringify(token)} does not sign: ${message}`, {
      cause: error,
    });
  }
}

export interface TokenListener {
  readonly onAway: (fault: SigningFault) => void;
  readonly onBack: () => void;
}

function signatureIn(answer: SignAnswer | undefined): Buffer | SigningFault {
  if (answer !== undefined && 'signature' in answer) return Buffer.from(answer.signature);
  return new SigningFault(answer?.problem.message ?? 'the token answered nothing');
}

const problemIn = (answer: SignAnswer): TokenProblem | null =>
  'problem' in answer ? new TokenProblem(answer.problem.kind, answer.problem.message) : null;

/** True of what stands in the way of every key of the token. */
const isLasting = (kind: TokenProblem['kind']): boolean => kind === 'away' || kind === 'pin';
