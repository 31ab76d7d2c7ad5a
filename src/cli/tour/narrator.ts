import type { Style, Terminal } from '#src/cli/terminal.ts';
import { visible } from '#src/cli/terminal.ts';

/** A step of the tour as it went. */
export interface StepRecord {
  readonly step: number;
  readonly title: string;
  readonly ok: boolean;
  /** What was checked, and held. */
  readonly held: readonly string[];
  readonly problem?: string;
}

/** What a step shows while it goes on. */
export interface Show {
  /** A request: `POST /token`, and what was in it. */
  sent(what: string, members?: Members): void;
  /** An answer. */
  received(what: string, members?: Members): void;
  /** A JWT, taken apart. Anyone can read it; its signature is what nobody else can make. */
  jwt(name: string, token: string): void;
  /** Something that had to hold, and does. Throws `TourProblem` if it does not. */
  check(held: boolean, claim: string): void;
  say(text: string): void;
}

export type Members = Readonly<Record<string, string | undefined>>;

/** Something did not hold. */
export class TourProblem extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TourProblem';
  }
}

const INDENT = '    ';

/** Tells the tour step by step, unless it is to be silent, and remembers how each step went. */
export class Narrator {
  readonly #print: (text: string) => void;
  readonly #style: Style;
  readonly steps: StepRecord[] = [];

  constructor(terminal: Terminal, { silent }: { silent: boolean }) {
    this.#print = silent ? () => {} : (text) => terminal.print(text);
    this.#style = terminal.style;
  }

  /** True once a step has told of its problem. */
  get failed(): boolean {
    return this.steps.some(({ ok }) => !ok);
  }

  /** Takes one step. `why` says what it is good for. */
  async step<T>(title: string, why: string, work: (show: Show) => Promise<T>): Promise<T> {
    const step = this.steps.length + 1;
    const held: string[] = [];
    this.#print(`\n${this.#style('strong', `${String(step).padStart(2)}  ${title}`)}`);
    this.#tell(why, 'faint');
    try {
      const result = await work(this.#show(held));
      this.steps.push({ step, title, ok: true, held });
      return result;
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      this.steps.push({ step, title, ok: false, held, problem });
      this.#print(`${INDENT}${this.#style('bad', '✗')} ${visible(problem)}`);
      throw error;
    }
  }

  #show(held: string[]): Show {
    return {
      sent: (what, members) => this.#exchange('→', what, members),
      received: (what, members) => this.#exchange('←', what, members),
      jwt: (name, token) => this.#jwt(name, token),
      say: (text) => this.#tell(text, null),
      check: (holds, claim) => {
        if (!holds) throw new TourProblem(`this does not hold: ${claim}`);
        held.push(claim);
        this.#print(`${INDENT}${this.#style('good', '✓')} ${visible(claim)}`);
      },
    };
  }

  #exchange(arrow: string, what: string, members: Members = {}): void {
    this.#print(`${INDENT}${this.#style('notable', arrow)} ${visible(what)}`);
    const known = Object.entries(members).filter(([, value]) => value !== undefined);
    const width = Math.max(0, ...known.map(([name]) => name.length));
    for (const [name, value] of known) {
      this.#print(`${INDENT}    ${this.#style('faint', name.padEnd(width))}  ${visible(value ?? '')}`);
    }
  }

  #jwt(name: string, token: string): void {
    const [header = '', claims = ''] = token
      .split('.')
      .map((part) => Buffer.from(part, 'base64url').toString('utf8'));
    this.#print(`${INDENT}${this.#style('strong', name)}`);
    for (const part of [header, claims]) {
      const lines = JSON.stringify(JSON.parse(part), null, 2).split('\n');
      this.#print(visible(lines.map((line) => `${INDENT}  ${line}`).join('\n')));
    }
  }

  #tell(text: string, emphasis: 'faint' | null): void {
    for (const line of text.split('\n'))
      this.#print(INDENT + (emphasis === null ? line : this.#style(emphasis, line)));
  }
}
