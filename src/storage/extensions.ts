import type { RecordKind, RecordWrite } from '#src/records.ts';
import { addedMembers } from '#src/storage/record-forms.ts';

/** Of which kinds this process has met records to which a newer program has added something. */
export class Extensions {
  readonly #kinds = new Set<RecordKind>();

  /** Looks at a value that was read. */
  meet(kind: RecordKind, value: unknown): void {
    if (addedMembers(kind, value) !== null) this.#kinds.add(kind);
  }

  /**
   * True if a write may replace something that was added, and has to keep it. Nobody names a version that this process
   * has not read, so it has met what there is.
   */
  concern({ kind, onlyIf, forgets }: RecordWrite<unknown>): boolean {
    return typeof onlyIf === 'object' && forgets !== true && this.#kinds.has(kind);
  }
}
