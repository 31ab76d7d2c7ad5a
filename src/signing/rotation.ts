import type { Clock } from '#src/clock.ts';
import { Refusal, SigningFault, StorageFault } from '#src/fault.ts';
import type { Records } from '#src/records.ts';
import { keyRevoked } from '#src/revocations/note.ts';
import type { GeneratedKey, JwsAlgorithm, KeySource, SigningAlgorithm } from '#src/signing/algorithm.ts';
import { areSameKey } from '#src/signing/imported-key.ts';
import { event } from '#src/signing/key-event.ts';
import { type KeyListing, listings } from '#src/signing/key-listing.ts';
import { keyOf, type SigningKeyRecord, stateOf } from '#src/signing/key-ring.ts';
import {
  endAlgorithm,
  importKey,
  type Revoked,
  rehearse,
  revoke,
  rotateNow,
  type Successor,
  type Turned,
  withdraw,
} from '#src/signing/ring-change.ts';
import type { Done } from '#src/signing/ring-plan.ts';
import { type RingPolicy, retention, ringAlgorithms } from '#src/signing/ring-policy.ts';
import {
  type Changed,
  type Edit,
  type HistoryPage,
  type RingPorts,
  RingStore,
  type StoredRing,
} from '#src/signing/ring-store.ts';
import {
  type RotationOutcome,
  type Turning,
  type TurningDeed,
  turningEach,
  type UndoOutcome,
  undoing,
} from '#src/signing/turning.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

export interface RotationPorts extends RingPorts {
  readonly records: Pick<Records, 'find' | 'put' | 'readLog' | 'revoke'>;
}

export type RevocationOutcome =
  | { readonly outcome: 'no-such-key' | 'already-revoked' }
  | { readonly outcome: 'revoked'; readonly alg: JwsAlgorithm; readonly successor: Successor | null };

/** The entry of the revocation set that ends every token signed by a key. */
export const keyRevocationEntry = (kid: string): string => `key:${kid}`;

const REASON_CHARS_MAX = 200;

/**
 * Everything that changes the ring: what is due, and what an administrator decides. All of it is a compare-and-set in
 * the store, may be done by any number of nodes at the same moment, and throws `StorageFault` if the store fails.
 */
export class KeyRotation {
  readonly policy: RingPolicy;
  readonly #store: RingStore;
  readonly #records: RotationPorts['records'];
  readonly #clock: Clock;
  readonly #source: KeySource;

  private constructor(ports: RotationPorts, store: RingStore) {
    this.policy = ports.policy;
    this.#store = store;
    this.#records = ports.records;
    this.#clock = ports.clock;
    this.#source = ports.source;
  }

  /** Loads the ring, makes it if this is the first start, and carries out what is due. As `RingStore.open`. */
  static async open(ports: RotationPorts): Promise<KeyRotation> {
    const rotation = new KeyRotation(ports, await RingStore.open(ports));
    // What makes keys may be away: those that there are go on, and the first poll tells of it.
    await rotation.#maintained();
    return rotation;
  }

  /** The newest ring that this node has seen. It holds private keys. */
  get held(): StoredRing {
    return this.#store.held;
  }

  /** Reads the ring and turns to it if it is newer than the one held. */
  refresh(): Promise<StoredRing> {
    return this.#store.refresh();
  }

  /**
   * Reads the ring, carries out what is due, and says what that was. Throws what the source of keys throws if a key that
   * is due cannot be made; all else has been done by then.
   */
  async maintain(): Promise<readonly Done[]> {
    const { done, sourceFault } = await this.#maintained();
    if (sourceFault !== null) throw sourceFault;
    return done;
  }

