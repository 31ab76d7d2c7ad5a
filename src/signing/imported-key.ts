import { createPrivateKey, type JsonWebKey, type KeyObject, randomBytes } from 'node:crypto';
import { Refusal } from '#src/fault.ts';
import type { Secret } from '#src/secret.ts';
import {
  type GeneratedKey,
  hasPrivatePart,
  importPrivateKey,
  importPublicKey,
  publicMembers,
  REFRESH_ALGORITHM,
  type SigningAlgorithm,
  signWith,
  thumbprint,
  verifyWith,
} from '#src/signing/algorithm.ts';
import { algorithmFor, assertSound } from '#src/signing/key-soundness.ts';

export interface ImportOptions {
  /** What the key is to sign with; where it is `undefined`, what the key says of itself, or what alone is possible. */
  readonly alg: string | undefined;
  /** What the key is to be called; where it is `undefined`, as it says of itself, else by its thumbprint. */
  readonly kid: string | undefined;
  readonly passphrase: Secret | undefined;
  /** The algorithms that this server signs with. */
  readonly algorithms: readonly SigningAlgorithm[];
}

/**
 * A private key that was made elsewhere: PEM as PKCS#8, plain or encrypted (RFC 5958), SEC 1 or PKCS#1, or a JWK, alone or
 * as the only one of a JWK Set (RFC 7517). It is good for signing by its algorithm, and its parts belong together.
 * Throws `Refusal` otherwise, which never repeats any of it.
 */
export async function readPrivateKey(text: Secret, options: ImportOptions): Promise<GeneratedKey> {
  const { privateKey, described } = readKey(text.reveal(), options.passphrase);
  const jwk = exported(privateKey);
  const claimed = described ?? jwk;
  if (described !== null) assertForSigning(described);
  const alg = algorithmFor(jwk, [options.alg, described?.alg], options.algorithms);
  assertSound(jwk);
  await assertOnePair(alg, jwk, claimed);
  return { kid: kidOf(options.kid ?? described?.kid, jwk), alg, jwk, outside: null };
}

/**
 * A key pair whose private part is outside and has been seen to belong to this public one. As `readPrivateKey` it is
 * good for signing by its algorithm. Throws `Refusal` otherwise.
 */
export function outsideKey(
  jwk: JsonWebKey,
  outside: string,
  { alg, kid, algorithms }: Omit<ImportOptions, 'passphrase'>,
): GeneratedKey {
  assertSound(jwk);
  return { kid: kidOf(kid, jwk), alg: algorithmFor(jwk, [alg], algorithms), jwk, outside };
}

/** What a key says of itself, besides its numbers. */
interface DescribedKey extends JsonWebKey {
  readonly kid?: unknown;
  readonly alg?: string;
  readonly use?: unknown;
  readonly key_ops?: unknown;
}

interface ReadKey {
  readonly privateKey: KeyObject;
  /** The JWK as it stands in the file. */
  readonly described: DescribedKey | null;
}

const PEM_LABEL = /-----BEGIN ([A-Z0-9 ]+)-----/g;
const PRIVATE_LABELS = ['PRIVATE KEY', 'ENCRYPTED PRIVATE KEY', 'EC PRIVATE KEY', 'RSA PRIVATE KEY'];

/** True if the key is encrypted, so that a passphrase has to be asked for. */
export function isEncrypted(text: Secret): boolean {
  return /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text.reveal());
}

function readKey(text: string, passphrase: Secret | undefined): ReadKey {
  const labels = [...text.matchAll(PEM_LABEL)].map(([, label = '']) => label);
  if (labels.length === 0) return readJwk(text);
  const privateOnes = labels.filter((label) => PRIVATE_LABELS.includes(label));
  if (privateOnes.length > 1) throw unsuitable('The file holds several private keys: give one.');
  const [label] = privateOnes;
  if (label === undefined) throw withoutPrivateKey(labels);
  return { privateKey: readPem(text, label, passphrase), described: null };
}

function withoutPrivateKey(labels: readonly string[]): Refusal {
  if (labels.includes('OPENSSH PRIVATE KEY')) {
    return unsuitable('The key is in the format of OpenSSH: convert it by ssh-keygen -p -m PKCS8.');
  }
  return unsuitable(`The file holds no private key, only this: ${labels.join(', ').toLowerCase()}.`);
}

