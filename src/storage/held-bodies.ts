import { Recent } from '#src/recent.ts';
import type { RecordKind } from '#src/records.ts';
import type { KeyEncryptionKeys } from '#src/sealing/key-encryption-keys.ts';
import type { Digest } from '#src/storage/backend.ts';
import { deepFrozen } from '#src/storage/deep-frozen.ts';
import type { OpenedBody } from '#src/storage/record-body.ts';

/** What a record said at a version. */
export interface HeldBody extends OpenedBody {
  readonly version: number;
  readonly body: Buffer;
}

/** Some kilobytes each. */
const BODIES_MAX = 2048;

/** Bodies as they were opened, by the digest that the record was found by. Whoever gets one shares it, so it cannot be changed. */
export class HeldBodies {
  readonly #keys: Pick<KeyEncryptionKeys, 'retiredCount'>;
  readonly #bodies = new Recent<string, HeldBody>(BODIES_MAX);
  #retiredCount = 0;

  constructor(keys: Pick<KeyEncryptionKeys, 'retiredCount'>) {
    this.#keys = keys;
  }

  get size(): number {
    return this.#bodies.size;
  }

  /** What was opened under a key that is retired since is not had from here any more. */
  recall(kind: RecordKind, digest: Digest): HeldBody | null {
    const { retiredCount } = this.#keys;
    if (this.#retiredCount !== retiredCount) this.#bodies.clear();
    this.#retiredCount = retiredCount;
    return this.#bodies.get(nameOf(kind, digest)) ?? null;
  }

  hold(kind: RecordKind, digest: Digest, { version, body, id, value }: HeldBody): HeldBody {
    const held = { version, body, id, value: deepFrozen(value) };
    this.#bodies.set(nameOf(kind, digest), held);
    return held;
  }
}

const nameOf = (kind: RecordKind, digest: Digest) => kind + digest.toString('latin1');
