import { type KekRegister, neededKeys } from '#src/sealing/kek-register.ts';
import type { KekRotation, RegisteredKeys } from '#src/sealing/kek-rotation.ts';

export interface KekFollowerParts {
  readonly keys: RegisteredKeys;
  readonly rotation: Pick<KekRotation, 'advance'>;
  /** Told when another key has become current, by whomever. */
  readonly onCurrent: (kekId: string) => void;
  /** Told once of a key that records need and whose file has gone: the next start would be refused. */
  readonly onFileGone: (kekId: string) => void;
}

/** Follows the key-encryption keys while a server runs: new files, and which key is current. */
export class KekFollower {
  readonly #parts: KekFollowerParts;
  #register: KekRegister;
  #gone: readonly string[] = [];

  /** `register` is what the server has started with. */
  constructor(parts: KekFollowerParts, register: KekRegister) {
    this.#parts = parts;
    this.#register = register;
  }

  /** Takes up new keys of the directory. Throws `SetupFault` if it cannot be read. */
  async look(): Promise<void> {
    const files = await this.#parts.keys.readDirectory();
    if (files === null) return;
    const there = new Set(files.flatMap(({ keys }) => keys.map(({ id }) => id)));
    const gone = neededKeys(this.#register).filter((id) => !there.has(id));
    for (const id of gone.filter((id) => !this.#gone.includes(id))) this.#parts.onFileGone(id);
    this.#gone = gone;
  }

  /** Lets a newer key become current if it may, and turns to what is current. Throws `StorageFault`. */
  async follow(): Promise<void> {
    const { register } = await this.#parts.rotation.advance();
    const before = this.#register.current.id;
    this.#register = register;
    if (register.current.id !== before) this.#parts.onCurrent(register.current.id);
  }
}
