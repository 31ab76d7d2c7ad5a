import type { Clock } from '#src/clock.ts';
import { brought, labelOf } from '#src/pkcs11/key-handle.ts';
import { readPin } from '#src/pkcs11/pin-file.ts';
import type { PinTrials } from '#src/pkcs11/pin-trials.ts';
import { TokenAccess } from '#src/pkcs11/token-access.ts';
import { TokenKeySource } from '#src/pkcs11/token-key-source.ts';
import { TokenKeys } from '#src/pkcs11/token-keys.ts';
import { TokenSigner } from '#src/pkcs11/token-signer.ts';
import type { Random } from '#src/random.ts';
import type { KeySource } from '#src/signing/algorithm.ts';
import type { Seconds } from '#src/units.ts';

/** The token of a deployment: what signs with its keys, and what makes, reads and removes them. */
export interface KeyToken {
  readonly label: string;
  readonly signer: TokenSigner;
  readonly keys: TokenKeys;
  readonly source: KeySource;
  /** What a key pair is known by in the ring that somebody else has made in the token. */
  handleOf(label: string): string;
  labelOf(handle: string): string;
}

export interface KeyTokenOptions {
  /** The path of the PKCS#11 module. */
  readonly module: string;
  /** The label of the token. */
  readonly token: string;
  readonly pinFile: string;
  /** What others have found out about the PIN. */
  readonly trials?: PinTrials | null;
  readonly timeout: Seconds;
  readonly queueMax: number;
  readonly retryAfter: Seconds;
  /** Where keys come from that are not to be in the token. */
  readonly own: KeySource;
  /** True if new key pairs are to be made in the token. */
  readonly makesKeys: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

/** Nothing is opened before it is needed. */
export function keyToken({
  module,
  token,
  pinFile,
  makesKeys,
  trials = null,
  ...ports
}: KeyTokenOptions): KeyToken {
  const access = new TokenAccess({ module, token }, () => readPin(pinFile), trials);
  const keys = new TokenKeys(access);
  return {
    label: token,
    handleOf: brought,
    labelOf,
    keys,
    signer: new TokenSigner({ ...ports, access }),
    source: new TokenKeySource({ ...ports, keys, inToken: makesKeys }),
  };
}