  #maintained(): Promise<Changed<null>> {
    return this.#store.change((ring) => ({ ring, result: null, events: [] }));
  }

  /**
   * Lets the standby of one algorithm, or of each, sign as soon as everyone has it; with `breakGlass`, the reason, at
   * once. Throws `Refusal` for an algorithm that is not in the settings.
   */
  async rotate(
    options: Turning & { readonly breakGlass?: string } = {},
  ): Promise<readonly RotationOutcome[]> {
    const breakGlass = options.breakGlass === undefined ? null : checkedReason(options.breakGlass);
    return this.#turnEach(options, {
      deed: 'rotate',
      reason: breakGlass,
      turn: (ring, alg, now) => rotateNow(ring, this.policy, alg, now, breakGlass),
    }) as Promise<readonly RotationOutcome[]>;
  }

  /**
   * Takes back the rotation that was wanted last, of one algorithm or of each: calls it off, or lets the key before the
   * active one sign again. Throws `Refusal` as `rotate` does.
   */
  async undo(options: Turning = {}): Promise<readonly UndoOutcome[]> {
    return this.#turnEach(options, undoing(this.policy));
  }

  /**
   * Ends a key and every token that it signed: when this returns they are inactive at introspection on every node. The
   * ring changes first, so that a change which is refused, or a crash, never leaves a key that signs what is inactive from
   * birth; revoking once more completes what was cut off. Throws `Refusal` for a reason that is too long.
   */
  async revoke(kid: string, reason: string): Promise<RevocationOutcome> {
    checkedReason(reason);
    const { result } = await this.#changeOrEndTokens(kid, (settled, at) => {
      const revoked = revoke(settled, this.policy, { kid, reason }, at);
      const key = keyOf(settled, kid);
      if (revoked.outcome !== 'revoked' || key === null)
        return { ring: settled, result: revoked, events: [] };
      const brokeGlass = revoked.successor?.cachesMayLackIt === true;
      const events = [event('revoke', { at, alg: key.alg, kid, reason, brokeGlass })];
      return { ring: revoked.ring, result: revoked, events };
    });
    const key = keyOf(this.held.ring, kid);
    if (result.outcome === 'no-such-key' || key === null) return { outcome: 'no-such-key' };
    await this.#endTokensOf(key);
    if (result.outcome !== 'revoked') return result;
    return { outcome: 'revoked', alg: key.alg, successor: result.successor };
  }

  /** Where nothing can sign in the place of a key it has to go on, but what it signed need not be believed. */
  async #changeOrEndTokens(kid: string, edit: Edit<Revoked>): Promise<Changed<Revoked>> {
    try {
      return await this.#store.change(edit);
    } catch (fault) {
      const key = keyOf(this.held.ring, kid);
      if (key === null || fault instanceof StorageFault) throw fault;
      await this.#endTokensOf(key);
      const why = fault instanceof Error ? fault.message : String(fault);
      throw new SigningFault(
        `Every token of ${kid} is inactive now, but the key goes on signing, as none can be made in its place: ${why}. Revoke it once more when one can.`,
        { cause: fault },
      );
    }
  }

  async #endTokensOf({ kid, purpose, keptFor, revoked }: SigningKeyRecord): Promise<void> {
    const since = revoked?.at ?? this.#clock.now();
    const until = epochSeconds(since + Math.max(keptFor, retention(this.policy, purpose)));
    // Nobody but this server sees what the other keys sign.
    const note = purpose === 'jwks' ? keyRevoked(kid, until) : undefined;
    await this.#records.revoke([keyRevocationEntry(kid)], until, note);
  }

  /**
   * Publishes a key that was made elsewhere, as the next one to sign. Throws `Refusal` for an algorithm that is not in
   * the settings, or if the ring has that key, or another of its kid, be it one that has been revoked.
   */
  async import(imported: GeneratedKey): Promise<RotationOutcome> {
    const { alg, kid } = imported;
    this.#known(alg);
    const { result } = await this.#store.change<Turned>((ring, at) => {
      const same = keyOf(ring, kid) ?? ring.keys.find((key) => areSameKey(key, imported));
      if (same !== undefined) {
        const state = stateOf(ring, same, at);
        throw new Refusal('key_exists', `The key ${same.kid} is there already, and is ${state}.`, { kid });
      }
      const turned = importKey(ring, this.policy, imported, at);
      const events = [event('import', { at, alg, kid, signsFrom: turned.signsFrom })];
      return { ring: turned.ring, result: turned, events };
    });
    return { outcome: 'scheduled', alg, kid, signsFrom: result.signsFrom };
  }

  /** Publishes a new key until the given second, to be tried out: nothing that counts is ever signed with it. */
  async rehearse(alg: SigningAlgorithm, until: EpochSeconds): Promise<{ readonly kid: string }> {
    this.#known(alg);
    const generated = { ...(await this.#source.generate(alg)), alg };
    const { kid } = generated;
    await this.#store.change((ring, at) => ({
      ring: rehearse(ring, this.policy, generated, { now: at, until }),
      result: null,
      events: [event('rehearse', { at, alg, kid })],
    }));
    return { kid };
  }

  /** Takes a key that was published to be tried out from the JWK Set. No other key is touched. */
  async withdraw(kid: string): Promise<void> {
    await this.#store.change((ring, at) => {
      const without = withdraw(ring, kid);
      const alg = keyOf(ring, kid)?.alg;
      const events = without === ring || alg === undefined ? [] : [event('withdraw', { at, alg, kid })];
      return { ring: without, result: null, events };
    });
  }

  /**
   * Lets nothing sign with an algorithm any more, and answers whether anything did. What it signed stays valid. Throws
   * `Refusal` for one that is in the settings.
   */
  async end(alg: JwsAlgorithm): Promise<boolean> {
    if (ringAlgorithms(this.policy).includes(alg)) {
      const message = `The settings name ${alg}, so that keys are kept for it: take it out of keys.algorithms, and restart.`;
      throw new Refusal('algorithm_in_use', message, { alg });
    }
    const { result } = await this.#store.change((ring, at) => {
      const ended = endAlgorithm(ring, alg, at);
      const events = ended === ring ? [] : [event('end', { at, alg, kid: null })];
      return { ring: ended, result: ended !== ring, events };
    });
    return result;
  }

  /** Every key of the ring as it stands now, in the order of publication. */
  async list(): Promise<readonly KeyListing[]> {
    const { ring } = await this.refresh();
    return listings(ring, this.#clock.now());
  }

  /** What happened to the keys, oldest first. */
  history(page: { readonly after: number; readonly limit: number }): Promise<HistoryPage> {
    return this.#store.readHistory(page);
  }

  async #turnEach({ alg, since }: Turning, deed: TurningDeed): Promise<readonly UndoOutcome[]> {
    const algorithms = alg === undefined ? ringAlgorithms(this.policy) : [this.#known(alg)];
    const { result } = await this.#store.change(turningEach(algorithms, { ...deed, since }));
    return result;
  }

  #known(alg: JwsAlgorithm): JwsAlgorithm {
    const known = ringAlgorithms(this.policy);
    if (known.includes(alg)) return alg;
    const message = `No key of this server signs with ${alg}, only with ${known.join(', ')}. keys.algorithms in the settings says which do.`;
    throw new Refusal('unknown_algorithm', message, { alg, known });
  }
}

function checkedReason(reason: string): string {
  if (reason.trim() === '') throw new Refusal('reason_missing', 'A reason is needed, for the record.');
  if (reason.length <= REASON_CHARS_MAX) return reason;
  throw new Refusal('reason_too_long', `A reason has at most ${REASON_CHARS_MAX} characters.`);
}
