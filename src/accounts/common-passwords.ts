import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A JSON array of some 49,000 lower-case passwords that people are known to choose. MIT licence. */
const LIST = import.meta.resolve('@zxcvbn-ts/language-common/src/passwords.json');

/** The passwords that an attacker tries first, kept as the half megabyte of JSON they come in. */
export class CommonPasswords {
  readonly #json: Buffer = readFileSync(fileURLToPath(LIST));

  /** Whether this is one of them, whatever its case. */
  has(password: string): boolean {
    // With its quotes a password is found only as a whole entry. Looking through all of it takes well under a
    // millisecond, next to the hash that follows, and saves the memory that 49,000 strings in a Set would
    // take.
    return this.#json.includes(JSON.stringify(password.toLowerCase()));
  }
}