function readPem(text: string, label: string, passphrase: Secret | undefined): KeyObject {
  const from = text.indexOf(`-----BEGIN ${label}-----`);
  const end = `-----END ${label}-----`;
  // What stands around it, such as certificates or parameters, is nothing that is asked of it.
  const to = text.indexOf(end, from);
  if (to < 0) throw unreadable('The PEM block has no end: the file is cut off.');
  const encrypted = label.startsWith('ENCRYPTED') || text.includes('Proc-Type: 4,ENCRYPTED');
  if (encrypted && passphrase === undefined) {
    throw new Refusal('passphrase_needed', 'The key is encrypted, and its passphrase is needed.');
  }
  const pem = text.slice(from, to + end.length);
  try {
    return createPrivateKey({ key: pem, ...(encrypted ? { passphrase: passphrase?.reveal() } : undefined) });
  } catch {
    if (!encrypted) throw unreadable(`The PEM block is no ${label.toLowerCase()}.`);
    throw new Refusal('passphrase_wrong', 'The key cannot be decrypted: the passphrase is wrong.');
  }
}

function readJwk(text: string): ReadKey {
  const described = theOnlyKey(parsed(text));
  if (described.kty === 'oct') throw unsuitable('The key is symmetric, and could not be published.');
  if (!hasPrivatePart(described)) throw unsuitable('The JWK holds no private key, only a public one.');
  if ('oth' in described) throw unsuitable('RSA keys of more than two primes are not supported.');
  try {
    return { privateKey: createPrivateKey({ key: described, format: 'jwk' }), described };
  } catch {
    throw unreadable('The JWK is malformed, or of a kind that is not known.');
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw unreadable('The file is neither PEM nor a JWK.');
  }
}

function theOnlyKey(value: unknown): DescribedKey {
  const { keys = [value] } = (value ?? {}) as { keys?: unknown };
  if (!Array.isArray(keys) || keys.length !== 1) {
    throw unsuitable('The JWK Set holds more or less than one key: give one.');
  }
  const [key] = keys;
  if (typeof key?.kty !== 'string') throw unreadable('The file is neither PEM nor a JWK.');
  const { alg } = key;
  if (alg !== undefined && typeof alg !== 'string') throw unreadable('The JWK has no valid `alg`.');
  return key;
}

/** RFC 7517 sections 4.2 and 4.3. */
function assertForSigning({ use, key_ops: operations }: DescribedKey): void {
  if (use !== undefined && use !== 'sig')
    throw unsuitable('The JWK is not for signatures: its `use` is not sig.');
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('sign'))) {
    throw unsuitable('The JWK is not for signing: its `key_ops` have no sign.');
  }
}

function exported(privateKey: KeyObject): JsonWebKey {
  try {
    return privateKey.export({ format: 'jwk' });
  } catch {
    const type = privateKey.asymmetricKeyType ?? 'unknown';
    const hint = type === 'rsa-pss' ? ': make it a plain RSA key, which signs PS256 as well' : '';
    throw unsuitable(`Keys of the type ${type} cannot be published as a JWK${hint}.`);
  }
}

const TRIAL_BYTES = 64;

/** What the private part signs, the public part verifies: both as they came, and as they will be stored. */
async function assertOnePair(alg: SigningAlgorithm, jwk: JsonWebKey, claimed: JsonWebKey): Promise<void> {
  const data = randomBytes(TRIAL_BYTES);
  try {
    const signature = await signWith(alg, importPrivateKey(alg, jwk), data);
    const verifies = [jwk, claimed].every((one) => verifyWith(alg, importPublicKey(one), data, signature));
    if (verifies) return;
  } catch {
    // OpenSSL has its own words for numbers that make no sense.
  }
  throw unsuitable('The private part of the key does not belong to its public part.');
}

/** What stands in every token and in paths of nothing: letters that need no quoting anywhere. */
const KID = /^[\w.~:@/+=-]{1,128}$/;

export const isKid = (value: unknown): value is string => typeof value === 'string' && KID.test(value);

function kidOf(wanted: unknown, jwk: JsonWebKey): string {
  if (wanted === undefined) return thumbprint(jwk);
  if (isKid(wanted)) return wanted;
  throw new Refusal(
    'kid_invalid',
    'The key is to have 1 to 128 letters, digits and - _ . ~ : @ / + = as its kid: give another by --kid.',
  );
}

/** True if both are the same key pair, whatever they are called and sign by. */
export function areSameKey(...keys: readonly Pick<GeneratedKey, 'alg' | 'jwk'>[]): boolean {
  if (keys.some(({ alg }) => alg === REFRESH_ALGORITHM)) return false;
  return new Set(keys.map(({ jwk }) => JSON.stringify(publicMembers(jwk)))).size === 1;
}

const unreadable = (message: string) => new Refusal('key_unreadable', message);
const unsuitable = (message: string) => new Refusal('key_unsuitable', message);
