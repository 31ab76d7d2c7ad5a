import { checkPrimeSync, type JsonWebKey } from 'node:crypto';
import { Refusal } from '#src/fault.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithm, thumbprint } from '#src/signing/algorithm.ts';

/** What a key of each type and curve can sign with: RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864 section 2.2. */
const POSSIBLE: Readonly<Record<string, readonly SigningAlgorithm[]>> = {
  'P-256': ['ES256'],
  'P-384': ['ES384'],
  RSA: ['RS256', 'PS256'],
  Ed25519: ['Ed25519', 'EdDSA'],
  'ML-DSA-44': ['ML-DSA-44'],
  'ML-DSA-65': ['ML-DSA-65'],
};

/**
 * The algorithm that a key that was made elsewhere is for: what is wanted, be it said by an administrator or by the key,
 * else the only one that the key can and the server does. Throws `Refusal` if there is none, or more than one.
 */
export function algorithmFor(
  jwk: JsonWebKey & { readonly alg?: string },
  wanted: readonly (string | undefined)[],
  served: readonly SigningAlgorithm[],
): SigningAlgorithm {
  const kind = (jwk.kty === 'AKP' ? jwk.alg : jwk.crv) ?? jwk.kty ?? '';
  const possible = POSSIBLE[kind] ?? [];
  if (possible.length === 0) {
    throw unsuitable(`Nothing is signed here with a key of the kind ${kind}.`);
  }
  const said = [...new Set(wanted.filter((alg) => alg !== undefined))];
  const [alg] = said.length === 0 ? possible.filter((each) => served.includes(each)) : said;
  if (said.length > 1) throw unsuitable(`The key says that it is for ${said[1]}, and not for ${said[0]}.`);
  if (said.length === 0 && possible.length > 1 && possible.every((each) => served.includes(each))) {
    throw new Refusal('alg_needed', `The key could sign ${possible.join(' and ')}: say which, by --alg.`);
  }
  const found = SIGNING_ALGORITHMS.find((each) => each === alg);
  if (found !== undefined && possible.includes(found)) return found;
  const could = `The key could sign ${possible.join(' or ')}`;
  if (alg !== undefined) throw unsuitable(`${could}, not ${alg}.`);
  throw unsuitable(
    `${could}, and keys.algorithms names only ${served.join(', ')}: add it there first, and restart.`,
  );
}

/** RFC 7518 section 3.3 asks for 2048; above 8192 a signature takes longer than a request may. */
const RSA_BITS = { min: 2048, max: 8192 };

/** FIPS 186-5 section A.1.1 asks for this at least; some verifiers take no exponent of more than 31 bits. */
const RSA_EXPONENT = { min: 65_537n, max: 2n ** 31n };

/** How far apart the primes are at least: 2 to the power of half the modulus' bits less this, FIPS 186-5 section A.1.1. */
const PRIMES_CLOSER_BITS = 100n;

/** Throws `Refusal` for a key that anyone could know, or whose numbers are not fit for signing. */
export function assertSound(jwk: JsonWebKey): void {
  const known = WELL_KNOWN.get(thumbprint(jwk));
  if (known !== undefined) {
    throw new Refusal('well_known_key', `Everybody has this private key: it is an example of ${known}.`);
  }
  if (jwk.kty === 'RSA') assertSoundRsa(jwk);
}

function assertSoundRsa({ n, e, p, q }: JsonWebKey): void {
  const modulus = numberOf(n);
  const exponent = numberOf(e);
  const bits = modulus.toString(2).length;
  if (bits < RSA_BITS.min || bits > RSA_BITS.max) {
    throw unsuitable(`The RSA key has ${bits} bits, and not ${RSA_BITS.min} to ${RSA_BITS.max}.`);
  }
  if (exponent < RSA_EXPONENT.min || exponent >= RSA_EXPONENT.max || exponent % 2n === 0n) {
    throw unsuitable(
      'The public exponent of the RSA key is not an odd number from 65537 on with at most 31 bits.',
    );
  }
  // A key in a token does not show its primes.
  if (p === undefined || q === undefined) return;
  const [one, other] = [numberOf(p), numberOf(q)];
  const apart = one > other ? one - other : other - one;
  if (one * other !== modulus || !checkPrimeSync(one) || !checkPrimeSync(other)) {
    throw unsuitable('The modulus of the RSA key is not the product of its primes.');
  }
  if (apart <= 2n ** (BigInt(bits) / 2n - PRIMES_CLOSER_BITS)) {
    throw unsuitable('The primes of the RSA key are so close together that anyone can find them.');
  }
}

const numberOf = (text = ''): bigint => BigInt(`0x0${Buffer.from(text, 'base64url').toString('hex')}`);

/** Private keys that everybody can read somewhere, by the thumbprints of their public parts. */
const WELL_KNOWN: ReadonlyMap<string, string> = new Map([
  ['IsUn6_e04MaShXFIISMp4kG62LWzMIPy_MvSA5pJgX8', 'RFC 7515'],
  ['oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U', 'RFC 7515'],
  ['9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI', 'RFC 7520'],
  ['kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k', 'RFC 8037'],
  ['oGDmHqCJ7yzMkWEkrlZVHkvrHIyQwtlDmeq5ForUHeY', 'jwt.io'],
  ['19J8y7Zprt2-QKLjF2I5pVk0OELX6cY2AfaAv1LC_w8', 'jwt.io'],
  ['r1LkbBo3925Rb2ZFFrKyU3MVex9T2817Kx0vbi6i_Kc', 'oidc-provider'],
]);

const unsuitable = (message: string) => new Refusal('key_unsuitable', message);
