import { createHash, type JsonWebKey, randomBytes } from 'node:crypto';
import { type AttributeName, attributes, CKA, CKO } from '#src/pkcs11/attributes.ts';
import type { Cryptoki, TokenInfo } from '#src/pkcs11/cryptoki.ts';
import { CryptokiError } from '#src/pkcs11/cryptoki-error.ts';
import { KEY_KINDS, type KeyKind } from '#src/pkcs11/key-kinds.ts';
import { TokenProblem } from '#src/pkcs11/token-problem.ts';
import { importPublicKey, type SigningAlgorithm, verifyWith } from '#src/signing/algorithm.ts';

export interface TokenOptions {
  readonly cryptoki: Cryptoki;
  /** The label of the token. */
  readonly label: string;
  readonly pin: string;
  /** Waits, between tries to open the token; a module blocks all the same. */
  readonly pause?: (milliseconds: number) => void;
}

/** A key pair in the token, as it may be seen. */
export interface TokenKey {
  readonly jwk: JsonWebKey;
  /** What it can sign with. */
  readonly algorithms: readonly SigningAlgorithm[];
  /** True if the private part can be taken out of the token. */
  readonly extractable: boolean;
}

export interface TokenAppearance extends Pick<TokenInfo, 'manufacturer' | 'model' | 'serialNumber'> {
  /** The algorithms that the token has the mechanisms for. */
  readonly algorithms: readonly SigningAlgorithm[];
  /** What the private keys in it are called. */
  readonly labels: readonly string[];
}

interface Opened {
  readonly slot: number;
  readonly session: number;
  /** The private keys that have been used, by their labels. */
  readonly privateKeys: Map<string, number>;
}

const PIN_FINAL_TRY = 0x20000;
const PIN_LOCKED = 0x40000;

/** Answers that say that nothing is there to be opened: it has been opened, or logged into, before. */
const ALREADY_INITIALIZED = 0x191;
const ALREADY_LOGGED_IN = 0x100;

/**
 * A token with a session of its own. Whatever the module answers in the middle of things, everything is closed and
 * opened anew once, since a token that was away has forgotten its sessions, and modules have many words for that.
 * Throws `TokenProblem`.
 */
export class Token {
  readonly #options: TokenOptions;
  #opened: Opened | null = null;

  constructor(options: TokenOptions) {
    this.#options = options;
  }

  /** Looks for the token, and logs into it. What comes later does so by itself where it has to. */
  open(): void {
    this.#opened ??= this.#open();
  }

