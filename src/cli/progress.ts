import type { Terminal } from '#src/cli/terminal.ts';

/** How often a line is told where lines cannot be written over, in milliseconds. */
const TOLD_EVERY_MS = 5000;

/**
 * Tells how far something is, beside the output: on a terminal in one line that is written over, elsewhere in a line now
 * and then. Disposing it leaves the last line as it is.
 */
export class ProgressLine implements Disposable {
  readonly #terminal: Terminal;
  readonly #silent: boolean;
  #shown = '';
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(terminal: Terminal, { silent }: { readonly silent: boolean }) {
    this.#terminal = terminal;
    this.#silent = silent;
  }

  show(text: string): void {
    if (this.#silent || text === this.#shown) return;
    const { stderr } = this.#terminal.streams;
    if (stderr.isTTY === true) {
      stderr.write(`\r\u001b[K${text}`);
    } else {
      const now = performance.now();
      if (now - this.#toldAt < TOLD_EVERY_MS) return;
      this.#toldAt = now;
      this.#terminal.tell(text);
    }
    this.#shown = text;
  }

  [Symbol.dispose](): void {
    if (this.#shown !== '' && this.#terminal.streams.stderr.isTTY === true) this.#terminal.tell('');
  }
}
