import { createPublicKey, type JsonWebKey } from 'node:crypto';
import type { Clock } from '#src/clock.ts';
import { Refusal } from '#src/fault.ts';
import { everyValue } from '#src/record-loops.ts';
import type { Records } from '#src/records.ts';
import { hasPrivatePart, publicMembers, thumbprint } from '#src/signing/algorithm.ts';
import { isKid } from '#src/signing/imported-key.ts';
import type { FurtherJwk } from '#src/signing/joined-jwks.ts';
import type { KeyRing } from '#src/signing/key-ring.ts';
import { assertSound } from '#src/signing/key-soundness.ts';
import { readEveryMs } from '#src/signing/ring-policy.ts';
import { after, type EpochSeconds, type Seconds } from '#src/units.ts';

/** A public key of the server that was here before, published so that what it signed can still be verified. */
export interface FormerKey {
  readonly jwk: FormerJwk;
  readonly addedAt: EpochSeconds;
  /** When it is no longer published: by then the last token that it signed has expired. */
  readonly until: EpochSeconds;
}

export interface FormerJwk extends JsonWebKey, FurtherJwk {
  readonly use: 'sig';
}

/** What came of a JWK Set: which keys are published now, and which are not, each with the reason. */
export interface AddedFormerKeys {
  readonly added: readonly FormerKey[];
  readonly passedOver: readonly { readonly kid: string; readonly why: string }[];
}

export interface FormerKeysPorts {
  readonly records: Pick<Records, 'find' | 'list' | 'put' | 'remove'>;
  readonly clock: Clock;
  /** The ring, whose kids are taken. */
  readonly ring: () => KeyRing;
}

const KIND = 'former-key';

/** Everyone fetches all of them. */
const KEYS_MAX = 20;

/**
 * The public keys of a former server, beside the ring: nothing is ever signed with them, and nothing that they signed is
 * taken here. They are for those who only verify signatures, by the same issuer, until a time.
 */
export class FormerKeys {
  readonly #ports: FormerKeysPorts;
  #held: readonly FormerKey[] = [];
  #published: readonly FormerJwk[] = [];

  constructor(ports: FormerKeysPorts) {
    this.#ports = ports;
  }

  /**
   * Publishes the signing keys of a JWK Set, or of one JWK, for so long; one that is there already begins anew.
   * Throws `Refusal` and publishes none if one of them is no key that could be published here.
   */
  async add(document: unknown, lifetime: Seconds): Promise<AddedFormerKeys> {
    const { records, clock, ring } = this.#ports;
    const addedAt = clock.now();
    const until = after(addedAt, lifetime);
    const passedOver: { kid: string; why: string }[] = [];
    const added: FormerKey[] = [];
    for (const candidate of keysIn(document)) {
      const why = whyPassedOver(candidate, ring());
      if (why === null) added.push({ jwk: formerJwk(candidate, ring()), addedAt, until });
      else passedOver.push({ kid: String(candidate.kid), why });
    }
    const kids = new Set([...(await this.list()), ...added].map(({ jwk }) => jwk.kid));
    if (kids.size > KEYS_MAX) throw unfit(`At most ${KEYS_MAX} former keys are published.`);
    for (const value of added) {
      await records.put<FormerKey>({ kind: KIND, id: value.jwk.kid, value, expiresAt: until });
    }
    return { added, passedOver };
  }

  /** Those that are published. Throws `StorageFault`. */
  list(): Promise<FormerKey[]> {
    return Array.fromAsync(everyValue<FormerKey>(this.#ports.records, KIND));
  }

  /** Publishes a key no longer. False if there is none of that kid. Throws `StorageFault`. */
  remove(kid: string): Promise<boolean> {
    return this.#ports.records.remove(KIND, kid);
  }

  /** Those of the last reading whose time is not over: the same list as long as it has the same keys. */
  published(): readonly FormerJwk[] {
    const now = this.#ports.clock.now();
    const standing = this.#held.filter(({ until }) => until > now).map(({ jwk }) => jwk);
    const same = standing.length === this.#published.length;
    if (!same || standing.some((jwk, index) => jwk !== this.#published[index])) this.#published = standing;
    return this.#published;
  }

  /** Reads them anew. Throws `StorageFault`. */
  async refresh(): Promise<void> {
    const listed = await this.list();
    if (JSON.stringify(listed) !== JSON.stringify(this.#held)) this.#held = listed;
  }

  /** Reads them so often that a change is seen within `ringPoll`, until disposed. Keeps no process alive. */
  follow(ringPoll: Seconds, onFault: (error: unknown) => void): AsyncDisposable {
    let reading = Promise.resolve();
    const timer = setInterval(() => {
      reading = this.refresh().catch(onFault);
    }, readEveryMs(ringPoll)).unref();
    return {
      [Symbol.asyncDispose]: () => {
        clearInterval(timer);
        return reading;
      },
    };
  }
}

interface Candidate extends JsonWebKey {
  readonly kid?: unknown;
  readonly use?: unknown;
  readonly alg?: string;
}

function keysIn(document: unknown): readonly Candidate[] {
  const { keys = [document] } = (document ?? {}) as { keys?: unknown };
  const known = Array.isArray(keys) && keys.every((key) => typeof key?.kty === 'string');
  if (!known || keys.length === 0) throw unfit('The file is neither a JWK Set nor a JWK.');
  return keys as Candidate[];
}

/** RFC 7517 section 5: a set may hold keys that are for something else, and those are no mistake. */
function whyPassedOver(key: Candidate, ring: KeyRing): string | null {
  if (key.use !== undefined && key.use !== 'sig') return 'it is not for signatures';
  const same = ring.keys.find(({ kid }) => kid === key.kid);
  if (same === undefined) return null;
  return thumbprint(key) === thumbprint(same.jwk) ? 'it is one of the keys of this server' : null;
}

function formerJwk(key: Candidate, ring: KeyRing): FormerJwk {
  const { kid, alg } = key;
  if (!isKid(kid)) throw unfit('Each key needs a kid of 1 to 128 letters, digits and - _ . ~ : @ / + =.');
  if (hasPrivatePart(key)) {
    throw unfit(`The key ${kid} is private: publish the JWKS of the former server, or import the key.`);
  }
  if (ring.keys.some((other) => other.kid === kid)) throw unfit(`This server has another key called ${kid}.`);
  const members = publicPart(kid, key);
  assertSound(members);
  return { ...members, kid, use: 'sig', ...(typeof alg === 'string' ? { alg } : undefined) };
}

function publicPart(kid: string, key: Candidate): JsonWebKey {
  try {
    return publicMembers(createPublicKey({ key, format: 'jwk' }).export({ format: 'jwk' }));
  } catch {
    throw unfit(`The key ${kid} is malformed, or of a kind that is not known.`);
  }
}

const unfit = (message: string) => new Refusal('former_key_unfit', message);
