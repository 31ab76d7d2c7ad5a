import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import type { Records } from '#src/records.ts';
import { keyRevoked } from '#src/revocations/note.ts';
import type { GeneratedKey, JwsAlgorithm, KeySource, SigningAlgorithm } from '#src/signing/algorithm.ts';
import { areSameKey } from '#src/signing/imported-key.ts';
import type { KeyEvent } from '#src/signing/key-event.ts';
import { type KeyListing, listings } from '#src/signing/key-listing.ts';
import { activeKey, type KeyRing, keyOf, signsFrom, stateOf } from '#src/signing/key-ring.ts';
import {
  endAlgorithm,
  importKey,
  type Revoked,
  rehearse,
  revoke,
  rotateNow,
  type Successor,
  type Turned,
  undo,
  withdraw,
} from '#src/signing/ring-change.ts';
import type { Done } from '#src/signing/ring-plan.ts';
import { type RingPolicy, retention, ringAlgorithms } from '#src/signing/ring-policy.ts';
import {
  type Changed,
  type HistoryPage,
  type RingPorts,
  RingStore,
  type StoredRing,
} from '#src/signing/ring-store.ts';
import { type EpochSeconds, epochSeconds } from '#src/units.ts';

export interface RotationPorts extends RingPorts {
  readonly records: Pick<Records, 'find' | 'put' | 'readLog' | 'revoke'>;
}

/**
 * `signs-now`: the key is active. `scheduled`: it signs from the given second, when everyone has it.
 * `already-rotated`: someone else rotated at the same moment, and this is the key that signs since.
 */
export interface RotationOutcome {
  readonly outcome: 'signs-now' | 'scheduled' | 'already-rotated';
  readonly alg: JwsAlgorithm;
  readonly kid: string;
  readonly signsFrom: EpochSeconds;
}

