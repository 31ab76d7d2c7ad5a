import type { Style } from '#src/cli/terminal.ts';

/** What a command has to say: for programs one JSON document, for people a text. Both are made from the same facts. */
export interface Report {
  /** Names in snake case, those of the RFCs where they have one; points in time and lengths of it in whole seconds. */
  readonly document: unknown;
  text(style: Style): string;
  /** False when the answer is one that scripts want to fail on, such as a token that is not active. */
  readonly ok?: boolean;
}

/** A name of the program in the way that documents write names. */
export const snakeCase = (name: string): string => name.replaceAll('-', '_');
