import { duration, file, textFormat, wholeNumber } from '#src/config/format.ts';
import { group, setting, unlessSet } from '#src/config/setting.ts';
import type { SettingRule } from '#src/config/setting-rule.ts';
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '#src/signing/algorithm.ts';
import { seconds } from '#src/units.ts';

/** A token's label fills a field of 32 bytes: PKCS#11 2.40 section 3.2. */
const LABEL_BYTES_MAX = 32;

const tokenLabel = textFormat(
  `the label of a token, at most ${LABEL_BYTES_MAX} bytes`,
  (text) => {
    const fits = text.trim() === text && text !== '' && Buffer.byteLength(text) <= LABEL_BYTES_MAX;
    return fits ? { value: text } : { wrong: 'is no label of a token' };
  },
  (value) => value,
);

/** The token that keys may live in, such as a hardware security module. */
export const pkcs11Settings = group('Keys in a PKCS#11 token', {
  module: unlessSet(
    file,
    'The PKCS#11 module that speaks with the token: the shared library that its maker, or SoftHSM, installs.',
  ),
  token: unlessSet(tokenLabel, 'The label of the token.'),
  pinFile: unlessSet(
    file,
    'The file with the PIN of its user, which nobody else may read; it is read whenever the token is opened.',
  ),
  timeout: setting(
    duration({ min: '1s', max: '1m' }),
    seconds(5),
    'How long a request waits for a signature, and the token may take over those that it is given at once.',
  ),
  queueMax: setting(
    wholeNumber({ min: 1, max: 100_000 }),
    256,
    'How many signatures may be waited for; beyond that, requests are turned away at once.',
  ),
  retryAfter: setting(
    duration({ min: '1s', max: '10m' }),
    seconds(2),
    'How often a token that went away is looked for again; until then, requests that need it are turned away at once.',
  ),
});

/** There are no mechanisms for the others. */
const IN_TOKENS: ReadonlySet<SigningAlgorithm> = new Set(
  SIGNING_ALGORITHMS.filter((alg) => !alg.startsWith('ML-DSA')),
);

export const PKCS11_RULES: readonly SettingRule[] = [
  {
    settings: ['pkcs11.module', 'pkcs11.token', 'pkcs11.pinFile'],
    holds: (...values: readonly (string | null)[]) =>
      values.every((value) => value === null) || values.every((value) => value !== null),
    rule: '`pkcs11.module`, `pkcs11.token` and `pkcs11.pinFile` are set together',
    because: 'a token is opened with all three',
  },
  {
    settings: ['keys.source', 'pkcs11.module'],
    holds: (source: string, module: string | null) => source !== 'pkcs11' || module !== null,
    rule: '`keys.source` is `pkcs11` only where `pkcs11.module` is set',
    because: 'keys are made in that token then',
  },
  {
    settings: ['keys.source', 'keys.algorithms'],
    holds: (source: string, algorithms: readonly SigningAlgorithm[]) =>
      source !== 'pkcs11' || algorithms.every((alg) => IN_TOKENS.has(alg)),
    rule: '`keys.source` is `pkcs11` only where `keys.algorithms` names no ML-DSA',
    because: 'tokens make no such keys',
  },
];