/** `nothing-before`: no earlier key of the algorithm is published any more, and this one goes on. */
export type UndoOutcome =
  | RotationOutcome
  | { readonly outcome: 'nothing-before'; readonly alg: JwsAlgorithm; readonly kid: string };

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
    options: { readonly alg?: JwsAlgorithm; readonly breakGlass?: string } = {},
  ): Promise<readonly RotationOutcome[]> {
    const breakGlass = options.breakGlass === undefined ? null : checkedReason(options.breakGlass);
    return this.#turnEach(options.alg, 'rotate', {
      reason: breakGlass,
      turn: (ring, alg, now) => rotateNow(ring, this.policy, alg, now, breakGlass),
    }) as Promise<readonly RotationOutcome[]>;
  }

  /** Lets the key before the active one sign again, of one algorithm or of each. Throws `Refusal` as `rotate` does. */
  async undo(options: { readonly alg?: JwsAlgorithm } = {}): Promise<readonly UndoOutcome[]> {
    return this.#turnEach(options.alg, 'undo', {
      reason: null,
      turn: (ring, alg, now) => undo(ring, this.policy, alg, now),
    });
  }

  /**
   * Ends a key and every token that it signed. The tokens are in the revocation set, and so refused at introspection
   * on every node, before the ring changes. Throws `Refusal` for a reason that is too long.
   */
  async revoke(kid: string, reason: string): Promise<RevocationOutcome> {
    checkedReason(reason);
    const { ring } = await this.refresh();
    const now = this.#clock.now();
    const key = keyOf(ring, kid);
    if (key === null || stateOf(ring, key, now) === 'removed') return { outcome: 'no-such-key' };
    const until = epochSeconds(now + Math.max(key.keptFor, retention(this.policy, key.purpose)));
    // Nobody but this server sees what the other keys sign.
    const note = key.purpose === 'jwks' ? keyRevoked(kid, until) : undefined;
    await this.#records.revoke([keyRevocationEntry(kid)], until, note);
    const { result } = await this.#store.change<Revoked>((settled, at) => {
      const revoked = revoke(settled, this.policy, { kid, reason }, at);
      if (revoked.outcome !== 'revoked') return { ring: settled, result: revoked, events: [] };
      const brokeGlass = revoked.successor?.cachesMayLackIt === true;
      const events = [event('revoke', { at, alg: key.alg, kid, reason, brokeGlass })];
      return { ring: revoked.ring, result: revoked, events };
    });
    if (result.outcome !== 'revoked') return result;
    return { outcome: 'revoked', alg: key.alg, successor: result.successor };
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
   * Lets nothing sign with an algorithm any more. What it signed stays valid. Throws `Refusal` for one that is in the
   * settings.
   */
  async end(alg: JwsAlgorithm): Promise<void> {
    if (ringAlgorithms(this.policy).includes(alg)) {
      throw new Refusal('algorithm_in_use', `The settings name ${alg}, so that keys are kept for it.`, {
        alg,
      });
    }
    await this.#store.change((ring, at) => {
      const ended = endAlgorithm(ring, alg, at);
      const events = ended === ring ? [] : [event('end', { at, alg, kid: null })];
      return { ring: ended, result: null, events };
    });
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

  /** Turns each algorithm once, however often the change has to be tried: a turn of someone else's is left alone. */
  async #turnEach(
    only: JwsAlgorithm | undefined,
    deed: 'rotate' | 'undo',
    { reason, turn }: Turning,
  ): Promise<readonly UndoOutcome[]> {
    const algorithms = only === undefined ? ringAlgorithms(this.policy) : [this.#known(only)];
    const activeAtFirst = new Map<JwsAlgorithm, string>();
    const { result } = await this.#store.change((ring, at) => {
      const result: UndoOutcome[] = [];
      const events: KeyEvent[] = [];
      let turning = ring;
      for (const alg of algorithms) {
        const { kid, from } = mustBeActive(ring, alg, at);
        const before = activeAtFirst.get(alg) ?? kid;
        activeAtFirst.set(alg, before);
        const turned = kid === before ? turn(turning, alg, at) : { ring: turning, kid, signsFrom: from };
        if (turned === null) {
          result.push({ outcome: 'nothing-before', alg, kid });
          continue;
        }
        const outcome = turned.signsFrom <= at ? 'signs-now' : 'scheduled';
        result.push({
          outcome: kid === before ? outcome : 'already-rotated',
          alg,
          kid: turned.kid,
          signsFrom: turned.signsFrom,
        });
        if (turned.ring !== turning) {
          const about = { at, alg, kid: turned.kid, signsFrom: turned.signsFrom, reason };
          events.push(event(deed, { ...about, brokeGlass: reason !== null }));
        }
        turning = turned.ring;
      }
      return { ring: turning, result, events };
    });
    return result;
  }

  #known(alg: JwsAlgorithm): JwsAlgorithm {
    const known = ringAlgorithms(this.policy);
    if (known.includes(alg)) return alg;
    const message = `No key of this server signs with ${alg}, only with ${known.join(', ')}.`;
    throw new Refusal('unknown_algorithm', message, { alg, known });
  }
}

interface Turning {
  readonly reason: string | null;
  readonly turn: (ring: KeyRing, alg: JwsAlgorithm, now: EpochSeconds) => Turned | null;
}

function event(
  what: KeyEvent['what'],
  about: Pick<KeyEvent, 'at' | 'alg' | 'kid'> & Partial<KeyEvent>,
): KeyEvent {
  return { what, signsFrom: null, reason: null, brokeGlass: false, ...about };
}

function checkedReason(reason: string): string {
  if (reason.trim() === '') throw new Refusal('reason_missing', 'A reason is needed, for the record.');
  if (reason.length <= REASON_CHARS_MAX) return reason;
  throw new Refusal('reason_too_long', `A reason has at most ${REASON_CHARS_MAX} characters.`);
}

function mustBeActive(
  ring: KeyRing,
  alg: JwsAlgorithm,
  now: EpochSeconds,
): { readonly kid: string; readonly from: EpochSeconds } {
  const active = activeKey(ring, alg, now);
  if (active === null) throw new Error(`A settled ring has an active ${alg} key.`);
  return { kid: active.kid, from: signsFrom(ring, active) ?? now };
}
