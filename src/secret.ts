import { inspect } from 'node:util';

/**
 * A text that must not be printed. It shows as `[secret]` in logs, in JSON, in templates and in a debugger;
 * only `reveal()` gives it away, and that word is easy to look for.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}