  /** The signature over `data` by the private key of this label, as a JWS has it. */
  sign(label: string, alg: SigningAlgorithm, data: Buffer): Buffer {
    const { signing, digest } = kindOf(alg);
    const signed = digest === null ? data : createHash(digest).update(data).digest();
    return this.#use(({ session, privateKeys }) => {
      const known = privateKeys.get(label);
      const privateKey = known ?? this.#only(session, CKO.privateKey, { label });
      privateKeys.set(label, privateKey);
      return this.#options.cryptoki.sign(session, signing, privateKey, signed);
    });
  }

  /** Makes a key pair of which the private part can never be taken out, and tries it. */
  generate(label: string, alg: SigningAlgorithm): JsonWebKey {
    const { cryptoki } = this.#options;
    const { generation, template } = kindOf(alg);
    const { slot, session } = this.#use((opened) => {
      const there = cryptoki.find(opened.session, attributes({ token: true, label }));
      if (there.length > 0) throw new TokenProblem('misfit', `the token holds something labelled ${label}`);
      return opened;
    });
    const mechanisms = cryptoki.mechanisms(slot);
    if (!mechanisms.has(generation.type)) {
      throw new TokenProblem('misfit', `the token makes no keys for ${alg}`);
    }
    const id = createHash('sha256').update(label).digest().subarray(0, ID_BYTES);
    const common = { token: true, label, id };
    const openly = { private: false, verify: true, encrypt: false, wrap: false };
    const secretly = { private: true, sensitive: true, extractable: false, sign: true };
    // Not tried again: the pair may be there although the answer was lost.
    cryptoki.generateKeyPair(session, generation, {
      publicKey: [...attributes({ ...common, ...openly }), ...template],
      privateKey: attributes({ ...common, ...secretly, decrypt: false, unwrap: false }),
    });
    try {
      const { jwk, algorithms, extractable } = this.read(label);
      if (algorithms.includes(alg) && !extractable) return jwk;
      throw new TokenProblem('misfit', `the token made another kind of key than one for ${alg}`);
    } catch (error) {
      this.destroy(label);
      throw error;
    }
  }

  /** The key pair of this label, once it has made a signature that its public part verifies. */
  read(label: string): TokenKey {
    const found = this.#use(({ session }) => {
      const privateKey = this.#only(session, CKO.privateKey, { label });
      const publicKey = this.#publicPart(session, label, privateKey);
      const read = (name: AttributeName) => this.#options.cryptoki.attribute(session, publicKey, CKA[name]);
      const kinds = [...KEY_KINDS].map(([alg, kind]) => ({ alg, jwk: kind.publicJwk(read) }));
      const extractable = this.#options.cryptoki.attribute(session, privateKey, CKA.extractable);
      return { kinds: kinds.filter(({ jwk }) => jwk !== null), extractable: extractable?.[0] !== 0 };
    });
    const [first] = found.kinds;
    if (first?.jwk == null) {
      throw new TokenProblem('misfit', `the key ${label} is of no kind that tokens are signed with here`);
    }
    for (const { alg } of found.kinds) this.#try(label, alg, first.jwk);
    return { jwk: first.jwk, algorithms: found.kinds.map(({ alg }) => alg), extractable: found.extractable };
  }

  /** Removes both parts of a pair; what is not there has been removed. */
  destroy(label: string): void {
    const { cryptoki } = this.#options;
    this.#use(({ session, privateKeys }) => {
      privateKeys.delete(label);
      for (const kind of [CKO.privateKey, CKO.publicKey]) {
        const objects = cryptoki.find(session, attributes({ class: kind, token: true, label }));
        for (const object of objects) cryptoki.destroy(session, object);
      }
    });
  }

  look(): TokenAppearance {
    const { cryptoki } = this.#options;
    return this.#use(({ slot, session }) => {
      const { manufacturer, model, serialNumber } = cryptoki.tokenInfo(slot);
      const mechanisms = cryptoki.mechanisms(slot);
      const has = ({ generation, signing }: KeyKind) =>
        mechanisms.has(generation.type) && mechanisms.has(signing.type);
      const objects = cryptoki.find(session, attributes({ class: CKO.privateKey, token: true }));
      return {
        manufacturer,
        model,
        serialNumber,
        algorithms: [...KEY_KINDS].filter(([, kind]) => has(kind)).map(([alg]) => alg),
        labels: objects.map((object) => cryptoki.attribute(session, object, CKA.label)?.toString() ?? ''),
      };
    });
  }

  /** Ends the session, and whatever the module holds. */
  close(): void {
    this.#opened = null;
    try {
      this.#options.cryptoki.finalize();
    } catch (error) {
      // There may be nothing to end, or nobody there to end it.
      if (!(error instanceof CryptokiError)) throw error;
    }
  }

  #use<T>(work: (opened: Opened) => T): T {
    if (this.#opened !== null) {
      try {
        return work(this.#opened);
      } catch (error) {
        if (!(error instanceof CryptokiError)) throw error;
        this.close();
      }
    }
    this.#opened = this.#open();
    try {
      return work(this.#opened);
    } catch (error) {
      if (!(error instanceof CryptokiError)) throw error;
      this.close();
      throw new TokenProblem('refused', error.message);
    }
  }

  /** A token that is being written, as SoftHSM does when another process logs in, looks for a moment as if it were away. */
  #open(): Opened {
    const { pause = block } = this.#options;
    for (const milliseconds of OPENED_AGAIN_AFTER_MS) {
      try {
        return this.#openOnce();
      } catch (error) {
        if (!(error instanceof TokenProblem) || error.kind !== 'away') throw error;
        pause(milliseconds);
      }
    }
    return this.#openOnce();
  }

  #openOnce(): Opened {
    const { cryptoki } = this.#options;
    try {
      unless(ALREADY_INITIALIZED, () => cryptoki.initialize());
      const slot = this.#slot();
      const session = cryptoki.openSession(slot);
      this.#login(slot, session);
      return { slot, session, privateKeys: new Map() };
    } catch (error) {
      this.close();
      if (error instanceof CryptokiError) throw new TokenProblem('away', error.message);
      throw error;
    }
  }

  #slot(): number {
    const { cryptoki, label } = this.#options;
    const labelled = cryptoki.slots().filter((slot) => cryptoki.tokenInfo(slot).label === label);
    const [slot] = labelled;
    if (slot === undefined) throw new TokenProblem('away', `no token is labelled ${JSON.stringify(label)}`);
    if (labelled.length > 1)
      throw new TokenProblem('away', `${labelled.length} tokens are labelled ${JSON.stringify(label)}`);
    return slot;
  }

  #login(slot: number, session: number): void {
    const { cryptoki, pin } = this.#options;
    const { flags } = cryptoki.tokenInfo(slot);
    if ((flags & PIN_LOCKED) !== 0) throw new TokenProblem('pin', 'the PIN is locked');
    // A wrong one would lock the token for good, and this is a machine that starts again and again.
    if ((flags & PIN_FINAL_TRY) !== 0)
      throw new TokenProblem('pin', 'one try is left for the PIN, and it is left to somebody who knows it');
    try {
      unless(ALREADY_LOGGED_IN, () => cryptoki.login(session, pin));
    } catch (error) {
      if (error instanceof CryptokiError && error.isAboutPin)
        throw new TokenProblem('pin', `the token refuses the PIN: ${error.message}`);
      throw error;
    }
  }

  /** The one object of a class and a name. */
  #only(session: number, kind: number, { label }: { label: string }): number {
    const found = this.#options.cryptoki.find(session, attributes({ class: kind, token: true, label }));
    const [object] = found;
    const what = `private key that is labelled ${JSON.stringify(label)}`;
    if (object === undefined) throw new TokenProblem('no-such-key', `the token holds no ${what}`);
    if (found.length > 1) throw new TokenProblem('misfit', `the token holds more than one ${what}`);
    return object;
  }

  /** The public key that goes with a private one: by its label, else by its CKA_ID. */
  #publicPart(session: number, label: string, privateKey: number): number {
    const { cryptoki } = this.#options;
    const id = cryptoki.attribute(session, privateKey, CKA.id);
    const common = { class: CKO.publicKey, token: true };
    const found = [
      ...cryptoki.find(session, attributes({ ...common, label })),
      ...(id === null || id.length === 0 ? [] : cryptoki.find(session, attributes({ ...common, id }))),
    ];
    const [object] = found;
    if (object === undefined)
      throw new TokenProblem('misfit', `the token holds no public key with the private key ${label}`);
    return object;
  }

  #try(label: string, alg: SigningAlgorithm, jwk: JsonWebKey): void {
    const data = randomBytes(TRIAL_BYTES);
    const signature = this.sign(label, alg, data);
    if (!verifyWith(alg, importPublicKey(jwk), data, signature)) {
      throw new TokenProblem(
        'misfit',
        `what the key ${label} signs by ${alg} is not verified by its public part`,
      );
    }
  }
}

/** When the token is looked for again that could not be opened. */
const OPENED_AGAIN_AFTER_MS = [20, 80, 320];

const ID_BYTES = 16;
const TRIAL_BYTES = 64;

function kindOf(alg: SigningAlgorithm): KeyKind {
  const kind = KEY_KINDS.get(alg);
  if (kind === undefined) throw new TokenProblem('misfit', `PKCS#11 has no mechanism for ${alg}`);
  return kind;
}

function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)), 0, 0, milliseconds);
}

function unless(code: number, call: () => void): void {
  try {
    call();
  } catch (error) {
    if (!(error instanceof CryptokiError) || error.code !== code) throw error;
  }
}
