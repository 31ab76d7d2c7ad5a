import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { AttestClientAuthConfiguration } from 'oidc-provider';
import { SetupFault } from '#src/fault.ts';

interface AttesterKey {
  readonly attester: string;
  readonly kid: unknown;
  readonly publicKey: KeyObject;
}

/** What the library implements of draft-ietf-oauth-attestation-based-client-auth. */
const DRAFT = 'draft-12';

/**
 * The attesters whose word is taken for it that an instance of a client is genuine and holds a key. They are named by
 * the administrator; each may attest any client that is registered to be attested.
 */
export class Attestations {
  readonly #keys: readonly AttesterKey[];
  readonly #challengeSecret: Buffer;

  /** @param challengeSecret Of 32 bytes, and the same at every node. */
  constructor(options: { keys: readonly AttesterKey[]; challengeSecret: Buffer }) {
    this.#keys = options.keys;
    this.#challengeSecret = options.challengeSecret;
  }

  /**
   * Reads a JSON object of JWK Sets, each under the identifier of an attester.
   * @throws SetupFault
   */
  static open(path: string, challengeSecret: Buffer): Attestations {
    return new Attestations({ keys: readKeys(path), challengeSecret });
  }

  feature(): AttestClientAuthConfiguration {
    return {
      enabled: true,
      ack: DRAFT,
      challengeSecret: this.#challengeSecret,
      getAttestationSignaturePublicKey: (_ctx, header, payload) => this.#keyOf(header, payload),
      // The library has verified what the draft asks for; there is no policy beyond it.
      assertAttestationJwtAndPop: () => {},
    };
  }

  /** An attestation that names its attester is verified by that one's keys alone, and by one that it names, if any. */
  #keyOf({ kid }: Record<string, unknown>, { iss }: Record<string, unknown>): KeyObject {
    const candidates = this.#keys.filter(
      (key) => (iss === undefined || key.attester === iss) && (kid === undefined || key.kid === kid),
    );
    const [key] = candidates;
    if (key === undefined || candidates.length > 1)
      throw new Error('no single key of an attester that is trusted');
    return key.publicKey;
  }
}

function readKeys(path: string): readonly AttesterKey[] {
  const wrong = (what: string, cause: unknown) =>
    new SetupFault(
      `the attesters in ${path} ${what}`,
      'write a JSON object with a JWK Set of public keys under the name of each attester',
      { cause },
    );
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw wrong(`cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
  try {
    const attesters = Object.entries(JSON.parse(text) as Record<string, { keys: Record<string, unknown>[] }>);
    const keys = attesters.flatMap(([attester, jwks]) => jwks.keys.map((jwk) => readKey(attester, jwk)));
    if (keys.length === 0) throw new TypeError('there is none');
    return keys;
  } catch (cause) {
    throw wrong(`are not understood: ${(cause as Error).message}`, cause);
  }
}

function readKey(attester: string, jwk: Record<string, unknown>): AttesterKey {
  if (['d', 'k', 'priv'].some((member) => Object.hasOwn(jwk, member)))
    throw new TypeError(`a key of ${attester} is not public`);
  return { attester, kid: jwk.kid, publicKey: createPublicKey({ key: jwk, format: 'jwk' }) };
}
