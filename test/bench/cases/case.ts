import type { SignedIn } from '#test/bench/cases/people.ts';
import type { Visitor } from '#test/bench/load/drive.ts';
import type { Served } from '#test/bench/servers/served.ts';

/** Something that servers are asked to do, over and over. */
export interface Case {
  /** Stable, and what `--only` takes. */
  readonly name: string;
  /** What one operation is, and what it is compared with where that is not the same. */
  readonly about: string;
  /** How many times as many operations as the bare library Keyturn is to do per processor second; `null`: no target. */
  readonly target: number | null;
  readonly keyturn: Scene;
  /** The same at the bare library, or what comes closest; `null` where it has nothing of the kind. */
  readonly bare: Scene | null;
}

/** Makes ready what a case needs at a server. */
export type Scene = (stage: Stage) => Promise<Play>;

export interface Stage {
  readonly served: Served;
  /** How many visitors there are, each at a connection of its own. */
  readonly connections: number;
  /**
   * Who has signed in so far, by what they were asked: they need not do so again for another case. Not there at a server
   * that soon forgets them.
   */
  readonly signedIn?: Map<string, readonly SignedIn[]>;
}

/** The visitors of the next stretch. What they use up is made ready before, and does not count. */
export type Play = () => Promise<readonly Visitor[]>;

/** The same visitors each time. */
export const always =
  (visitors: readonly Visitor[]): Play =>
  async () =>
    visitors;

/** One visitor for each connection. */
export function visitorsAt<T>({ connections }: Stage, make: (index: number) => T): readonly T[] {
  return Array.from({ length: connections }, (_, index) => make(index));
}
