import type { KeyObject } from 'node:crypto';
import { ExternalSigningKey } from 'oidc-provider';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { Signer } from '#src/signing/jws.ts';
import type { KeyHolder } from '#src/signing/key-holder.ts';

/**
 * One signing algorithm of the library's key store, behind which the key changes. The library reads `kid`, writes it
 * into the header, and asks for the signature some microtasks later; the signature is therefore made by the key that
 * the header names, even if another has become active in between.
 */
export class SigningSlot extends ExternalSigningKey {
  readonly #alg: SigningAlgorithm;
  readonly #keys: KeyHolder;
  #current: Signer;
  #previous: Signer;

  constructor(alg: SigningAlgorithm, keys: KeyHolder) {
    super();
    this.#alg = alg;
    this.#keys = keys;
    this.#current = keys.signer(alg);
    this.#previous = this.#current;
  }

  override get kid(): string {
    const signer = this.#keys.signer(this.#alg);
    if (signer.kid !== this.#current.kid) {
      this.#previous = this.#current;
      this.#current = signer;
    }
    return signer.kid;
  }

  override get alg(): string {
    return this.#alg;
  }

  override keyObject(): KeyObject {
    const verifier = this.#keys.verifier(this.kid);
    if (verifier === null) throw new Error(`the key ${this.kid} signs and cannot be verified`);
    return verifier.publicKey;
  }

  override async sign(data: Uint8Array): Promise<Uint8Array> {
    const input = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const [header, claims] = input.toString('latin1').split('.').map(readPart);
    const signer = [this.#current, this.#previous].find(({ kid }) => kid === header?.kid);
    if (signer === undefined) throw new Error(`the key ${header?.kid} no longer signs`);
    return signer.sign(input, { typ: header?.typ as string | undefined, claims: claims ?? {} });
  }
}

const readPart = (part: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(part, 'base64url').toString());
