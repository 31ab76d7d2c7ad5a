import type { Clock } from '#src/clock.ts';
import { SetupFault } from '#src/fault.ts';
import { REFRESH_ALGORITHM, type SigningAlgorithm } from '#src/signing/algorithm.ts';
import type { Signer } from '#src/signing/jws.ts';
import { activeKey } from '#src/signing/key-ring.ts';
import {
  type JwksDocument,
  type KeyView,
  type PublicVerifier,
  type RefreshKey,
  type SigningMeans,
  viewOf,
} from '#src/signing/key-view.ts';
import { type Done, plan, turnsSoon } from '#src/signing/ring-plan.ts';
import { readEveryMs } from '#src/signing/ring-policy.ts';
import type { KeyRotation } from '#src/signing/rotation.ts';
import type { EpochSeconds } from '#src/units.ts';

export interface KeyHolderPorts extends Partial<SigningMeans> {
  readonly rotation: KeyRotation;
  readonly clock: Clock;
  /** Told of what went wrong in the background; signing goes on with the ring that is held. */
  readonly onFault: (error: unknown) => void;
  /** Told of the steps that this node carried out in the background. */
  readonly onMaintained?: (steps: readonly Done[]) => void;
  /** Told when this node has turned to another ring. */
  readonly onTurned?: () => void;
}

/** However seldom the ring is read, what is due is carried out at least this often. */
const POLL_EVERY_MS_MAX = 60_000;

/**
 * The keys of this node, live. Every call looks at the clock and at the ring that is held, and answers for that
 * second; what it answers from is built anew only when a key changes its state or the ring its version.
 */
export class KeyHolder implements AsyncDisposable {
  readonly #ports: KeyHolderPorts;
  readonly #means: SigningMeans;
  #view: KeyView;
  #timer: NodeJS.Timeout | null = null;
  #polling: Promise<void> = Promise.resolve();
  #disposed = false;
  #told: unknown = null;
  #version: number;

  constructor(ports: KeyHolderPorts) {
    this.#ports = ports;
    this.#means = { outside: ports.outside ?? null, onSigning: ports.onSigning ?? null };
    this.#version = ports.rotation.held.version;
    this.#view = viewOf(ports.rotation.held.ring, ports.clock.now(), this.#means);
  }

  /** The key that signs with this algorithm now. Throws `RangeError` for an algorithm that is not in the settings. */
  signer(alg: SigningAlgorithm): Signer {
    const signer = this.#now().signers.get(alg);
    if (signer === undefined) throw new RangeError(`no key of this server signs with ${alg}`);
    return signer;
  }

  /** Returns if every key that signs now could. Throws `SigningFault` if one is outside and out of reach. */
  async assertSigning(): Promise<void> {
    for (const signer of this.#now().signers.values()) await signer.ready?.();
  }

  /** True if a key signs with this algorithm now. */
  signs(alg: SigningAlgorithm): boolean {
    return this.#now().signers.has(alg);
  }

  /** The key of the JWK Set with this kid; `null` if there is none, it is revoked, or its time is over. */
  verifier(kid: string): PublicVerifier | null {
    return this.#now().verifiers.get(kid) ?? null;
  }

  /** The refresh key with this kid; `null` if there is none, it is revoked, or its time is over. */
  refreshKey(kid: string): RefreshKey | null {
    return this.#now().refreshKeys.get(kid) ?? null;
  }

  /**
   * The refresh key that signed at `time`, the same on every node, so that each can make again what another has
   * signed. A revoked key never signs again: the one that took its place does.
   */
  refreshKeyAt(time: EpochSeconds): RefreshKey {
    const { ring, refreshKey, refreshKeys } = this.#now();
    const then = activeKey(ring, REFRESH_ALGORITHM, time);
    return (then && refreshKeys.get(then.kid)) ?? refreshKey;
  }

  /** The public JWK Set: bytes that change exactly when a key enters or leaves it. */
  jwks(): JwksDocument {
    return this.#now().jwks;
  }

  /** Turns to the newest ring now, and not only at the next poll. @throws StorageFault */
  async readRing(): Promise<void> {
    await this.#ports.rotation.refresh();
  }

  /**
   * Follows the ring in the background, and carries out what is due, until disposed. Keeps no process alive.
   * Throws `SetupFault` if a key that signs is with an outside signer, and there is none.
   */
  start(): void {
    this.#assertOutside();
    const { ringPoll } = this.#ports.rotation.policy;
    const every = Math.min(readEveryMs(ringPoll), POLL_EVERY_MS_MAX);
    const next = () => {
      if (this.#disposed) return;
      this.#timer = setTimeout(() => {
        this.#polling = this.#poll().then(next);
      }, every).unref();
    };
    next();
  }

  /** Ends the polling, and waits for a poll that is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#polling;
  }

  #assertOutside(): void {
    const outside = [...this.#now().signers.values()].find(({ ready }) => ready !== undefined);
    if (outside === undefined || this.#means.outside !== null) return;
    throw new SetupFault(
      `the signing key ${outside.kid} is not in the store but in a token, and none is set up`,
      'set pkcs11.module, pkcs11.token and pkcs11.pinFile',
    );
  }

  async #poll(): Promise<void> {
    const { rotation, clock, onFault, onMaintained, onTurned } = this.#ports;
    try {
      const { ring, version } = await rotation.refresh();
      if (version !== this.#version) onTurned?.();
      this.#version = version;
      const { policy } = rotation;
      const now = clock.now();
      if (plan(ring, policy, now).length === 0 && turnsSoon(ring, policy, now).length === 0) return;
      const steps = await rotation.maintain();
      if (steps.length > 0) onMaintained?.(steps);
      this.#told = null;
    } catch (error) {
      // What remembers why it failed says so every second.
      if (error !== this.#told) onFault(error);
      this.#told = error;
    }
  }

  #now(): KeyView {
    const now = this.#ports.clock.now();
    const { ring } = this.#ports.rotation.held;
    const view = this.#view;
    const stands = view.ring === ring && now >= view.from && (view.until === null || now < view.until);
    if (!stands) this.#view = viewOf(ring, now, this.#means);
    return this.#view;
  }
}
